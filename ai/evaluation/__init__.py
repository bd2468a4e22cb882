"""Quality on labelled postings written for this project.

quality = await evaluate(asker, load_postings(split="held-out"))   # None as asker: the rules
compare_quality(quality, other).sentence(); majority_baseline(postings)
AIBackendBenchmark(..., quality=quality_check())                   # inside a benchmark
baselines()                                                        # what needs no model reaches, in a sentence
"""

from ai.evaluation.evaluate import (
    Quality,
    QualityComparison,
    baselines,
    compare_quality,
    evaluate,
    majority_baseline,
    quality_check,
)
from ai.evaluation.postings_file import LabelledPosting, load_postings, unseen_postings

__all__ = [
    "LabelledPosting",
    "Quality",
    "QualityComparison",
    "baselines",
    "compare_quality",
    "evaluate",
    "load_postings",
    "majority_baseline",
    "quality_check",
    "unseen_postings",
]
