"""A model's opinion on log records or a range of time: evidence comes in, checked sentences with citations go out.

opinion = await explain(asker, records, question="Why did CPU jump at 14:02?", mask=hide_secrets)
"""

from ai.explain.explain import Mask, explain
from ai.shapes.opinion import EvidenceRecord, Explanation, Fact

__all__ = ["EvidenceRecord", "Explanation", "Fact", "Mask", "explain"]
