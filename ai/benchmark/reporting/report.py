"""From what was gathered to a report: comparisons, figures, and the verdict in a sentence."""

import hashlib
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, get_args

from ai.benchmark.reporting.capacity import capacity
from ai.benchmark.reporting.contradiction import contradiction
from ai.benchmark.reporting.figures import (
    HELD_BACK,
    MISCOUNTED,
    MISCOUNTS,
    UNTOLD,
    answer_metric,
    busy_throughout,
    count_flags,
    finite,
    log_ratios,
    metrics_of,
    only_disturbed,
    self_checks,
)
from ai.benchmark.reporting.settings import what_differs, what_yielded
from ai.benchmark.samples.comparable import Likeness, like_for_like
from ai.benchmark.samples.guards import ENVIRONMENT, unfit
from ai.shapes.report import (
    BenchmarkPlan,
    BenchmarkReport,
    Comparison,
    ContenderReport,
    LoadRow,
    Measure,
    Metric,
    QualityRow,
    RatioInterval,
    SampleRow,
    State,
)
from ai.shapes.workload import BatchRow, LengthRow, RateRow
from ai.statistics.intervals import Interval, bootstrap_interval, hodges_lehmann, t_interval
from ai.statistics.paired import compare_paired
from ai.statistics.sequential import MIN_BLOCKS, SequentialPlan, Verdict, decide


class Row(NamedTuple):
    """What was gathered of a contender; `exact`: its answers have exactly the length that was asked for."""

    name: str
    engine: str
    load: LoadRow | None
    unusable: str
    metrics: dict[str, Metric]
    batches: list[BatchRow]
    quality: QualityRow | None
    exact: bool
    rates: list[RateRow]
    lengths: list[LengthRow]


_NAMED_BY_SETTINGS: Final = frozenset({"settings", "variants"})
"""Kinds of comparison in which each contender is called by what it was set to."""
_UNFINISHED: Final = frozenset({"cancelled", "interrupted"})
"""States of a run that did not come to its own end."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything a run yielded, before it is judged."""

    id: str
    started: int
    state: State
    plan: BenchmarkPlan
    host: dict[str, str | int | float | None]
    entries: Sequence[Row]
    samples: Sequence[SampleRow]
    verdicts: Mapping[str, Verdict]
    stopped: str
    energy_source: str
    notes: Sequence[str] = ()
    gone: str = ""
    """Which engines ended while they were measured, in sentences."""
    short: str = ""
    """What more time a verdict would have needed, in words; empty where time was not what was lacking."""


def build_report(run: Gathered) -> BenchmarkReport:
    """The report of a run, whole or partial."""
    usable = [row for row in run.entries if not row[3]]
    reference = usable[0][0] if usable else None
    lenient = any(busy_throughout(run.samples, row[0], usable[0][0], run.plan.measure) for row in usable[1:])
    notes = list(run.notes)
    if lenient:
        notes.append(
            "The machine was busy throughout. Pairs were compared all the same, and the interval includes that noise."
        )
    paired = usable if run.plan.pairs else []
    comparisons = [_compare(run, usable[0], row, lenient=lenient) for row in paired[1:]]
    crowded = {row[0] for row in paired if not lenient and only_disturbed(run.samples, row[0], run.plan.measure)}
    contenders = [_contender(run, row, lenient=lenient or row[0] in crowded) for row in run.entries]
    if crowded:
        notes.append(
            f"Other programs disturbed every measurement of {' and '.join(sorted(crowded))}. "
            "The figures are those of a busy machine, and no verdict uses them."
        )
    if any(row.lengths for row in usable) and any(ENVIRONMENT & set(s.flags) for s in run.samples):
        notes.append("Disturbed: other programs used the processor meanwhile, so the figure is that of a busy machine.")
    if run.host.get("kind") not in _NAMED_BY_SETTINGS and (
        differs := what_differs({r.name: r.load for r in usable if r.load})
    ):
        notes.append(differs)
    notes += what_yielded({r.name: r.load for r in usable if r.load})
    checks = self_checks(run.samples, [row[0] for row in paired], run.plan.measure, lenient=lenient)
    notes += [
        f"{c.backend} differs from itself within the blocks: the machine was drifting." for c in checks if not c.passed
    ]
    pairs = [s for s in run.samples if s.block >= 0]
    report = BenchmarkReport(
        id=run.id, started=run.started, ended=time.time_ns() // 1000, state=run.state, plan=run.plan, host=run.host, reference=reference,
        contenders=contenders, comparisons=comparisons, self_checks=checks, samples=list(run.samples), flags=dict(count_flags(pairs)),
        blocks=len({s.block for s in pairs}), stopped_because=run.stopped, sentence="", notes=notes, manifest_sha256=_manifest(run),
    )  # fmt: skip
    return report.model_copy(update={"sentence": f"{overall(report)} {run.gone}".strip()})


