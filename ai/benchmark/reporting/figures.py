"""From measurements to figures: metrics with percentiles, ratios of blocks, and the check of each engine against itself."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ai.benchmark.samples.guards import unfit
from ai.core.types import Origin
from ai.shapes.report import Measure, Metric, SampleRow, SelfCheck
from ai.statistics.intervals import hodges_lehmann, percentile
from ai.statistics.sequential import MIN_BLOCKS

_SECONDS: Final[dict[Measure, Callable[[SampleRow], float | None]]] = {
    "generation": lambda s: None if not s.rate else 1 / s.rate,
    "first_token": lambda s: s.ttft_s,
    "total": lambda s: None if not s.total_s or not s.completion_tokens else s.total_s / s.completion_tokens,
}
"""What is compared: seconds a token after the first, seconds to the first, seconds a token in all. Smaller is faster."""

_FEWEST: Final = 6
"""With fewer pairs no interval of 95 % is finite."""


def log_ratios(
    samples: Sequence[SampleRow], candidate: str, reference: str, measure: Measure, *, lenient: bool = False
) -> list[float]:
    """One log ratio of speeds a block in which both engines have both of their measurements fit for use."""
    blocks: dict[int, dict[str, list[float]]] = {}
    for sample in samples:
        value = _SECONDS[measure](sample)
        if sample.paired and value and not unfit(sample.flags, measure, accept_environment=lenient):
            blocks.setdefault(sample.block, {}).setdefault(sample.backend, []).append(math.log(value))
    ratios = []
    for _, logs in sorted(blocks.items()):
        mine, theirs = logs.get(candidate, []), logs.get(reference, [])
        if len(mine) == len(theirs) == 2:
            ratios.append((sum(theirs) - sum(mine)) / 2)
    return ratios


def busy_throughout(samples: Sequence[SampleRow], candidate: str, reference: str, measure: Measure) -> bool:
    """Whether the machine was so busy that disturbed pairs must be compared too: there are too few clean ones, and enough others."""
    clean, every = _clean_and_every(samples, candidate, reference, measure)
    return clean < MIN_BLOCKS <= every and clean < max(every / 2, _FEWEST)


def usable_pairs(samples: Sequence[SampleRow], candidate: str, reference: str, measure: Measure) -> int:
    """Pairs that a verdict can be made of: the clean ones, or all where most are disturbed."""
    clean, every = _clean_and_every(samples, candidate, reference, measure)
    return every if clean < max(every / 2, _FEWEST) else clean


def _clean_and_every(samples: Sequence[SampleRow], candidate: str, reference: str, measure: Measure) -> tuple[int, int]:
    clean = len(log_ratios(samples, candidate, reference, measure))
    return clean, len(log_ratios(samples, candidate, reference, measure, lenient=True))


def only_disturbed(samples: Sequence[SampleRow], name: str, measure: Measure) -> bool:
    """Whether an engine was measured, but never while the machine was its own."""
    mine = [s for s in samples if s.backend == name and s.paired]
    usable = [s for s in mine if not unfit(s.flags, measure, accept_environment=True)]
    return bool(usable) and all(unfit(s.flags, measure) for s in mine)


def self_checks(
    samples: Sequence[SampleRow], names: Sequence[str], measure: Measure, *, lenient: bool
) -> list[SelfCheck]:
    """Each engine's two measurements of a block against each other: a difference beyond chance means the machine drifts."""
    checks = []
    for name in names:
        pairs: dict[int, list[float]] = {}
        for s in samples:
            value = _SECONDS[measure](s)
            if s.backend == name and s.paired and value and not unfit(s.flags, measure, accept_environment=lenient):
                pairs.setdefault(s.block, []).append(math.log(value))
        values = [logs[1] - logs[0] for logs in pairs.values() if len(logs) == 2]
        if not values:
            continue
        interval = hodges_lehmann(values, 0.99).exp()
        passed = interval.low <= 1 <= interval.high
        checks.append(
            SelfCheck(
                backend=name,
                estimate=interval.estimate,
                low=finite(interval.low),
                high=finite(interval.high),
                passed=passed,
            )
        )
    return checks


def finite(value: float) -> float | None:
    """None for what JSON cannot hold."""
    return value if math.isfinite(value) else None


