"""Several requests at the same time: tokens a second of all together, and how many were good enough."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from ai.core.types import Origin
from ai.shapes.report import BatchRow, BenchmarkPlan, SampleRow
from ai.statistics.intervals import percentile

Take = Callable[[int], Awaitable[SampleRow]]
"""Takes the i-th measurement of a batch."""


async def measure_batch(
    take: Take, size: int, plan: BenchmarkPlan, *, slots: int | None
) -> tuple[BatchRow, list[SampleRow]]:
    """Send `size` requests at once; `slots` is how many the engine answers at the same time (None: not known)."""
    begun = time.perf_counter()
    rows = await asyncio.gather(*(take(i) for i in range(size)))
    span = time.perf_counter() - begun
    answered = [row for row in rows if row.error is None]
    tokens = [row.completion_tokens for row in answered if row.completion_tokens is not None]
    good = sum(is_good(row, plan) for row in answered)
    first = [row.ttft_s for row in answered if row.ttft_s is not None]
    notes = []
    if slots is not None and slots < size:
        notes.append(f"The engine answers {slots} at the same time: the others wait, this measures its queue.")
    if len(answered) < size:
        notes.append(f"{size - len(answered)} of {size} requests failed.")
    complete = len(tokens) == len(answered) and answered
    origin: Origin = "measured"
    row = BatchRow(
        batch=size,
        tokens_per_s=sum(tokens) / span if complete else None,
        goodput_rps=good / span,
        good=good,
        requests=size,
        ttft_p95_s=percentile(first, 95) if first else None,
        origin=origin,
        note=" ".join(notes),
    )
    return row, list(rows)


def is_good(row: SampleRow, plan: BenchmarkPlan) -> bool:
    """Whether a request was within the user's limits."""
    if row.ttft_s is None or row.total_s is None:
        return False
    per_token = (row.total_s - row.ttft_s) / max((row.completion_tokens or 1) - 1, 1)
    return row.ttft_s <= plan.slo.first_token_s and per_token <= plan.slo.per_token_s
