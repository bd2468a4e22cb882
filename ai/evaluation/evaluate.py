"""Quality on the labelled postings: five numbers, each with what it does not hide."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai.analysis.analyzer import JobAnalyzer
from ai.analysis.ask import Asker, BackendAsker
from ai.core.protocol import Backend
from ai.core.types import LoadSpec
from ai.evaluation.labelled import MANY, LabelledPosting, parse_pay, unseen_postings
from ai.evaluation.score import SCORED, Counts, ItemScore, score, score_values
from ai.shapes.posting import FIELDS, JobAnalysisResult
from ai.shapes.report import QualityRow
from ai.statistics.intervals import Interval, bootstrap_interval
from ai.statistics.paired import wilson


@dataclass(frozen=True, slots=True)
class Quality:
    """How good one backend's answers are.

    `parse` and `valid`: answers that were JSON, and had the right form, at the first try. `f1_micro` counts all values alike, `f1_macro` all
    fields alike; `f1_by_item` is the mean over postings with its interval, which paired tests use. `evidence`: values a model gave
    that stand in the posting. `null_when_absent`: fields left empty among those the posting does not fill. `stability`: how alike repeated
    answers are (1 = the same), None without repeats.
    """

    backend: str
    items: tuple[ItemScore, ...]
    parse: Interval
    valid: Interval
    f1_micro: float
    f1_macro: float
    f1_by_item: Interval
    by_field: Mapping[str, float | None]
    evidence: Interval
    null_when_absent: Interval
    stability: float | None

    def row(self) -> QualityRow:
        """As the benchmark's report holds it."""
        return QualityRow(
            items=len(self.items), parse_rate=self.parse.estimate, schema_valid_rate=self.valid.estimate, f1_micro=self.f1_micro,
            f1_macro=self.f1_macro, f1_low=self.f1_by_item.low, f1_high=self.f1_by_item.high, evidence_rate=self.evidence.estimate,
            null_when_absent=self.null_when_absent.estimate, stability=self.stability, per_item=[round(i.f1, 6) for i in self.items],
        )  # fmt: skip


async def evaluate(
    asker: Asker | None,
    postings: Sequence[LabelledPosting],
    *,
    name: str = "",
    repeats: int = 1,
    concurrency: int = 1,
    fill: bool = False,
    go_on: Callable[[int], bool] | None = None,
) -> Quality:
    """Measure a backend (None: the rules) on postings: the model's own answers, or with `fill` model and rules together.

    A posting that no model could answer counts as an empty answer, with `fill` as what the rules make of it. `go_on` is told after each posting how many
    are answered, one after the other, and may end it there: the quality is then that on those.

    Raises:
        ValueError: no postings.
    """
    if not postings:
        msg = "there are no postings to measure on"
        raise ValueError(msg)
    analyzer = JobAnalyzer(asker, fill=fill)
    if go_on is not None:
        results = await _one_by_one(analyzer, postings, go_on)
        postings, runs = postings[: len(results)], [results]
    else:
        texts = [p.text for p in postings]
        runs = [await analyzer.analyze_many(texts, concurrency=concurrency) for _ in range(max(repeats, 1))]
    results = runs[0]
    modelled = asker is not None
    scores = tuple(
        score(p, r) if fill or not modelled or r.provenance.how != "rules" else score_values(p, {})
        for p, r in zip(postings, results, strict=True)
    )
    return _quality(name or results[0].backend, scores, results, runs, modelled=modelled)


async def _one_by_one(
    analyzer: JobAnalyzer, postings: Sequence[LabelledPosting], go_on: Callable[[int], bool]
) -> list[JobAnalysisResult]:
    results: list[JobAnalysisResult] = []
    for posting in postings:
        results.append(await analyzer.analyze(posting.text))
        if not go_on(len(results)):
            break
    return results


