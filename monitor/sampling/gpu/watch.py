"""Keeps the newest state of the GPUs in threads, so that a hanging driver delays nothing else, and a hanging GPU no other."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import msgspec

from monitor.metrics.catalogue import GpuReading
from monitor.metrics.messages import GpuProcess, GpuState
from monitor.sampling.core.priority import be_ordinary
from monitor.sampling.gpu.nvml import GpuReport, NvmlProblem

FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 600.0
"""Without a driver, the next check comes after a minute, then at growing intervals."""
ERROR_PAUSE_S: Final = 5.0
HANG_INTERVALS: Final = 3.0
"""How long a call may take before the driver is said not to answer."""
FRESH_INTERVALS: Final = 2.0
"""How old an answer may be and still be a reading of this moment: a thread may be late by an interval."""
SILENT: Final = "the driver does not answer for this GPU"


_Answer = TypeVar("_Answer")


class Gate(Protocol):
    """The interface of `Nvml`. Any of these calls may hang."""

    def open(self) -> None:
        """Initialise, or raise `NvmlProblem`."""
        ...

    def count(self) -> int:
        """How many GPUs there are, or raise `NvmlProblem`."""
        ...

    def read(self, index: int) -> GpuReport:
        """Read one GPU, or raise `NvmlProblem`."""
        ...

    def close(self) -> None:
        """Release it. No other call is under way."""
        ...


@dataclass(eq=False, slots=True)
class _Card:
    """One GPU, and the thread that reads it."""

    index: int
    asking_since: float
    report: GpuReport | None = None
    read_at: float = 0.0
    gone: bool = False
    thread: threading.Thread | None = None

    @property
    def last(self) -> GpuReading:
        """Its last readings; of one that never answered, that it has none."""
        return GpuReading(self.index, "", f"GPU {self.index}") if self.report is None else self.report.gpu

    def without_values(self, error: str | None) -> GpuReading:
        """The GPU by name, without readings."""
        last = self.last
        return GpuReading(last.index, last.uuid, last.name, error=error)


@dataclass(slots=True)
class _Round:
    """The time between opening the driver and closing it."""

    cards: list[_Card] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    problem: NvmlProblem | None = None


class GpuWatch:
    """Reads each GPU once per interval and remembers the result.

    Args:
        gate: NVML.
        interval_s: time between two readings.
        clock: seconds, monotonic.
        first_pause_s: wait before a missing driver is looked for again; doubles up to `LONGEST_PAUSE_S`.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._gate = gate
        self._interval_s = interval_s
        self._clock = clock
        self._first_pause_s = first_pause_s
        self._lock = threading.Lock()
        self._state = GpuState("none", "GPUs are being looked for.", 0.0, [], [])
        self._cards: tuple[_Card, ...] = ()
        self._asked_at = clock()
        self._asking_since: float | None = None
        self._end = threading.Event()

    def start(self) -> None:
        """Start reading."""
        threading.Thread(target=self._run, name="gpu", daemon=True).start()

    def stop(self) -> None:
        """Stop reading. A hanging call is abandoned."""
        self._end.set()

    def latest(self) -> GpuState:
        """The newest state with its age.

        A GPU that the driver has not answered for in some intervals has an `error` and no readings, and before that no readings. Where it answers for
        none, the state is `stale`, with the last readings, and before that not `fresh`.
        """
        now = self._clock()
        with self._lock:
            state, asked_at, since = self._state, self._asked_at, self._asking_since
            cards = [(card, card.last, self._silent_s(card, now), now - card.read_at) for card in self._cards]
            processes = [one for card in self._cards if card.report is not None for one in card.report.processes]
        if since is not None and now - since > HANG_INTERVALS * self._interval_s and not cards:
            return _stale(state, now - since, now - asked_at, [], [])
        answered = [card for card, *_ in cards if card.report is not None]
        silent = {card.index: silent_s for card, _, silent_s, _ in cards if silent_s}
        if not cards or len(answered) + len(silent) == 0:
            return state
        if len(silent) == len(cards):
            age_s = min(age for _, _, _, age in cards)
            return _stale(state, max(silent.values()), age_s, [last for _, last, _, _ in cards], processes)
        if len({card.index for card in answered} | silent.keys()) < len(cards):
            return state  # the first answers are on their way
        fresh = {
            card.index
            for card, _, _, age in cards
            if card.index not in silent and age <= FRESH_INTERVALS * self._interval_s
        }
        age_s = max(age for card, _, _, age in cards if card.index not in silent)
        gpus = [
            card.without_values(SILENT) if card.index in silent
            else last if card.index in fresh or not fresh
            else card.without_values(None)
            for card, last, _, _ in cards
        ]  # fmt: skip
        shown = [one for one in processes if one.gpu in fresh or not fresh]
        return GpuState("ok", "", max(age_s, 0.0), gpus, shown, fresh=bool(fresh))

    def _silent_s(self, card: _Card, now: float) -> float:
        """How long the driver has not answered for a GPU; 0 as long as that is no news."""
        waited = now - card.asking_since if card.asking_since >= 0 else 0.0
        return waited if waited > HANG_INTERVALS * self._interval_s else 0.0

    def _run(self) -> None:
        be_ordinary()
        pause_s = self._first_pause_s
        while not self._end.is_set():
            this = _Round()
            try:
                self._ask(self._gate.open)
                while not self._end.is_set() and not this.over.is_set():
                    self._follow(this, self._ask(self._gate.count))
                    pause_s = self._first_pause_s
                    this.over.wait(self._interval_s)
                problem = this.problem
            except NvmlProblem as error:
                problem = error
            this.over.set()
            if problem is None:
                return
            self._keep(GpuState(problem.state, _sentence(problem), 0.0, [], []))
            for card in this.cards:
                if card.thread is not None:
                    card.thread.join()  # it may hang: a driver that is being used is not closed
            self._gate.close()
            self._end.wait(pause_s if problem.state == "none" else min(pause_s, ERROR_PAUSE_S))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Call the gate, which may hang."""
        with self._lock:
            self._asking_since = self._clock()
        try:
            return call()
        finally:
            with self._lock:
                self._asking_since, self._asked_at = None, self._clock()

    def _follow(self, this: _Round, count: int) -> None:
        """Read as many GPUs, each in a thread of its own."""
        for card in this.cards[count:]:
            card.gone = True
        del this.cards[count:]
        for index in range(len(this.cards), count):
            card = _Card(index, self._clock())
            card.thread = threading.Thread(target=self._read, args=(this, card), name=f"gpu{index}", daemon=True)
            this.cards.append(card)
            card.thread.start()
        with self._lock:
            self._cards = tuple(this.cards)

    def _read(self, this: _Round, card: _Card) -> None:
        """Read one GPU until the round is over."""
        be_ordinary()
        while not (self._end.is_set() or this.over.is_set() or card.gone):
            began = self._clock()
            with self._lock:
                card.asking_since = began
            try:
                report = self._gate.read(card.index)
            except NvmlProblem as problem:
                this.problem = problem
                this.over.set()
                return
            with self._lock:
                card.report, card.read_at, card.asking_since = report, self._clock(), -1.0
            this.over.wait(max(self._interval_s - (self._clock() - began), 0.05))

    def _keep(self, state: GpuState) -> None:
        with self._lock:
            self._state, self._cards = state, ()


def _stale(
    state: GpuState, silent_s: float, age_s: float, gpus: list[GpuReading], processes: list[GpuProcess]
) -> GpuState:
    """No GPU is answered for."""
    message = f"The NVIDIA driver has not answered for {silent_s:.0f} s."
    return msgspec.structs.replace(
        state, state="stale", message=message, age_s=max(age_s, 0.0), gpus=gpus, processes=processes, fresh=False
    )


def _sentence(problem: NvmlProblem) -> str:
    return f"{problem.message} {problem.hint}".strip()
