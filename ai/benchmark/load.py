"""Many requests: so many at the same time, or so many a second; tokens a second of all together, and how many were good enough."""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ai.shapes.report import BenchmarkPlan, SampleRow
from ai.shapes.workload import BatchRow, LoadFigures, RateRow, Slo
from ai.statistics.intervals import percentile

Take = Callable[[int], Awaitable[SampleRow]]
"""Takes the i-th measurement of a level."""
MOST: Final = 500
"""Requests of one level: percentiles need no more, and a fast server answers a thousand a second."""
_IN_FLIGHT: Final = 256
_GRACE: Final = 2.0
"""So many times the time of a level its last answers may take; a queue that is longer grows without end."""
_KEPT_UP: Final = 1.1
"""An engine keeps up with a rate if its last answer comes within so many times the level's time, and what a few answers take."""


async def measure_batch(take: Take, size: int, plan: BenchmarkPlan, *, slots: int | None) -> BatchRow:
    """Keep `size` requests under way for `plan.level_s`, or send each once where that is 0.

    Args:
        take: takes a measurement.
        size: requests at the same time.
        plan: how long, and what is good enough.
        slots: how many the engine answers at the same time; None: not known.
    """
    begun = time.perf_counter()
    numbers = iter(range(max(size, MOST)))
    rows: list[SampleRow] = []

    async def client() -> None:
        for number in numbers:
            rows.append(await take(number))
            if time.perf_counter() - begun >= plan.level_s:
                return

    await _together([client() for _ in range(size)])
    figures = _figures(rows, plan.slo, time.perf_counter() - begun)
    note = figures.note
    if slots is not None and slots < size:
        queue = f"The engine answers {slots} at the same time: the others wait, this measures its queue."
        note = f"{queue} {note}".strip()
    return BatchRow(batch=size, **{**dict(figures), "note": note})


async def measure_rate(take: Take, rate: float, plan: BenchmarkPlan, *, seed: str) -> RateRow:
    """Send `rate` requests a second for `plan.level_s`, at random times (a Poisson process), whether earlier ones are answered or not.

    Args:
        take: takes a measurement.
        rate: requests a second.
        plan: how long, and what is good enough.
        seed: of the times.
    """
    span = min(plan.level_s, MOST / rate)
    draw = random.Random(seed)  # noqa: S311 - times, not secrets
    begun, due, unsent = time.perf_counter(), draw.expovariate(rate), 0
    tasks: list[asyncio.Task[SampleRow]] = []
    try:
        while due < span:
            await asyncio.sleep(max(due - (time.perf_counter() - begun), 0.0))
            if sum(not task.done() for task in tasks) < _IN_FLIGHT:
                tasks.append(asyncio.ensure_future(take(len(tasks))))
            else:
                unsent += 1
            due += draw.expovariate(rate)
        if tasks:
            await asyncio.wait(tasks, timeout=span * _GRACE)
    finally:
        late = [task for task in tasks if not task.done()]
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    rows = [task.result() for task in tasks if not task.cancelled()]  # raises what ends the benchmark
    unanswered = unsent + len(late)
    took = time.perf_counter() - begun
    figures = _figures(rows, plan.slo, took, unanswered)
    early = [row.total_s for row in rows[: max(len(rows) // 4, 1)] if row.total_s is not None]
    usual = statistics.median(early) if early else 0.0  # of those that found no queue yet
    kept_up = bool(rows) and figures.failed == 0 and took <= _KEPT_UP * span + 3 * usual
    given = {**dict(figures), "goodput_rps": figures.good / span}  # of the requests that came in this time
    return RateRow(rate=rate, kept_up=kept_up, **given)


async def _together(clients: Sequence[Awaitable[None]]) -> None:
    """All of them; if one fails, the others end before the error goes on."""
    tasks = [asyncio.ensure_future(client) for client in clients]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _figures(rows: Sequence[SampleRow], slo: Slo, span: float, unanswered: int = 0) -> LoadFigures:
    """What a level showed; `unanswered` requests were given up, or never sent because too many waited."""
    answered = [row for row in rows if row.error is None]
    tokens = [row.completion_tokens for row in answered if row.completion_tokens is not None and row.counted]
    good = sum(is_good(row, slo) for row in answered)
    first = [row.ttft_s for row in answered if row.ttft_s is not None]
    total = [row.total_s for row in answered if row.total_s is not None]
    thought = [row for row in answered if row.thought]
    answer = [row.answer_s for row in thought if row.answer_s is not None]
    requests, failed = len(rows) + unanswered, len(rows) - len(answered) + unanswered
    notes = [f"{len(rows) - len(answered)} of {requests} requests failed."] if len(answered) < len(rows) else []
    notes += [f"{unanswered} of {requests} requests were not answered in time."] if unanswered else []
    if len(answer) < len(thought):
        notes.append(f"{len(thought) - len(answer)} of {requests} answers ended within the thoughts.")
    complete = bool(answered) and len(tokens) == len(answered)
    notes += (
        ["Its tokens are not known: the server does not count them, or its counts cannot be true."]
        if answered and not complete
        else []
    )
    return LoadFigures(
        tokens_per_s=sum(tokens) / span if complete else None, goodput_rps=good / span, good=good, requests=requests, failed=failed,
        seconds=round(span, 3), ttft_p50_s=statistics.median(first) if first else None, ttft_p95_s=percentile(first, 95) if first else None,
        first_answer_p95_s=percentile(answer, 95) if answer else None,
        total_p50_s=statistics.median(total) if total else None, total_p95_s=percentile(total, 95) if total else None, note=" ".join(notes),
    )  # fmt: skip


def is_good(row: SampleRow, slo: Slo) -> bool:
    """Whether a request was within the user's limits."""
    if row.ttft_s is None or row.total_s is None:
        return False
    per_token = (row.total_s - row.ttft_s) / max((row.completion_tokens or 1) - 1, 1)
    whole = slo.total_s is None or row.total_s <= slo.total_s
    return whole and row.ttft_s <= slo.first_token_s and per_token <= slo.per_token_s
