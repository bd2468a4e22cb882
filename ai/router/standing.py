"""From a benchmark's report to what the policy chooses by."""

import math

from ai.benchmark.model import BenchmarkReport
from ai.benchmark.stats import Interval
from ai.router.policy import Standing


def standings_of(report: BenchmarkReport) -> dict[str, Standing]:
    """What a report says of each backend it could measure.

    Speeds are ratios to the report's reference, whose own is exactly 1; `latency_s` is the 95th percentile of a whole answer.
    """
    ratios = {
        c.candidate: Interval(c.estimate, c.low or 0.0, c.high or math.inf, c.confidence, "signed-rank")
        for c in report.comparisons
    }
    if report.reference is not None:
        ratios[report.reference] = Interval(1.0, 1.0, 1.0, 1 - report.plan.alpha, "reference")
    out: dict[str, Standing] = {}
    for contender in report.contenders:
        if contender.unusable:
            continue
        total = contender.metrics.get("total")
        out[contender.name] = Standing(
            quality=contender.quality.f1_micro if contender.quality else None,
            speed=ratios.get(contender.name),
            latency_s=total.p95 if total else None,
            measured_ts=report.ended,
            unit="×",
        )
    return out
