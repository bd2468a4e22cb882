"""How the memory of each process grows, and when memory would be full if the fastest went on.

The growth over a window is the median of the slopes between all pairs of readings (Theil-Sen), so neither a single jump nor a
garbage collector moves it much. Readings are references to the samples' own buffers, one sample in `STEP_S`. Until a process was watched
for half of a window its growth is not known.

    >>> Growth().of(4711)
    (None, None)
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.metrics.messages import Tick

STEP_S: Final = 30
SHORT_S: Final = 600
LONG_S: Final = 3600
PARTS: Final = 12
"""The long window is read in so many parts, each by its median."""
TREND: Final = 0.35
"""Where rising pairs of readings exceed falling ones by a smaller part of all (Kendall's tau), or the other way round, there is no growth:
one in ten to twenty series of pure chance is beyond it."""
STEADY: Final = 0.6
"""The same for growth that is likely to go on. One jump in the middle of a window has 0.55 at most."""
STILL: Final = 1 / 3
"""Growth is not steady if the last third of the window has less than this part of it: what fills caches after its start comes to rest."""
SLACK_S: Final = 5.0
"""A sample counts for a window if it is this much older: samples are not taken to the second."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """The memory of all processes at one time: `seconds` on the monotonic clock, runs, and bytes (below 0: not available)."""

    seconds: float
    runs: NDArray[np.int64]
    rss: NDArray[np.int64]


class Slope(NamedTuple):
    """Bytes a minute over a window of `window_s`; `steady` if nearly all readings rise, the last ones too."""

    per_minute: float
    window_s: int
    steady: bool


class Growth:
    """The growth of every running process, renewed every `STEP_S`. Used on the event loop."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque()
        self._slopes: tuple[dict[int, Slope], dict[int, Slope]] = ({}, {})

    def take(self, tick: Tick) -> bool:
        """Take a sample; returns whether the growth was renewed."""
        now = tick.mono_ns / 1e9
        if self._readings and 0 <= now - self._readings[-1].seconds < STEP_S - SLACK_S / 2:
            return False
        runs, rss = np.frombuffer(tick.runs.run, np.int64), np.frombuffer(tick.runs.rss, np.int64)
        self._keep([*self._readings, Reading(now, runs, rss)], now)
        return True

    def recall(self, earlier: Iterable[Reading]) -> None:
        """Insert the readings of an earlier agent before those of this one."""
        if self._readings:
            first, now = self._readings[0].seconds, self._readings[-1].seconds
            self._keep([*(one for one in earlier if one.seconds < first), *self._readings], now)

    def of(self, run: int) -> tuple[int | None, int | None]:
        """Bytes a minute over ten minutes and over an hour; None while it is not known."""
        short, long = (slopes.get(run) for slopes in self._slopes)
        return _rounded(short), _rounded(long)

    def steady(self) -> dict[int, Slope]:
        """The processes that grow steadily, by the short window where it says so."""
        short, long = ({run: one for run, one in found.items() if one.steady} for found in self._slopes)
        return long | short

    def _keep(self, readings: Iterable[Reading], now: float) -> None:
        self._readings = deque(one for one in readings if 0 <= now - one.seconds <= LONG_S + SLACK_S)
        known = np.unique(self._readings[-1].runs)
        if not len(known):
            self._slopes = ({}, {})
            return
        seconds = np.array([one.seconds for one in self._readings]) - now
        memory = np.full((len(known), len(self._readings)), np.nan)
        for column, one in enumerate(self._readings):
            place = np.minimum(np.searchsorted(known, one.runs), len(known) - 1)
            there = (known[place] == one.runs) & (one.rss >= 0)
            memory[place[there], column] = one.rss[there]
        recent = seconds >= -SHORT_S - SLACK_S
        self._slopes = (
            _slopes(known, seconds[recent], memory[:, recent], SHORT_S),
            _slopes(known, *_parts(seconds, memory), LONG_S, span=_span(seconds, memory)),
        )


def _parts(seconds: Floats, memory: Floats) -> tuple[Floats, Floats]:
    """Time and memory of each part of the long window that has readings."""
    part = np.minimum((-seconds * PARTS / LONG_S).astype(int), PARTS - 1)
    kept = sorted(set(part.tolist()), reverse=True)
    times = np.array([seconds[part == one].mean() for one in kept])
    return times, np.stack([_median(memory[:, part == one]) for one in kept], axis=1)


def _span(seconds: Floats, memory: Floats) -> Floats:
    """For each process, seconds from its first reading to the newest; 0 if the newest is missing."""
    there = ~np.isnan(memory)
    first = seconds[np.argmax(there, axis=1)]
    return np.where(there[:, -1], seconds[-1] - first, 0.0)


def _slopes(
    known: NDArray[np.int64], seconds: Floats, memory: Floats, window_s: int, span: Floats | None = None
) -> dict[int, Slope]:
    """The slope of each process that was watched for half of the window."""
    span = _span(seconds, memory) if span is None else span
    old = span >= window_s / 2 - SLACK_S
    same = old & ((memory == memory[:, -1:]) | np.isnan(memory)).all(axis=1)
    found = {run: Slope(0.0, window_s, steady=False) for run in known[same].tolist()}
    moved = old & ~same
    if not moved.any():
        return found
    first, second = np.triu_indices(len(seconds), 1)
    between = (memory[moved][:, second] - memory[moved][:, first]) / (seconds[second] - seconds[first])
    pairs = (~np.isnan(between)).sum(axis=1)
    tau = ((between > 0).sum(axis=1) - (between < 0).sum(axis=1)) / np.maximum(pairs, 1)
    slope = np.where(abs(tau) >= TREND, _median(between) * 60, 0.0)
    lately = _median(between[:, first >= len(seconds) - 1 - max(len(seconds) // 3, 2)]) * 60
    steady = (tau >= STEADY) & (slope > 0) & (lately >= slope * STILL)
    for run, value, sure in zip(known[moved].tolist(), slope.tolist(), steady.tolist(), strict=True):
        found[run] = Slope(value, window_s, steady=sure)
    return found


def _median(values: Floats) -> Floats:
    """The median of each row, of what is not NaN."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    count = (~np.isnan(values)).sum(axis=1)
    rows = np.arange(len(values))
    median: Floats = (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, count // 2]) / 2
    return median


def _rounded(slope: Slope | None) -> int | None:
    """To three digits, so that noise is not sent again and again."""
    return None if slope is None else int(float(f"{slope.per_minute:.3g}"))
