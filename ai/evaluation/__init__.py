"""Quality on labelled postings written for this project.

quality = await evaluate(asker, load_postings(split="held-out"))   # None as asker: the rules
majority_baseline(postings)                                        # what needs no skill
AIBackendBenchmark(..., quality=quality_check())                   # inside a benchmark
baselines()                                                        # what needs no model reaches, in a sentence
"""

from ai.evaluation.evaluate import (
    Quality,
    baselines,
    evaluate,
    majority_baseline,
    quality_check,
)
from ai.evaluation.labelled import LabelledPosting, load_postings, unseen_postings

__all__ = [
    "LabelledPosting",
    "Quality",
    "baselines",
    "evaluate",
    "load_postings",
    "majority_baseline",
    "quality_check",
    "unseen_postings",
]