def _compare(run: Gathered, reference: Row, row: Row, *, lenient: bool) -> Comparison:
    name, against, plan = row[0], reference[0], run.plan
    verdict = run.verdicts.get(name)
    values = log_ratios(run.samples, name, against, plan.measure, lenient=lenient)
    if verdict is None or lenient:
        sequential = SequentialPlan(plan.max_blocks, plan.alpha, plan.margin, plan.settle)
        others = max(sum(not r[3] for r in run.entries) - 1, 1)
        alpha = (sequential.looks[0].alpha if run.state in _UNFINISHED else plan.alpha) / others
        verdict = decide(values, alpha, sequential)
    ratios = _others(run, name, against, lenient=lenient)
    against_itself = contradiction(verdict, ratios, run.samples, name, against) if plan.measure == "generation" else ""
    alike = likeness(run, reference, row)
    because = list(alike.because) if alike else []
    i = verdict.interval
    sentence = verdict.sentence(name, against) if math.isfinite(i.high) else no_verdict(run, name, against, len(values))
    sentence = against_itself or sentence
    if because and alike is not None and values and not against_itself:
        sentence += f" {alike.sentence()} It tells which set-up is faster here, not which engine."
    return Comparison(
        candidate=name, reference=against, kind="not shown" if against_itself else verdict.kind, estimate=i.estimate, low=finite(i.low), high=finite(i.high),
        confidence=verdict.confidence, p_value=verdict.p_value, blocks=verdict.blocks, equivalent=verdict.equivalent and not against_itself,
        comparable=not because, because=because, unknown=list(alike.unknown) if alike else [], sentence=sentence,
        others=ratios, log_ratios=values, contradiction=against_itself,
    )  # fmt: skip


_OF_ITS_OWN: Final = frozenset(
    {"failed", MISCOUNTED, "no answer", "unexpected stop", "context mismatch", "prompt truncated"}
)
"""What is wrong with every measurement of an engine, however long it is measured."""


def no_verdict(run: Gathered, name: str, against: str, pairs: int) -> str:
    """Why two engines got no verdict, and what to do."""
    if any(s.paired for s in run.samples):
        return _too_few_pairs(run, name, against, pairs)
    return f"{name} and {against} could not be compared: there was no measurement yet."


def _too_few_pairs(run: Gathered, name: str, against: str, pairs: int) -> str:
    """How many pairs there are, what was wrong with the measurements that were left out, and what to do."""
    taken = [s for s in run.samples if s.paired]
    counts, flags = [], set[str]()
    for who in (against, name):
        mine = [s for s in taken if s.backend == who]
        for flag, number in count_flags([s for s in mine if not s.used]).items():
            counts.append(f"{flag} ({number} of {len(mine)} of {who})")
            flags.add(flag)
    lack = f"and {MIN_BLOCKS} are needed" if pairs < MIN_BLOCKS else "too few for an interval"
    blocks = len({s.block for s in taken})
    said = f"{name} and {against} could not be compared: {pairs or 'none'} of {blocks} blocks gave a pair that can be used, {lack}."
    left_out = [s for s in taken if not s.used and s.backend in {against, name}]
    disturbed = sum(bool(ENVIRONMENT & set(s.flags)) for s in left_out)
    held = [who for who in (against, name) if _held_back(taken, who)]
    if disturbed > len(left_out) / 2 and not held:
        return (
            f"{name} and {against} could not be compared: other programs kept this machine busy during {disturbed} of {len(taken)} measurements. "
            f"{_usable(pairs, blocks)}, {lack}. Measure again when it is quiet.{f' Or: {run.short}.' if run.short else ''}"
        )
    if held:
        return f"{said} {HELD_BACK.format(' and '.join(held))}"
    if counts:
        said += f" Measurements were left out: {', '.join(counts)}."
    errors = Counter(s.error for s in taken if s.error)
    if errors:
        said += f" The engine said: {errors.most_common(1)[0][0]}"
    why = _no_use(run, taken, (against, name), flags)
    if why is not None:
        return f"{said} {why}".strip()  # more time would not help
    if run.short:
        said += f" {run.short}."
    if flags & ENVIRONMENT:
        return f"{said} Other programs kept this machine busy: wait until it is quiet, and measure again."
    return said if counts or run.short or run.state in _UNFINISHED else f"{said} Take a longer plan."


