"""The live hub: hands what happens to everyone who listens on `/v1/live`.

A frame is encoded once, whoever gets it. Every subscriber has a bounded queue: one that reads too slowly loses its oldest
frames, is told how many, and gets a full picture of the processes and the last minutes next. Records are matched against each subscriber's
filter on the thread that brings them and travel ten times a second, `FRAME_RECORDS` a frame; what a subscriber's
`BACKLOG_RECORDS` cannot hold is counted.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from monitor.models import Subscription
from monitor.world import LIVE_COLUMNS, LiveRow, World, born_row, live_rows

QUEUE_FRAMES: Final = 60
LOG_INTERVAL_S: Final = 0.1
FRAME_RECORDS: Final = 1_000
BACKLOG_RECORDS: Final = 10_000
"""Records that may wait for the next frames: two seconds of 5,000 lines a second, which come in batches."""
RECENT_S: Final = 5.0
"""How long a record is kept for who begins to follow: longer than it takes from being read to being stored."""
_encoder: Final = msgspec.json.Encoder()


class RecordFilter(Protocol):
    """What decides whether a record goes to a subscriber (`logs.LogFilter`)."""

    def matches(self, record: Any, /) -> bool:
        """Whether the record passes."""
        ...


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as text; NaN becomes null."""
    return _encoder.encode(frame).decode()


class Subscriber:
    """One listener: its wishes, its queue of frames, its records to come."""

    def __init__(self) -> None:
        self.wants = Subscription(host=False, processes=False, status=False, logs=None)
        self.needs_full = True
        self.needs_status = True
        self.needs_tick = True
        self.needs_history = False
        self.dropped_frames = 0
        self._lost = 0
        self._frames: deque[str] = deque()
        self._ready = asyncio.Event()
        self._records: deque[Any] = deque(maxlen=BACKLOG_RECORDS)
        self._records_dropped = 0
        self._filter: RecordFilter | None = None
        self._lock = threading.Lock()

    def want(self, subscription: Subscription, record_filter: RecordFilter | None) -> bool:
        """Change the wishes; a first or changed wish for processes is answered with all of them, one for status with its state.

        Answers whether records are asked for anew: another filter or tag. Another wish beside the same records lets none of them go.
        """
        self.needs_full = self.needs_full or not self.wants.processes
        self.needs_status = self.needs_status or not self.wants.status
        self.needs_tick = self.needs_tick or not self.wants.host
        before, self.wants = self.wants, subscription
        if (subscription.logs, subscription.logs_tag) == (before.logs, before.logs_tag):
            return False
        with self._lock:
            self._filter = record_filter
            self._records.clear()
            self._records_dropped = 0
        return subscription.logs is not None

    @property
    def waiting(self) -> int:
        """How many frames have not been sent yet."""
        return len(self._frames)

    def put(self, frame: str) -> None:
        """Queue a frame, dropping the oldest when there is no room."""
        if len(self._frames) >= QUEUE_FRAMES:
            self._frames.popleft()
            self._lost += 1
            self.dropped_frames += 1
            self.needs_full = self.needs_history = True
        self._frames.append(frame)
        self._ready.set()

    async def next_frame(self) -> str:
        """The next frame to send; waits for one."""
        while not self._frames and not self._lost:
            self._ready.clear()
            await self._ready.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return encode({"t": "lost", "frames": lost})
        return self._frames.popleft()

    def offer(self, records: Sequence[Any]) -> bool:
        """Keep what matches; from any thread. Answers whether there is something to send."""
        with self._lock:
            if self._filter is None:
                return False
            for record in records:
                if self._filter.matches(record):
                    if len(self._records) == BACKLOG_RECORDS:
                        self._records_dropped += 1
                    self._records.append(record)
            return bool(self._records)

    def take(self) -> tuple[list[Any], int]:
        """The records kept, and how many more matched since the last time."""
        with self._lock:
            records, dropped = list(self._records), self._records_dropped
            self._records.clear()
            self._records_dropped = 0
        return records, dropped


