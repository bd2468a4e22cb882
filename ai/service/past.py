"""Benchmarks of the past: their reports, what changed between them, and their winners taken over."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from ai.benchmark import BenchmarkReport, change_marks, compare_runs
from ai.benchmark.figures import finite
from ai.service.candidates import Candidate
from ai.service.errors import NothingToUse
from ai.service.hypothesis import answer_hypothesis
from ai.service.records import Records
from ai.service.settings_won import SettingsWon, Won, offer_of, words_of

REPORTS: Final = 20


class PastBenchmarks:
    """What was measured, and what is to follow from it.

    Args:
        records: where reports are kept.
        usable: the engines that can be used now.
        won: settings that were taken over.
        changed: called when the settings of a model changed.
    """

    def __init__(
        self,
        records: Records,
        usable: Callable[[], Awaitable[list[Candidate]]],
        won: SettingsWon,
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._records, self._usable, self._won, self._changed = records, usable, won, changed

    async def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        return await asyncio.to_thread(self._records.report, benchmark)

    async def history(self, limit: int) -> dict[str, Any]:
        """Benchmarks, newest first, each with the changes against the one before it."""
        rows = await asyncio.to_thread(self._records.history, limit)
        reports = await asyncio.to_thread(self._records.reports, min(limit, REPORTS))
        marks = await asyncio.to_thread(change_marks, reports[::-1])
        return {
            "benchmarks": [{**row, "changes": [c.sentence() for c in marks.get(row["benchmark"], [])]} for row in rows]
        }

    async def whole(self, report: BenchmarkReport) -> dict[str, Any]:
        """A report as the page shows it: with the answer to the plan's hypothesis, and the settings it offers."""
        usable = await self._usable()
        won = await self._won_by(usable, report.reference)
        offer = offer_of(report, usable, won)
        return {
            **report.model_dump(mode="json"), "hypothesis": asdict(answer_hypothesis(report)),
            "offer": asdict(offer) if offer else None,
        }  # fmt: skip

    async def compare(self, before: BenchmarkReport, after: BenchmarkReport) -> dict[str, Any]:
        """What changed between two benchmarks."""
        changes = await asyncio.to_thread(compare_runs, before, after)
        shown = [c for c in changes if c.changed]
        word = f"{len(shown)} of {len(changes)} figures changed." if changes else "They have no engine in common."
        return {
            "before": before.id, "after": after.id, "sentence": word,
            "changes": [
                {
                    "backend": c.backend, "figure": c.figure, "estimate": c.ratio.estimate, "low": finite(c.ratio.low), "high": finite(c.ratio.high),
                    "changed": c.changed, "why": list(c.why), "sentence": c.sentence(),
                }
                for c in changes
            ],
        }  # fmt: skip

    async def use(self, report: BenchmarkReport) -> dict[str, Any]:
        """Load the model as the winner of this benchmark from now on.

        Raises:
            NothingToUse: no settings won in it, or its engine is not here.
            StoreError: it could not be kept.
        """
        usable = await self._usable()
        offer = offer_of(report, usable)
        candidate = next((c for c in usable if offer and c.name == offer.backend), None)
        if offer is None or candidate is None:
            raise NothingToUse(
                "No other settings were shown to be faster in this benchmark.",
                hint="Measure settings: watchkeeper ai benchmark --kind settings",
            )
        won = await asyncio.to_thread(self._won.take, candidate, offer, report, time.time_ns() // 1000)
        await self._changed()
        return in_use(candidate, won)

    async def reset(self, backend: str) -> dict[str, Any]:
        """Go back to the engine's own choice of settings.

        Raises:
            NothingToUse: there is no such engine.
        """
        candidate = next((c for c in await self._usable() if c.name == backend), None)
        if candidate is None:
            raise NothingToUse(f"There is no usable engine {backend!r}.", hint="`watchkeeper ai backends` lists them.")
        await asyncio.to_thread(self._won.forget, candidate)
        await self._changed()
        return in_use(candidate, None)

    async def _won_by(self, usable: list[Candidate], name: str | None) -> Won | None:
        candidate = next((c for c in usable if c.name == name), None)
        return await asyncio.to_thread(self._won.of, candidate) if candidate else None


def in_use(candidate: Candidate, won: Won | None) -> dict[str, Any]:
    """How a model is loaded, and why."""
    if won is None:
        sentence = f"{candidate.shown} is loaded with the threads that its size and the cores suggest; no benchmark of settings was taken over."
        return {"backend": candidate.name, "model": candidate.shown, "settings": "", "benchmark": None, "taken": None, "sentence": sentence}  # fmt: skip
    words = words_of(won)
    sentence = f"{candidate.shown} is loaded with {words}, as benchmark {won.benchmark} showed to be faster."
    return {
        "backend": candidate.name, "model": candidate.shown, "settings": words, "benchmark": won.benchmark, "taken": won.taken,
        "sentence": sentence,
    }  # fmt: skip
