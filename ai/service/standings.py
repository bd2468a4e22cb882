"""What benchmarks have shown of each back end, as the router's policy wants it."""

from collections.abc import Sequence

from ai.benchmark.model import BenchmarkReport, Comparison, Metric
from ai.benchmark.stats import Interval
from ai.router.policy import Standing


def standings(reports: Sequence[BenchmarkReport]) -> dict[str, Standing]:
    """By back end, from the newest report that measured it (reports newest first).

    Speed is in tokens a second: the reference's own, and for the others its rate times their paired ratio with its interval.
    """
    found: dict[str, Standing] = {}
    quality: dict[str, float] = {}
    for report in reports:
        for contender in report.contenders:
            if contender.quality is not None:
                quality.setdefault(contender.name, contender.quality.f1_micro)
            if contender.unusable or contender.name in found:
                continue
            total = contender.metrics.get("total")
            found[contender.name] = Standing(
                speed=_speed(report, contender.name), latency_s=total.p95 if total else None, measured_ts=report.ended
            )
    return {name: Standing(quality.get(name), s.speed, s.latency_s, s.measured_ts) for name, s in found.items()}


def newest_metrics(reports: Sequence[BenchmarkReport]) -> dict[str, tuple[str, dict[str, Metric]]]:
    """Back end → (the newest report that measured it, its figures)."""
    found: dict[str, tuple[str, dict[str, Metric]]] = {}
    for report in reports:
        for contender in report.contenders:
            if not contender.unusable and contender.metrics:
                found.setdefault(contender.name, (report.id, dict(contender.metrics)))
    return found


def _speed(report: BenchmarkReport, name: str) -> Interval | None:
    rates = {c.name: c.metrics.get("generation") for c in report.contenders}
    base = rates.get(report.reference or "")
    if base is None or base.value is None:
        return None
    if name == report.reference:
        return Interval(base.value, base.low or base.value, base.high or base.value, 0.95, "median")
    ratio: Comparison | None = next((c for c in report.comparisons if c.candidate == name), None)
    if ratio is None or ratio.low is None or ratio.high is None:
        return None
    return Interval(base.value * ratio.estimate, base.value * ratio.low, base.value * ratio.high, 0.95, "paired")
