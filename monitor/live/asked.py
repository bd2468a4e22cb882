"""Knows which ends somebody asked for in Watchkeeper, so that no place shows them as failures."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from monitor.core.exit_words import asked_for
from monitor.live.snapshot import Snapshot
from monitor.metrics.messages import Lives, RunEnd, Tick

WITHIN_S: Final = 30.0
"""How long a process may take to end after it was asked to."""
ENDING: Final = frozenset({"TERM", "KILL", "INT", "HUP", "QUIT"})
"""Signals that a person sends so that a process ends."""
_PASSED_ON: Final = frozenset({1, 2, 9, 15})
"""By these, what is below it ends with it."""

_Told = TypeVar("_Told", Tick, Lives)


class Asked:
    """Remembers who was asked to end, until that is over or long ago. On the event loop.

    Args:
        snapshot: the present state: it knows what is below a process.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, snapshot: Snapshot, clock: Callable[[], float] = time.monotonic) -> None:
        self._snapshot, self._clock = snapshot, clock
        self._runs: dict[int, tuple[str, float, bool]] = {}
        """Who asked, until when that counts, and whether it was asked of the run itself."""

    def note(self, run: int, by: str, within_s: float = WITHIN_S, above: int | None = None) -> None:
        """Somebody asks a run to end.

        Args:
            run: which; what is below it may end with it.
            by: who, in words, as `stopped by Ada`.
            within_s: an end later than this is one of its own.
            above: a run such as the shim of a service, of which all that is below it is asked to end, also what has left the run itself.
        """
        now = self._clock()
        self._runs = {one: known for one, known in self._runs.items() if known[1] > now}
        for below in _below(self._snapshot, run if above is None else above):
            self._runs.setdefault(below, (by, now + within_s, above is not None))
        self._runs[run] = by, now + within_s, True

    def marked(self, told: _Told) -> _Told:
        """A message of the sampler whose ends say who asked for them."""
        if not self._runs:
            return told
        ends = {end.run: end for end in told.ends}
        missing = [run for run in told.gone if run in self._runs and run not in ends]
        ends |= {run: RunEnd(run, told.ts, None, None, "poll") for run in missing}
        marked = [self._marked(end) for end in ends.values()]
        return msgspec.structs.replace(told, ends=marked)

    def _marked(self, end: RunEnd) -> RunEnd:
        by, until, itself = self._runs.pop(end.run, ("", 0.0, False))
        if not by or until < self._clock() or not (itself or _passed_on(end)):
            return end
        asked = asked_for(by, end.exit_signal, out_of_memory=end.out_of_memory)
        return msgspec.structs.replace(end, asked=asked)


def _below(snapshot: Snapshot, run: int) -> Iterator[int]:
    """The runs below one, as of the newest sample."""
    columns, info = snapshot.columns, snapshot.runs.get(run)
    if columns is None or info is None:
        return
    children: dict[int, list[tuple[int, int]]] = {}
    for one, pid, ppid in zip(*map(columns.column, ("run", "pid", "ppid")), strict=True):
        children.setdefault(ppid, []).append((one, pid))
    waiting = [info.pid]
    while waiting:
        for one, pid in children.pop(waiting.pop(), ()):
            yield one
            waiting.append(pid)


def _passed_on(end: RunEnd) -> bool:
    """Whether it ended as what goes down with its parent; what ended well did so by itself."""
    return end.exit_signal in _PASSED_ON or (end.exit_code or 0) - 128 in _PASSED_ON