def metric(values: Sequence[float], unit: str, origin: Origin, note: str = "") -> Metric | None:
    """A figure of many values: their median with its interval, and percentiles; None without values."""
    if not values:
        return None
    interval = hodges_lehmann(values, 0.95)
    return Metric(
        value=statistics.median(values), unit=unit, origin=origin, n=len(values), low=finite(interval.low), high=finite(interval.high),
        p50=percentile(values, 50), p90=percentile(values, 90), p95=percentile(values, 95), p99=percentile(values, 99),
        note=note,
    )  # fmt: skip


MISCOUNTED: Final = "wrong token count"
MISCOUNTS: Final = "The server counts tokens that it cannot have made, or goes on beyond the limit of an answer."
UNTOLD: Final = (
    "How fast {} generates cannot be told: its server does not count the tokens that it sends, or its counts contradict each other."
    " Its whole answers can be compared: compare the total times."
)
HELD_BACK: Final = (
    "The answers of {} arrive in a few bunches, as through a proxy that holds them back: how fast it generates cannot be measured. "
    "Its whole answers can: compare the total times."
)
WARM_UP: Final = -1
"""The block of measurements that come before the pairs."""
_FIRST_ANSWER: Final = "of its first answer, which may be slower than those that follow: there was no time for a pair"
_READ_BEFORE: Final = "the beginning of the prompt was in its cache: not comparable with another engine's"


def metrics_of(samples: Sequence[SampleRow], name: str, *, energy_source: str, lenient: bool) -> dict[str, Metric]:
    """All figures of one engine that come from its single-request measurements."""
    mine = [s for s in samples if s.backend == name and s.paired]
    first = [s for s in samples if s.backend == name and s.block == WARM_UP]
    alone = bool(first) and not any(s.total_s for s in mine)
    mine = first if alone else mine

    def fit(measure: Measure) -> list[SampleRow]:
        return [s for s in mine if not unfit(s.flags, measure, accept_environment=lenient)]

    generated, read, whole = fit("generation"), fit("first_token"), fit("total")
    note = _FIRST_ANSWER if alone else "" if whole or not generated else _READ_BEFORE
    told = _FIRST_ANSWER if alone else ""
    read, whole = read or generated, whole or generated
    rated = [s for s in generated if s.rate is not None]
    estimated: Origin = "estimated" if any(s.rate_origin == "estimated" for s in rated) else "measured"
    energy = [s.energy_j / s.completion_tokens for s in generated if s.energy_j is not None and s.completion_tokens]
    reported_rates = [s.reported_rate for s in generated if s.reported_rate is not None]
    found: dict[str, Metric | None] = {
        "first_token": metric([s.ttft_s for s in read if s.ttft_s is not None], "s", "measured", note),
        "per_token": metric([1 / s.rate for s in rated if s.rate], "s", estimated, told),
        "total": metric([s.total_s for s in whole if s.total_s is not None], "s", "measured", note),
        "generation": metric([s.rate for s in rated if s.rate], "tokens/s", estimated, told),
        "generation_reported": metric(reported_rates, "tokens/s", "reported", told),
        "prompt": metric([s.prompt_rate for s in whole if s.prompt_rate is not None], "tokens/s", "reported", note),
        "energy": metric(energy, "J/token", "measured", energy_source),
    }
    if not rated and any("in bunches" in s.flags for s in mine):
        found["generation"] = Metric(value=None, unit="tokens/s", origin="measured", n=0, note=HELD_BACK.format(name))
    out = {key: value for key, value in found.items() if value is not None}
    out.setdefault("energy", Metric(value=None, unit="J/token", origin="measured", n=0, note=energy_source))
    return out


def answer_metric(samples: Sequence[SampleRow], name: str) -> dict[str, Metric]:
    """How soon a model that reasons first begins its answer; nothing for one that does not."""
    mine = [
        s for s in samples if s.backend == name and s.batch == 1 and s.level in {"", "reasoning"} and s.error is None
    ]
    if not any(s.thought for s in mine):
        return {}
    found = metric([s.answer_s for s in mine if s.answer_s is not None and s.thought], "s", "measured")
    longest = max((s.completion_tokens or 0 for s in mine), default=0)
    none = Metric(value=None, unit="s", origin="measured", n=0, note=f"its thoughts took all of {longest} tokens")
    return {"first_answer": found or none}


def count_flags(samples: Sequence[SampleRow]) -> Mapping[str, int]:
    """How often each flag was raised, most frequent first."""
    counts: dict[str, int] = {}
    for sample in samples:
        for flag in sample.flags:
            counts[flag] = counts.get(flag, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
