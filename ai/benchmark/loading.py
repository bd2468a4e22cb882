"""Has the contenders in memory: all at once where they fit, else in turn, and not at all what would never fit."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import psutil

from ai.benchmark.contender import Contender
from ai.benchmark.schedule import build_request
from ai.core.errors import BackendDown, BackendError, BackendOutOfMemory
from ai.core.protocol import Restarting, SharedServer, Yielding
from ai.core.types import LoadReport
from ai.shapes.report import BenchmarkPlan, LoadRow, Metric, QualityRow
from ai.shapes.workload import BatchRow, LengthRow, RateRow

RESERVE = 128 * 1024 * 1024
"""Bytes left to everything else on the machine."""


@dataclass(slots=True)
class Entry:
    """One contender while it is measured."""

    contender: Contender
    load: LoadRow | None = None
    unusable: str = ""
    pids: tuple[int, ...] = ()
    metrics: dict[str, Metric] = field(default_factory=dict)
    batches: list[BatchRow] = field(default_factory=list)
    rates: list[RateRow] = field(default_factory=list)
    lengths: list[LengthRow] = field(default_factory=list)
    quality: QualityRow | None = None
    borrowed: bool = False
    """Somebody else has its model in memory: it is measured as it is, and stays there."""
    gone: str = ""
    """That it ended meanwhile, as a sentence; empty while it answers."""

    @property
    def name(self) -> str:
        """The contender's name."""
        return self.contender.backend.name


class Loader:
    """Loads contenders, and knows whether they share the memory or take turns in it.

    Args:
        plan: how to measure.
        available: bytes that may be taken now; None when not known.
        telling: called before a load with a sentence.
    """

    def __init__(
        self, plan: BenchmarkPlan, available: Callable[[], int | None], telling: Callable[[str, Entry], None]
    ) -> None:
        self._plan, self._available, self._telling = plan, available, telling
        self._held: Entry | None = None
        self._shared: list[Entry] = []
        self._borrowed: list[str] = []
        self.in_turn = ""
        """Why they take turns, as a sentence; empty while all are loaded together."""
        self.reloads = 0
        self.reloading_s = 0.0

    def decide(self, entries: Sequence[Entry]) -> None:
        """Before anything is loaded: whether all fit together, and whether each fits at all."""
        room = self._available()
        if room is None:
            return
        room = max(room - RESERVE, 0)
        known = [(e, e.contender.predicted or 0) for e in entries if e.contender.in_memory]
        for entry, size in known:
            if size > room:
                what = f"It needs {_mib(size)} and {_mib(room)} is available: use a smaller model or a shorter context."
                entry.unusable = f"It was not loaded. {entry.contender.remedy or what}"
        total = sum(size for entry, size in known if not entry.unusable)
        if total > room:
            self._take_turns(f"together they are predicted to need {_mib(total)}, and {_mib(room)} is available")

    async def first(self, entry: Entry, others: Sequence[Entry]) -> None:
        """Load a contender for the first time; when it finds no memory beside the others, they take turns from here on.

        Raises:
            BackendError: it cannot be loaded.
        """
        await self._make_room(entry)
        try:
            await self._load(entry)
        except BackendOutOfMemory as error:
            beside = [o for o in others if o.load is not None and _unloads(o)]
            if self.in_turn or not beside:
                raise
            self._take_turns(f"{entry.name} found too little memory beside the others ({error.message.rstrip('.')})")
            for other in beside:
                await other.contender.backend.unload()
            await self._load(entry)
        self._held = entry

    async def have(self, entry: Entry) -> bool:
        """Have it in memory; whether it had to be loaded again.

        Raises:
            BackendError: it cannot be loaded.
        """
        if not self.in_turn or self._held is entry:
            return False
        self._telling(f"Loading {entry.name} again", entry)
        begun = time.perf_counter()
        await self._make_room(entry)
        await entry.contender.backend.ensure_loaded(entry.contender.spec)
        entry.pids = (await entry.contender.backend.memory()).pids
        self._held = entry
        self.reloads += 1
        self.reloading_s += time.perf_counter() - begun
        return True

    async def give_back(self, deadline_s: float = 120.0) -> list[str]:
        """Leave each server as it was found; a sentence for each that could not be. The last one that was loaded goes first."""
        problems = []
        for entry in reversed(self._shared):
            backend = entry.contender.backend
            assert isinstance(backend, SharedServer)  # noqa: S101 - that is why it was noted
            try:
                async with asyncio.timeout(deadline_s):
                    await backend.restore()
            except (BackendError, TimeoutError) as error:
                ended = isinstance(error, BackendDown) and any(other.gone for other in self._shared)
                if not entry.gone and not ended:
                    problems.append(
                        f"{entry.name} could not be left as it was found: {str(error) or 'it did not answer in time'}"
                    )
        self._shared = []
        return problems

    def notes(self) -> list[str]:
        """For the report: what was measured as it was found, and what turns mean for its figures."""
        return [*self._borrowed, *([self._turns()] if self.in_turn else [])]

    def _turns(self) -> str:
        return (
            f"They do not fit into memory at the same time: {self.in_turn}. So they were loaded in turn ({self.reloads} times again), each measured "
            "twice in a row after a request that does not count; what the machine did between two turns is in the interval. "
            "Close other programs, or use a shorter context or smaller models, to have them measured side by side."
        )

    def _take_turns(self, why: str) -> None:
        self.in_turn = self.in_turn or why

    async def _make_room(self, entry: Entry) -> None:
        held = self._held
        if self.in_turn and held is not None and held is not entry and _unloads(held):
            await held.contender.backend.unload()
            self._held = None

    async def _load(self, entry: Entry) -> None:
        backend, spec = entry.contender.backend, entry.contender.spec
        health = await backend.health()
        if health.state in {"down", "missing", "error"}:
            entry.unusable = health.detail
            return
        if isinstance(backend, SharedServer) and entry not in self._shared:
            entry.borrowed = await backend.remember(spec.model)
            self._shared.append(entry)
        cold = None
        if self._plan.cold_load and _unloads(entry):
            await backend.unload()
            first = await backend.ensure_loaded(spec)
            cold = first.seconds.value if first.cold else None
        report = await backend.ensure_loaded(spec)
        if report.cold and cold is None:
            cold = report.seconds.value
        warm = await backend.ensure_loaded(spec)
        request = build_request(self._plan.prompts[0], "count", self._plan.max_tokens, self._plan.own_prompts())
        tokens = None
        if backend.capabilities().counts_tokens:
            counted = await backend.count_tokens(request.messages)
            tokens = int(counted.value) if counted.origin != "estimated" else None
        entry.pids = (await backend.memory()).pids
        self._as_found(entry, report)
        if isinstance(backend, Yielding):
            backend.fewest_threads(anew=True)
        entry.load = LoadRow(
            model=report.model, cold_s=cold, warm_s=warm.seconds.value, context=report.context, parallel=report.parallel,
            kv_type=report.kv_type, quantization=report.quantization, weights=report.weights, template=report.template,
            engine_version=report.engine_version, device=report.device, prompt_tokens=tokens, notes=list(report.notes),
            threads=report.threads, prompt_threads=report.prompt_threads, usual_threads=report.usual_threads, yields=report.yields,
            flash_attention=report.flash_attention, gpu_layers=report.gpu_layers,
        )  # fmt: skip

    def _as_found(self, entry: Entry, report: LoadReport) -> None:
        """What a server has in force is what is measured, not what would have been asked for."""
        contender, context = entry.contender, report.context
        set_by_us = entry not in self._shared and contender.backend.capabilities().sets_context
        if set_by_us or context is None or not (entry.borrowed or context != contender.spec.context):
            return
        entry.contender = replace(contender, spec=replace(contender.spec, context=context))
        why = "its model was loaded with" if entry.borrowed else "its server was started with"
        self._borrowed.append(f"{entry.name} was measured with a context of {context} tokens, as {why}.")