def _quality(
    name: str, scores: tuple[ItemScore, ...], results: Sequence[JobAnalysisResult], runs: Sequence[Sequence[JobAnalysisResult]], *, modelled: bool
) -> Quality:  # fmt: skip
    n = len(results)
    valid = sum(r.provenance.how == "model" for r in results) if modelled else n
    parsed = sum(r.provenance.how != "rules" for r in results) if modelled else n
    by_field = {f: sum((s.fields[f] for s in scores), Counts()) for f in SCORED}
    rates = {f: c.f1() for f, c in by_field.items()}
    known = [rate for rate in rates.values() if rate is not None]
    kept = (
        sum(r.provenance.fields.get(e.field) != "rules" for r in results for e in r.evidence)
        if modelled
        else sum(len(r.evidence) for r in results)
    )
    dropped = sum(len(r.provenance.unsupported) for r in results)
    return Quality(
        backend=name, items=scores, parse=wilson(parsed, n), valid=wilson(valid, n), f1_micro=sum(by_field.values(), Counts()).f1() or 0.0,
        f1_macro=statistics.fmean(known) if known else 0.0, f1_by_item=bootstrap_interval([s.f1 for s in scores]), by_field=rates,
        evidence=wilson(kept, kept + dropped), null_when_absent=wilson(sum(s.absent_left_empty for s in scores), sum(s.absent for s in scores)),
        stability=_stability(runs),
    )  # fmt: skip


def _stability(runs: Sequence[Sequence[JobAnalysisResult]]) -> float | None:
    """Mean agreement of repeated answers: the share of fields that are the same, over all pairs of runs."""
    if len(runs) < 2:
        return None
    agree = [
        float(getattr(a, name) == getattr(b, name))
        for i, first in enumerate(runs)
        for second in runs[i + 1 :]
        for a, b in zip(first, second, strict=True)
        for name in FIELDS
    ]
    return statistics.fmean(agree)


def majority_baseline(postings: Sequence[LabelledPosting]) -> Quality:
    """What a program scores that always gives the commonest value of each field (of the other postings): no skill."""
    scores = []
    for held_out in postings:
        others = [p for p in postings if p.id != held_out.id]
        values = {name: value for name in SCORED if (value := _commonest(others, name)) is not None}
        scores.append(score_values(held_out, values))
    items = tuple(scores)
    by_field = {f: sum((s.fields[f] for s in items), Counts()) for f in SCORED}
    rates = {f: c.f1() for f, c in by_field.items()}
    n = len(items)
    return Quality(
        backend="majority", items=items, parse=wilson(n, n), valid=wilson(n, n), f1_micro=sum(by_field.values(), Counts()).f1() or 0.0,
        f1_macro=statistics.fmean(r or 0.0 for r in rates.values()), f1_by_item=bootstrap_interval([s.f1 for s in items]), by_field=rates,
        evidence=wilson(0, 0), null_when_absent=wilson(sum(s.absent_left_empty for s in items), sum(s.absent for s in items)), stability=1.0,
    )  # fmt: skip


def _commonest(postings: Sequence[LabelledPosting], name: str) -> Any:
    """The commonest value when most postings fill the field, else None."""
    filled = [p for p in postings if p.values(name)]
    if 2 * len(filled) <= len(postings):
        return None
    value = Counter(v for p in filled for v in p.values(name)[:1]).most_common(1)[0][0]
    if name in MANY:
        return [value]
    if name == "salary":
        return parse_pay(value)
    return float(value) if name == "years_experience" else value


def quality_check(
    limit: int | None = None, *, repeats: int = 1, go_on: Callable[[int], bool] | None = None
) -> Callable[[Backend, LoadSpec], Awaitable[QualityRow]]:
    """The benchmark's quality check: on the first `limit` of the held-out postings, languages mixed, or on all of them; `go_on` as in `evaluate`."""

    async def check(backend: Backend, spec: LoadSpec) -> QualityRow:
        chosen = await asyncio.to_thread(unseen_postings, limit)
        quality = await evaluate(BackendAsker(backend, spec), chosen, name=backend.name, repeats=repeats, go_on=go_on)
        return quality.row()

    return check


def baselines(limit: int | None = None) -> str:
    """What needs no model reaches on the postings of `quality_check(limit)`, in a sentence; it computes for about a second."""
    chosen = unseen_postings(limit)
    rules = asyncio.run(evaluate(None, chosen))
    spread = rules.f1_by_item
    return (
        f"Without a model, on the same {len(chosen)} held-out postings: rules alone reach F1 {rules.f1_micro:.2f} "
        f"(by posting {spread.estimate:.2f}, 95 % between {spread.low:.2f} and {spread.high:.2f}), "
        f"the commonest values {majority_baseline(chosen).f1_micro:.2f}."
    )
