"""Past benchmarks: their reports, what changed between them, and adopting the fastest settings."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from ai.backends.llamacpp_embedded import default_threads
from ai.benchmark import BenchmarkReport, change_marks, compare_runs
from ai.benchmark.reporting.figures import finite
from ai.core.errors import NothingToUse
from ai.service.benchmarks.adopted_settings import AdoptedSettings, AdoptedSettingsStore, offer_of, words_of
from ai.service.benchmarks.hypothesis import answer_hypothesis
from ai.service.context.candidates import Candidate
from ai.service.context.records import REPORTS, Records
from ai.shapes.benchmark import Compared, FigureChange, History
from ai.shapes.engines import InUse
from ai.shapes.report import FullReport


class BenchmarkHistory:
    """What was measured, and what is to follow from it.

    Args:
        records: where reports are kept.
        usable: the engines that can be used now.
        adopted: the settings that were adopted.
        changed: called when the settings of a model changed.
        recovered: waits until benchmarks that were interrupted are among the records.
    """

    def __init__(
        self,
        records: Records,
        usable: Callable[[], Awaitable[list[Candidate]]],
        adopted: AdoptedSettingsStore,
        changed: Callable[[], Awaitable[None]],
        recovered: Callable[[], Awaitable[None]],
    ) -> None:
        self._records, self._usable, self._adopted, self._changed = records, usable, adopted, changed
        self._recovered = recovered

    async def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        await self._recovered()
        return await asyncio.to_thread(self._records.report, benchmark)

    async def history(self, limit: int) -> History:
        """Benchmarks, newest first, each with the changes against the one before it."""
        await self._recovered()
        rows = await asyncio.to_thread(self._records.history, limit)
        reports = await asyncio.to_thread(self._records.reports, min(limit, REPORTS))
        marks = await asyncio.to_thread(change_marks, reports[::-1])
        sentences = {name: [change.sentence() for change in changes] for name, changes in marks.items()}
        return History(
            benchmarks=[row.model_copy(update={"changes": sentences.get(row.benchmark, [])}) for row in rows]
        )

    async def whole(self, report: BenchmarkReport) -> FullReport:
        """A report as the page shows it: with the answer to the plan's hypothesis, and the settings it offers."""
        usable = await self._usable()
        adopted = await self._adopted_by(usable, report.reference)
        offer = offer_of(report, usable, adopted)
        return FullReport(**dict(report), hypothesis=answer_hypothesis(report), offer=offer)

    async def compare(self, before: BenchmarkReport, after: BenchmarkReport) -> Compared:
        """What changed between two benchmarks."""
        changes = await asyncio.to_thread(compare_runs, before, after)
        shown = [c for c in changes if c.changed]
        word = f"{len(shown)} of {len(changes)} figures changed." if changes else "They have no engine in common."
        rows = [
            FigureChange(
                backend=c.backend, figure=c.figure, estimate=c.ratio.estimate, low=finite(c.ratio.low), high=finite(c.ratio.high),
                changed=c.changed, why=list(c.why), sentence=c.sentence(),
            )
            for c in changes
        ]  # fmt: skip
        return Compared(before=before.id, after=after.id, sentence=word, changes=rows)

    async def use(self, report: BenchmarkReport) -> InUse:
        """Adopt the fastest settings of this benchmark for its model.

        Raises:
            NothingToUse: it showed no settings to be faster, or its engine is not here.
            RecordsError: it could not be kept.
        """
        usable = await self._usable()
        offer = offer_of(report, usable)
        candidate = next((c for c in usable if offer and c.name == offer.backend), None)
        if offer is None or candidate is None:
            raise NothingToUse(
                "No other settings were shown to be faster in this benchmark.",
                hint="Measure settings: watchkeeper ai benchmark --kind settings",
            )
        adopted = await asyncio.to_thread(self._adopted.take, candidate, offer, report, time.time_ns() // 1000)
        await self._changed()
        return in_use(candidate, adopted)

    async def reset(self, backend: str) -> InUse:
        """Return to the engine's own choice of settings.

        Raises:
            NothingToUse: there is no such engine.
        """
        candidate = next((c for c in await self._usable() if c.name == backend), None)
        if candidate is None:
            raise NothingToUse(f"There is no usable engine {backend!r}.", hint="`watchkeeper ai backends` lists them.")
        await asyncio.to_thread(self._adopted.forget, candidate)
        await self._changed()
        return in_use(candidate, None)

    async def _adopted_by(self, usable: list[Candidate], name: str | None) -> AdoptedSettings | None:
        candidate = next((c for c in usable if c.name == name), None)
        return await asyncio.to_thread(self._adopted.of, candidate) if candidate else None


def in_use(candidate: Candidate, adopted: AdoptedSettings | None) -> InUse:
    """How a model is loaded, and why."""
    if adopted is None:
        sentence = _by_itself(candidate)
        return InUse(backend=candidate.name, model=candidate.shown, settings="", benchmark=None, taken=None, sentence=sentence)  # fmt: skip
    words = words_of(adopted)
    why = (
        f"as benchmark {adopted.benchmark} showed to be faster."
        if adopted.benchmark
        else f"as tuned for this machine: {adopted.sentence}"
    )
    fewer = " Fewer threads generate while other programs use the cores." if (adopted.threads or 1) > 1 else ""
    return InUse(
        backend=candidate.name, model=candidate.shown, settings=words, benchmark=adopted.benchmark or None, taken=adopted.taken,
        sentence=f"{candidate.shown} is loaded with {words}, {why}{fewer}",
    )  # fmt: skip


def _by_itself(candidate: Candidate) -> str:
    """How a model is loaded for which no settings were adopted."""
    if candidate.engine != "llamacpp" or candidate.path is None:
        return f"{candidate.shown} is loaded with the engine's own settings; none were adopted from a benchmark."
    rates = candidate.threads.known(candidate.path, default_threads(), candidate.threads_file)
    if rates is None:
        return f"{candidate.shown} is loaded with as many threads as are fastest here: they are measured at its first load."
    return f"{candidate.shown} is loaded with {rates.sentence()}" if rates.best() else rates.sentence()
