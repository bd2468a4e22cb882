"""What an engine can do by its lengths and its levels of load, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ai.shapes.report import BenchmarkPlan, ContenderReport
from ai.shapes.workload import BatchRow, RateRow, Slo

_MOSTLY: Final = 0.9
"""A rate is held if this part of its requests, or more, was good enough."""


@dataclass(frozen=True, slots=True)
class Best:
    """The most tokens a second of all requests together, and the highest rate that is kept up with, good enough."""

    batch: BatchRow | None
    rate: RateRow | None


def best_of(batches: Sequence[BatchRow], rates: Sequence[RateRow]) -> Best:
    """The best of these levels."""
    known = [row for row in batches if row.tokens_per_s is not None]
    held = [row for row in rates if row.kept_up and row.requests and row.good >= _MOSTLY * row.requests]
    return Best(
        max(known, key=lambda row: row.tokens_per_s or 0.0, default=None),
        max(held, key=lambda row: row.rate, default=None),
    )


def limits(slo: Slo) -> str:
    """What counts as good enough, in words."""
    whole = f", {slo.total_s:g} s in all" if slo.total_s else ""
    return f"within {slo.first_token_s:g} s to the first token, {slo.per_token_s:g} s a token{whole}"


def capacity(contender: ContenderReport, plan: BenchmarkPlan) -> str:
    """What an engine can do by its lengths and its levels, in words."""
    said = []
    reads = max(
        (row for row in contender.lengths if row.prompt_rate), key=lambda row: row.prompt_rate or 0.0, default=None
    )
    makes = max((row for row in contender.lengths if row.rate), key=lambda row: row.rate or 0.0, default=None)
    if reads is not None:
        said.append(f"reads up to {reads.prompt_rate or 0.0:,.0f} tokens/s ({reads.test})")
    if makes is not None:
        said.append(f"generates up to {makes.rate or 0.0:,.1f} tokens/s ({makes.test})")
    best = best_of(contender.batches, contender.rates)
    if best.batch is not None:
        said.append(
            f"gives at most {best.batch.tokens_per_s or 0.0:,.1f} tokens/s together, with {best.batch.batch} at once"
        )
    if best.rate is not None:
        said.append(f"holds {best.rate.rate:g} request{'s' if best.rate.rate != 1 else ''}/s {limits(plan.slo)}")
    elif contender.rates:
        said.append(f"holds none of the rates {limits(plan.slo)}")
    return f"{contender.name} {', '.join(said)}." if said else ""