def _usable(pairs: int, blocks: int) -> str:
    if blocks == 1:
        return "The only pair can be used" if pairs else "The only pair cannot be used"
    return f"{pairs or 'None'} of {blocks} pairs can be used"


def _no_use(run: Gathered, taken: Sequence[SampleRow], names: tuple[str, str], flags: set[str]) -> str | None:
    """Why measurements of these engines will never be of use; None where more of them may help."""
    untold = [who for who in names if run.plan.measure == "generation" and _tells_no_rate(taken, who)]
    if not untold and not any(_never_fit(taken, who) for who in names):
        return None
    said = [MISCOUNTS] if MISCOUNTED in flags else []
    said += [UNTOLD.format(" and ".join(untold))] if untold else []
    return " ".join(said)


def _never_fit(taken: Sequence[SampleRow], who: str) -> bool:
    """Whether no measurement of an engine can be used, for reasons of its own."""
    mine = [s for s in taken if s.backend == who]
    return bool(mine) and all(not s.used and set(s.flags) & _OF_ITS_OWN for s in mine)


def _tells_no_rate(taken: Sequence[SampleRow], who: str) -> bool:
    """Whether measurements of an engine can be used, and none of them tells how fast it generated."""
    mine = [s for s in taken if s.backend == who and s.used]
    return bool(mine) and all(s.rate is None for s in mine)


def _held_back(taken: Sequence[SampleRow], who: str) -> bool:
    """Whether most answers of an engine came in so few bunches that they tell no rate."""
    mine = [s for s in taken if s.backend == who]
    return sum("in bunches" in s.flags for s in mine) > len(mine) / 2


def likeness(run: Gathered, first: Row, second: Row) -> Likeness | None:
    """Whether two contenders did the same work, by what they were loaded with and by the tokens that they really read and wrote; None for one that was not loaded."""
    if first[2] is None or second[2] is None:
        return None
    loads = [first[2], second[2]]
    counted = [_tokens_read(run, row[0]) for row in (first, second)]
    if None in (load.prompt_tokens for load in loads) and None not in counted:
        loads = [load.model_copy(update={"prompt_tokens": read}) for load, read in zip(loads, counted, strict=True)]
    same_lengths = all(row[7] or _whole_answers(run, row[0]) for row in (first, second))
    return like_for_like(loads[0], loads[1], same_lengths=same_lengths)


def _measured(run: Gathered, name: str) -> list[SampleRow]:
    """Its measurements that can be used, on a busy machine too: tokens are not counted otherwise there."""
    mine = [s for s in run.samples if s.backend == name and s.paired]
    return [s for s in mine if not unfit(s.flags, run.plan.measure, accept_environment=True)]


def _tokens_read(run: Gathered, name: str) -> int | None:
    """Tokens of the first prompt, as the engine counted them while it was measured; its unique words vary by one or two."""
    counts = [
        s.prompt_tokens
        for s in _measured(run, name)
        if s.prompt == run.plan.prompts[0] and s.prompt_tokens and "timings not believed" not in s.flags
    ]
    return round(statistics.median(counts)) if counts else None


def _whole_answers(run: Gathered, name: str) -> bool:
    mine = _measured(run, name)
    return bool(mine) and all((s.completion_tokens or 0) >= run.plan.max_tokens for s in mine)


def _others(run: Gathered, name: str, against: str, *, lenient: bool) -> list[RatioInterval]:
    """The same ratio by other methods, and the other measures; described, not claimed."""
    rows: list[RatioInterval] = []
    for measure in get_args(Measure):
        values = log_ratios(run.samples, name, against, measure, lenient=lenient)
        if not values:
            continue
        intervals = [hodges_lehmann(values)]
        if measure == run.plan.measure:
            intervals += [t_interval(values), bootstrap_interval(values, rounds=1000)]
        rows += [_row(measure, interval.exp()) for interval in intervals]
    return rows


def _row(measure: Measure, interval: Interval) -> RatioInterval:
    return RatioInterval(
        measure=measure, method=interval.method, estimate=interval.estimate, low=finite(interval.low), high=finite(interval.high),
        level=interval.level,
    )  # fmt: skip