def load_row(entry: Entry) -> LoadRow | None:
    """What a contender was loaded with, and the fewest threads that generated since."""
    backend, load = entry.contender.backend, entry.load
    if load is None or not load.yields or not isinstance(backend, Yielding):
        return load
    return load.model_copy(update={"fewest_threads": backend.fewest_threads() or load.threads})


async def find_pids(entry: Entry) -> None:
    """Look again which processes a contender is."""
    try:
        entry.pids = (await entry.contender.backend.memory()).pids
    except BackendError:
        entry.pids = ()  # the engine is away; the next measurement says so


async def note_memory(entry: Entry) -> None:
    """What a contender holds, beside what was predicted."""
    try:
        memory = await entry.contender.backend.memory()
    except BackendError as error:
        entry.metrics["memory_peak"] = Metric(value=None, unit="bytes", origin="measured", n=0, note=error.message)
        return
    for key, figure in (("memory", memory.rss), ("memory_peak", memory.peak), ("vram", memory.vram)):
        if figure is not None:
            entry.metrics[key] = Metric(value=figure.value, unit="bytes", origin=figure.origin, note=memory.note)
        else:
            entry.metrics[key] = Metric(
                value=None, unit="bytes", origin="measured", n=0, note=memory.note or "not measurable"
            )
    if entry.contender.predicted is not None:
        entry.metrics["memory_predicted"] = Metric(value=entry.contender.predicted, unit="bytes", origin="estimated")


async def look_whether_gone(entry: Entry, patience_s: float = 2.0) -> None:
    """After a failure: whether the server ended. A worker of this program is started again; a server that is back within moments is not gone."""
    backend = entry.contender.backend
    if isinstance(backend, Restarting):
        return
    pids, until = entry.pids, time.monotonic() + patience_s
    health = await backend.health()
    while health.state == "down" and time.monotonic() < until:
        await asyncio.sleep(min(0.5, patience_s))
        health = await backend.health()
    if health.state != "down":
        return
    if pids and not any(psutil.pid_exists(pid) for pid in pids):
        which = f"process {pids[0]}" if len(pids) == 1 else f"processes {', '.join(map(str, pids[:4]))}"
        entry.gone = f"{entry.name} stopped while it was measured: its {which} ended at {time.strftime('%H:%M:%S')}."
    else:
        entry.gone = f"{entry.name} stopped while it was measured: it no longer answers."


def _unloads(entry: Entry) -> bool:
    return entry.contender.backend.capabilities().unloads and not entry.borrowed


def _mib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / 1024**2:.0f} MiB"
