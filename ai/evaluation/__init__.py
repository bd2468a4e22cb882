"""Quality on labelled postings written for this project.

quality = await evaluate(asker, load_postings())          # None as asker: the rules
compare_quality(quality, other).sentence(); majority_baseline(postings)
AIBackendBenchmark(..., quality=quality_check())          # inside a benchmark
"""

from ai.evaluation.evaluate import (
    Quality,
    QualityComparison,
    compare_quality,
    evaluate,
    majority_baseline,
    quality_check,
)
from ai.evaluation.postings_file import LabelledPosting, load_postings

__all__ = [
    "LabelledPosting",
    "Quality",
    "QualityComparison",
    "compare_quality",
    "evaluate",
    "load_postings",
    "majority_baseline",
    "quality_check",
]