def _contender(run: Gathered, row: Row, *, lenient: bool) -> ContenderReport:
    name, load, unusable, metrics = row.name, row.load, row.unusable, row.metrics
    mine = [s for s in run.samples if s.backend == name and s.block >= 0]
    figures = (
        {**metrics_of(run.samples, name, energy_source=run.energy_source, lenient=lenient), **metrics}
        if not unusable and run.plan.pairs
        else dict(metrics)
    )
    figures |= answer_metric(run.samples, name)
    if load is not None:
        for key, seconds in (("load_cold", load.cold_s), ("load_warm", load.warm_s)):
            figures[key] = Metric(value=seconds, unit="s", origin="measured", n=int(seconds is not None))
    return ContenderReport(
        name=name, engine=row.engine, load=load, metrics=figures, batches=row.batches, rates=row.rates, lengths=row.lengths, quality=row.quality,
        unusable=unusable, flagged=sum(not s.used for s in mine),
    )  # fmt: skip


def overall(report: BenchmarkReport) -> str:
    """The verdict in words: speed, memory, quality of the best shown, or why there is none."""
    left_out = [f"{c.name} could not be measured: {c.unusable}" for c in report.contenders if c.unusable]
    tail = f" {' '.join(left_out)}" if left_out else ""
    if report.reference is None:
        return f"Nothing could be measured.{tail}"
    made, unit = (report.blocks, "block") if report.plan.pairs else (len(report.samples), "request")
    when = f"after {made} {unit}{'s' if made != 1 else ''}" if made else f"before the first {unit} was complete"
    if report.state == "cancelled":
        tail = f" Cancelled {when}.{tail}"
    if report.state == "interrupted":
        tail = f" Interrupted {when}: {report.stopped_because}.{tail}"
    if not report.plan.pairs:
        return " ".join(said for c in report.contenders if not c.unusable and (said := capacity(c, report.plan))) + tail
    if not report.comparisons:
        only = next(c for c in report.contenders if c.name == report.reference)
        rate = only.metrics.get("generation")
        speed = f" generates {rate.value:.1f} tokens/s here" if rate and rate.value else " was measured"
        return f"{report.reference}{speed}; there is no other engine to compare it with.{tail}"
    faster = [c for c in report.comparisons if c.kind == "faster"]
    chosen = [max(faster, key=lambda c: c.low or 0)] if faster else report.comparisons
    return " ".join(_told(report, c) for c in chosen) + tail


def _told(report: BenchmarkReport, comparison: Comparison) -> str:
    by_name = {c.name: c for c in report.contenders}
    mine, theirs = by_name[comparison.candidate], by_name[comparison.reference]
    parts = [comparison.sentence]
    a, b = (c.metrics.get("memory_peak") for c in (mine, theirs))
    if a and b and a.value and b.value and a.origin == b.origin == "measured":
        change = a.value / b.value - 1
        amount = f"{100 * abs(change):.0f} % {'more' if change > 0 else 'less'}" if abs(change) >= 0.02 else "as much"
        amount = f"{1 + change:.1f} times as much" if change > 1 else amount
        parts.append(f"{comparison.candidate} takes {amount} memory at its peak{_slots(mine.load, theirs.load)}.")
    if mine.quality and theirs.quality and len(mine.quality.per_item) == len(theirs.quality.per_item) > 0:
        paired = compare_paired(mine.quality.per_item, theirs.quality.per_item)
        shown = (
            "a difference is shown"
            if paired.shown
            else "too few to show one"
            if paired.too_few
            else "no difference shown"
        )
        parts.append(
            f"F1 {mine.quality.f1_micro:.2f} against {theirs.quality.f1_micro:.2f} on {mine.quality.items} postings, {shown}."
        )
    return " ".join(parts)


def _slots(mine: LoadRow | None, theirs: LoadRow | None) -> str:
    """What a comparison of memory must say of the requests that each is ready for at the same time."""
    if mine is None or theirs is None or mine.parallel == theirs.parallel or not mine.parallel or not theirs.parallel:
        return ""
    return f", ready for {mine.parallel} request{'s' if mine.parallel > 1 else ''} at the same time against {theirs.parallel}"


def live_intervals(ratios: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float | None]]:
    """95 % intervals of the ratios so far, for the chart; they claim nothing while the benchmark runs."""
    out: dict[str, tuple[float, float | None]] = {}
    for name, values in ratios.items():
        if len(values) >= 6:
            interval = hodges_lehmann(values).exp()
            if math.isfinite(interval.high):
                out[name] = (interval.low, interval.high)
    return out


def _manifest(run: Gathered) -> str:
    """A digest of what was measured and how, so that two reports can be told to be of the same thing."""
    facts = {
        "plan": run.plan.model_dump(exclude={"replay_of"}),
        "host": run.host,
        "loads": [
            [name, engine, load.model_dump(exclude={"cold_s", "warm_s"}) if load else None]
            for name, engine, load, *_ in run.entries
        ],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
