"""What benchmarks have shown of each back end, as the router's policy wants it."""

from collections.abc import Sequence

from ai.router.policy import Score
from ai.shapes.report import BenchmarkReport, Metric
from ai.statistics.intervals import Interval


def scores(reports: Sequence[BenchmarkReport]) -> dict[str, Score]:
    """By back end, from the newest report that says something of it (reports newest first).

    Only a verdict gives a speed: one that was cancelled or remained undecided says nothing, and neither does the rate of an engine by
    itself. Speed is in tokens a second: the reference's own, and for the others its rate times their paired ratio with its interval.
    """
    speeds: dict[str, tuple[Interval | None, int]] = {}
    quality: dict[str, float] = {}
    latency: dict[str, tuple[float, int]] = {}
    for report in reports:
        for name, speed in _speeds(report).items():
            speeds.setdefault(name, (speed, report.ended))
        for contender in report.contenders:
            if contender.quality is not None:
                quality.setdefault(contender.name, contender.quality.f1_micro)
            total = contender.metrics.get("total")
            if report.state == "done" and not contender.unusable and total is not None and total.p95 is not None:
                latency.setdefault(contender.name, (total.p95, report.ended))
    found = {}
    for name in speeds.keys() | quality.keys() | latency.keys():
        speed, decided = speeds.get(name, (None, 0))
        seconds, timed = latency.get(name, (None, 0))
        found[name] = Score(quality.get(name), speed, seconds, max(decided, timed) or None)
    return found


def newest_metrics(reports: Sequence[BenchmarkReport]) -> dict[str, tuple[str, dict[str, Metric]]]:
    """Back end → (the newest report that measured it, its figures)."""
    found: dict[str, tuple[str, dict[str, Metric]]] = {}
    for report in reports:
        for contender in report.contenders if report.plan.pairs else ():
            if not contender.unusable and contender.metrics:
                found.setdefault(contender.name, (report.id, dict(contender.metrics)))
    return found


def _speeds(report: BenchmarkReport) -> dict[str, Interval | None]:
    """The speeds that a report's verdicts stand for; None for engines that it found equally fast."""
    rates = {c.name: c.metrics.get("generation") for c in report.contenders}
    base = rates.get(report.reference or "")
    if base is None or base.value is None or report.reference is None:
        return {}
    found: dict[str, Interval | None] = {}
    for ratio in report.comparisons:
        if ratio.kind == "not shown" or ratio.low is None or ratio.high is None:
            if ratio.equivalent:
                found[ratio.candidate] = None
            continue
        found[ratio.candidate] = Interval(
            base.value * ratio.estimate, base.value * ratio.low, base.value * ratio.high, 0.95, "paired"
        )
    if any(speed is not None for speed in found.values()):
        found[report.reference] = Interval(base.value, base.low or base.value, base.high or base.value, 0.95, "median")
    elif found:
        found[report.reference] = None
    return found