class Hub:
    """All subscribers; lives on the event loop, except `publish_records`.

    Args:
        world: the picture of now.
        record_json: a record as the API gives it.
        status: the slower news as far as they are known at this moment; quick, and also the sign that somebody wants them.
    """

    def __init__(
        self, world: World, record_json: Callable[[Any], Mapping[str, Any]], status: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._world, self._record_json, self._status = world, record_json, status
        self._subscribers: set[Subscriber] = set()
        self._previous: dict[int, LiveRow] = {}
        self._full: tuple[int, str] | None = None
        self._newest: Mapping[str, Any] | None = None
        self._recent: deque[tuple[float, Any]] = deque(maxlen=BACKLOG_RECORDS)
        self._recent_lock = threading.Lock()
        self._dropped_before = 0
        self.records_dropped = 0

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._subscribers)

    @property
    def dropped(self) -> int:
        """Frames that slow subscribers lost, since the agent began; from any thread."""
        return self._dropped_before + sum(s.dropped_frames for s in tuple(self._subscribers))

    def add(self, subscriber: Subscriber) -> None:
        """Begin to serve a subscriber."""
        self._subscribers.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Stop serving it."""
        if subscriber in self._subscribers:
            self._subscribers.discard(subscriber)
            self._dropped_before += subscriber.dropped_frames

    def welcome(self, subscriber: Subscriber) -> None:
        """What a subscriber sees at once: the newest reading, all processes, and the slower news as they are known now."""
        if subscriber.wants.host and subscriber.needs_tick and self._newest is not None:
            subscriber.needs_tick = False
            subscriber.put(encode(self._newest))
        if subscriber.wants.processes and self._world.tick is not None and subscriber.needs_full:
            subscriber.needs_full = False
            subscriber.put(self._full_frame())
            self._previous = self._previous or live_rows(self._world)  # so that the next tick sends only what changed
        if subscriber.wants.status and subscriber.needs_status:
            subscriber.needs_status = False
            subscriber.put(encode({"t": "status", **self._status()}))

    def follow(self, subscriber: Subscriber) -> None:
        """Begin to send records: those of the last seconds, which may not be in the store yet, and all that come; say so."""
        with self._recent_lock:
            recent = [record for _, record in self._recent]
        subscriber.offer(recent)
        subscriber.put(encode({"t": "following", "logs": subscriber.wants.logs, "tag": subscriber.wants.logs_tag}))

    def publish_tick(self, frame: Mapping[str, Any]) -> None:
        """Send the reading of the machine, and what changed among the processes.

        Both are made before either is sent: they arrive together, and a page draws them in one picture.
        """
        self._full, self._newest = None, frame
        watchers = [s for s in self._subscribers if s.wants.processes]
        delta = self._delta_frame() if watchers and self._previous else None
        listeners = [s for s in self._subscribers if s.wants.host]
        if listeners:
            text = encode(frame)
            for subscriber in listeners:
                subscriber.needs_tick = False
                subscriber.put(text)
                self._mend(subscriber)
        for subscriber in watchers:
            if subscriber.needs_full or delta is None:
                subscriber.needs_full = False
                subscriber.put(self._full_frame())
            else:
                subscriber.put(delta)
        if not watchers:
            self._previous = {}
        elif delta is None:
            self._previous = live_rows(self._world)

    def publish_status(self, frame: Mapping[str, Any]) -> None:
        """Send the slower news."""
        text = encode({"t": "status", **frame})
        for subscriber in self._subscribers:
            if subscriber.wants.status:
                subscriber.put(text)

    def retell(self) -> None:
        """The history has grown at its beginning: everyone who listens gets it anew with the next reading."""
        for subscriber in self._subscribers:
            subscriber.needs_history = True

    def publish_records(self, records: Sequence[Any]) -> None:
        """Offer new records to everyone; from any thread."""
        now = time.monotonic()
        with self._recent_lock:
            self._recent.extend((now, record) for record in records)
            while self._recent and now - self._recent[0][0] > RECENT_S:
                self._recent.popleft()
        for subscriber in tuple(self._subscribers):
            subscriber.offer(records)

    async def send_records(self) -> None:
        """Send records ten times a second, for as long as the agent runs."""
        while True:
            await asyncio.sleep(LOG_INTERVAL_S)
            for subscriber in tuple(self._subscribers):
                records, dropped = subscriber.take()
                tag = subscriber.wants.logs_tag
                self.records_dropped += dropped
                for start in range(0, len(records) or (1 if dropped else 0), FRAME_RECORDS):
                    rows = [self._record_json(record) for record in records[start : start + FRAME_RECORDS]]
                    told = {"records": rows, "dropped": dropped if start == 0 else 0, "tag": tag}
                    subscriber.put(encode({"t": "logs", **told}))

    def _mend(self, subscriber: Subscriber) -> None:
        """Send the last minutes again to one who lost frames, so that no line breaks where no sample is missing."""
        if subscriber.needs_history and subscriber.waiting < QUEUE_FRAMES // 2:
            subscriber.needs_history = False
            subscriber.put(encode({"t": "history", **self._world.history_since(subscriber.wants.history_s)}))

    def _full_frame(self) -> str:
        """All processes, encoded once a tick."""
        tick = self._world.tick
        ts = tick.ts if tick else 0
        if self._full is None or self._full[0] != ts:
            born = [born_row(self._world, info) for info in self._world.runs.values()]
            rows = list(live_rows(self._world).values())
            frame = {"t": "procs", "ts": ts, "full": True, "born": born, "gone": [], "cols": LIVE_COLUMNS, "rows": rows}
            self._full = (ts, encode(frame))
        return self._full[1]

    def _delta_frame(self) -> str:
        """What changed since the tick before."""
        tick = self._world.tick
        now = live_rows(self._world)
        before, self._previous = self._previous, now
        frame = {
            "t": "procs",
            "ts": tick.ts if tick else 0,
            "full": False,
            "born": [born_row(self._world, info) for info in (tick.born if tick else ())],
            "gone": [str(run) for run in (tick.gone if tick else ())],
            "cols": LIVE_COLUMNS,
            "rows": [row for run, row in now.items() if before.get(run) != row],
        }
        return encode(frame)
