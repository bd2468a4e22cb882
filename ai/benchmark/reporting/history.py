"""Benchmarks over time: comparing two, marking changes, repeating one."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ai.benchmark.samples.comparable import alike
from ai.benchmark.samples.guards import unfit
from ai.shapes.report import BenchmarkPlan, BenchmarkReport, Measure, SampleRow
from ai.statistics.intervals import Interval

_FIGURES: Final[tuple[Measure, ...]] = ("generation", "first_token", "total")


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of one backend in two benchmarks: the ratio of its speed (above 1: faster now) and whether it has changed.

    `why` says what differs between the two set-ups, when something does.
    """

    backend: str
    figure: str
    ratio: Interval
    changed: bool
    why: tuple[str, ...]

    def sentence(self) -> str:
        """In words."""
        low, high = self.ratio.low, self.ratio.high
        bounds = f"95 % between {low:.2f} and {high:.2f}" if math.isfinite(high) else "too few measurements"
        if not self.changed:
            return f"{self.backend}, {self.figure.replace('_', ' ')}: no change shown ({bounds})."
        word = "faster" if self.ratio.estimate > 1 else "slower"
        reason = f" Different now: {', '.join(self.why)}." if self.why else ""
        return f"{self.backend}, {self.figure.replace('_', ' ')}: {word} than before, {self.ratio.estimate:.2f} times the speed ({bounds}).{reason}"


def two_sample_interval(before: Sequence[float], after: Sequence[float], level: float = 0.95) -> Interval:
    """The shift from `before` to `after`: the median of all differences with its rank interval (Hodges and Lehmann).

    Raises:
        ValueError: one of them is empty.
    """
    if not before or not after:
        msg = "both samples need values"
        raise ValueError(msg)
    differences = sorted(b - a for a in before for b in after)
    m, n = len(before), len(after)
    z = statistics.NormalDist().inv_cdf(0.5 + level / 2)
    rank = math.floor(m * n / 2 - z * math.sqrt(m * n * (m + n + 1) / 12))
    estimate = statistics.median(differences)
    if rank < 1:
        return Interval(estimate, -math.inf, math.inf, level, "rank-sum")
    return Interval(estimate, differences[rank - 1], differences[-rank], level, "rank-sum")


def compare_runs(before: BenchmarkReport, after: BenchmarkReport, *, margin: float = 0.05) -> list[Change]:
    """How each backend that is in both has changed; a change must exclude 1 and be larger than the margin.

    Two benchmarks are not interleaved, so the machine's own change is part of what this shows.
    """
    changes: list[Change] = []
    shared = [c.name for c in before.contenders if c.name in {d.name for d in after.contenders}]
    for name in shared:
        why = tuple(_differences(before, after, name))
        for figure in _FIGURES:
            old, new = _logs(before.samples, name, figure), _logs(after.samples, name, figure)
            if not old or not new:
                continue
            shift = two_sample_interval(new, old).exp()
            small = abs(math.log(shift.estimate)) <= math.log1p(margin)
            changes.append(Change(name, figure, shift, not small and not shift.low <= 1 <= shift.high, why))
    return changes


def change_marks(reports: Sequence[BenchmarkReport]) -> dict[str, list[Change]]:
    """Marks on a history (oldest first): report id → the changes against the newest earlier report with that backend."""
    marks: dict[str, list[Change]] = {}
    for at, report in enumerate(reports):
        found: list[Change] = []
        for contender in report.contenders if report.plan.pairs else ():
            before = (r for r in reversed(reports[:at]) if r.plan.pairs)
            earlier = next((r for r in before if any(c.name == contender.name for c in r.contenders)), None)
            if earlier is not None:
                found += [c for c in compare_runs(earlier, report) if c.changed and c.backend == contender.name]
        marks[report.id] = found
    return marks


def replay_plan(report: BenchmarkReport) -> BenchmarkPlan:
    """The plan that repeats a benchmark: the same prompts, order and seed."""
    return report.plan.model_copy(update={"replay_of": report.id})


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether a repetition says the same: `agrees` when all ratios' intervals overlap and no verdict is turned round."""

    agrees: bool
    same_setup: bool
    sentence: str


def agreement(original: BenchmarkReport, repeated: BenchmarkReport) -> Agreement:
    """Compare a benchmark with its replay."""
    same = original.manifest_sha256 == repeated.manifest_sha256
    later = {(c.candidate, c.reference): c for c in repeated.comparisons}
    disagreeing = []
    for comparison in original.comparisons:
        other = later.get((comparison.candidate, comparison.reference))
        if other is None:
            disagreeing.append(f"{comparison.candidate} was not measured again")
            continue
        if None in (comparison.high, other.high):
            disagreeing.append(
                f"{comparison.candidate} had too few pairs {'then' if comparison.high is None else 'now'}"
            )
            continue
        low, high = max(comparison.low or 0, other.low or 0), min(comparison.high or math.inf, other.high or math.inf)
        if low > high or {comparison.kind, other.kind} == {"faster", "slower"}:
            disagreeing.append(
                f"{comparison.candidate} was {comparison.estimate:.2f} and is now {other.estimate:.2f} times as fast"
            )
    setup = "" if same else " The set-up is not the same as then."
    if disagreeing:
        return Agreement(
            agrees=False, same_setup=same, sentence=f"The repetition disagrees: {'; '.join(disagreeing)}.{setup}"
        )
    return Agreement(
        agrees=True,
        same_setup=same,
        sentence=f"The repetition agrees with the first measurement within its intervals.{setup}",
    )


def _logs(samples: Sequence[SampleRow], name: str, figure: Measure) -> list[float]:
    out = []
    for s in samples:
        if s.backend != name or s.batch != 1 or s.block < 0 or unfit(s.flags, figure):
            continue
        seconds = {
            "generation": 1 / s.rate if s.rate else None,
            "first_token": s.ttft_s,
            "total": s.total_s / s.completion_tokens if s.total_s and s.completion_tokens else None,
        }[figure]
        if seconds:
            out.append(math.log(seconds))
    return out


def _differences(before: BenchmarkReport, after: BenchmarkReport, name: str) -> list[str]:
    old, new = (next(c.load for c in r.contenders if c.name == name) for r in (before, after))
    if old is None or new is None:
        return []
    fields = ("model", "engine_version", "quantization", "context", "kv_type", "device")
    found = [f.replace("_", " ") for f in fields if getattr(old, f) != getattr(new, f)]
    found += ["weights"] if alike(old.weights, new.weights) is False else []
    return found + [
        key.replace("_", " ")
        for key in sorted(
            before.host.keys() & after.host.keys() - {"kind"}
        )  # what was compared is no part of the machine
        if before.host[key] != after.host[key]
    ]
