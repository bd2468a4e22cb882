"""The newest ends of runs: who asks for runs that ended has them at once, and waits for no transaction.

They are known from the moment the sampler tells of them until the writer has stored them, or has given them up because there was no room for long. The
newest of those that are stored are kept, too: who asks for what ended a moment ago needs no store.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.metrics.messages import Lives, RunEnd, RunInfo, Tick
from monitor.store.record_lanes import Samples

MOST: Final = 10_000
"""So many ends are kept here. While the store takes no rows for long, older ones are found once it has them."""
RECENT: Final = 1_000
"""So many that are stored are still known here. To look through them costs less than to plan a query."""

Ended = tuple[RunInfo, RunEnd]


def ended_in(told: Tick | Lives, living: Mapping[int, RunInfo]) -> list[Ended]:
    """The runs that ended, as they will be stored.

    Args:
        told: a message of the sampler.
        living: the runs that are known, before they are told of it.
    """
    ends = {end.run: end for end in told.ends}
    born = {info.run: info for info in told.born}
    gone = [info for run in told.gone if (info := born.get(run) or living.get(run)) is not None]
    found = [(info, ends.get(info.run) or RunEnd(info.run, told.ts, None, None, "poll")) for info in gone]
    return found + [(info, ends[info.run]) for info in told.brief if info.run in ends]


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """What one message told."""

    ended: Sequence[Ended]
    item: Samples


class UnstoredEnds:
    """Safe from any thread.

    Args:
        most: ends that are kept until they are stored.
        recent: ends that are kept once they are stored.
    """

    def __init__(self, most: int = MOST, recent: int = RECENT) -> None:
        self._most, self._most_recent = most, recent
        self._lock = threading.Lock()
        self._batches: deque[_Batch] = deque()
        self._runs: set[int] = set()
        self._beyond: Samples | None = None
        self._lost = 0
        self._recent: deque[Ended] = deque()
        self._known_since: int | None = None
        """Each end at or after this time (µs) is known here; None: not even the newest are."""

    @property
    def lost(self) -> int:
        """Ends that were given up before they were stored."""
        with self._lock:
            self._leave_out()
            return self._lost

    @property
    def whole(self) -> bool:
        """Whether no end is both unknown here and not stored yet."""
        beyond = self._beyond
        return beyond is None or beyond.fate != "waiting"

    def add(self, ended: Sequence[Ended], item: Samples) -> None:
        """Know these ends until the fate of `item`, which stores them, is known."""
        with self._lock:
            self._leave_out()
            new = [one for one in ended if one[0].run not in self._runs]
            if new:
                self._batches.append(_Batch(new, item))
                self._runs.update(info.run for info, _ in new)
            while len(self._runs) > self._most:
                batch = self._batches.popleft()
                self._beyond = self._forget(batch)
                self._unknown_until(batch.ended)

    def others_until(self, ts: int) -> None:
        """Others than the sampler tell the store of ends up to this time (µs): only later ones are all known here."""
        with self._lock:
            self._known_since = max(self._known_since or 0, ts + 1)

    def since(self, ts: int) -> list[Ended] | None:
        """Every end at or after this time (µs), stored or not; None if only the store may know all of them."""
        with self._lock:
            self._leave_out()
            if self._known_since is None or ts < self._known_since:
                return None
            waiting = (one for batch in self._batches for one in batch.ended)
            found = {one[0].run: one for one in (*self._recent, *waiting) if one[1].ts >= ts}
        return list(found.values())

    def ended(self) -> list[Ended]:
        """All of them. Ask before the store is asked: what is stored meanwhile is in both, and what has left here is in the store."""
        with self._lock:
            self._leave_out()
            return [one for batch in self._batches for one in batch.ended]

    def _leave_out(self) -> None:
        """Those that are settled. The lock is held."""
        kept: deque[_Batch] = deque()
        for batch in self._batches:
            if (fate := batch.item.fate) == "waiting":
                kept.append(batch)
            else:
                self._forget(batch)
                if fate == "lost":
                    self._lost += len(batch.ended)
                    self._unknown_until(batch.ended)
                else:
                    self._recent.extend(batch.ended)
        self._batches = kept
        if (beyond := len(self._recent) - self._most_recent) > 0:
            self._unknown_until([self._recent.popleft() for _ in range(beyond)])

    def _unknown_until(self, ended: Iterable[Ended]) -> None:
        """These are no longer known here. The lock is held."""
        if self._known_since is not None:
            self._known_since = max(self._known_since, *(end.ts + 1 for _, end in ended))

    def _forget(self, batch: _Batch) -> Samples:
        self._runs.difference_update(info.run for info, _ in batch.ended)
        return batch.item
