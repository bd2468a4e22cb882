"""The live hub: sends frames to all subscribers of `/v1/live`.

A frame is encoded once for all. Every subscriber has a bounded queue. One that reads too slowly loses its oldest frames, learns how
many, and gets all processes and the last minutes again. Log records are matched against the filter of each subscriber on the thread
that brings them. They are sent ten times a second, `FRAME_RECORDS` per frame; what exceeds `BACKLOG_RECORDS` is counted.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from monitor.api_models.base import plain
from monitor.api_models.events import ProcessEvent
from monitor.api_models.jobs import JobNews
from monitor.api_models.processes import MemoryOutlook
from monitor.api_models.status import Subscription
from monitor.live.snapshot import LIVE_COLUMNS, LiveRow, Snapshot, born_row, live_rows

QUEUE_FRAMES: Final = 60
LOG_INTERVAL_S: Final = 0.1
FRAME_RECORDS: Final = 1_000
BACKLOG_RECORDS: Final = 10_000
"""Maximum number of records that wait for the next frames: two seconds of 5,000 lines/s, which arrive in batches."""
RECENT_S: Final = 5.0
"""How long a record is kept for new followers: longer than the time between reading and storing it."""
_encoder: Final = msgspec.json.Encoder(enc_hook=plain)


class RecordFilter(Protocol):
    """Decides whether a record goes to a subscriber (`logs.LogFilter`)."""

    def matches(self, record: Any, /) -> bool:
        """Whether the record matches."""
        ...


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as text; NaN becomes null."""
    return _encoder.encode(frame).decode()


class Subscriber:
    """A subscriber: its subscription, its queue of frames, and its waiting records."""

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
        """Change the subscription. A new wish for processes gets all of them, a new wish for status gets the status.

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
        """The number of frames that wait."""
        return len(self._frames)

    def put(self, frame: str) -> None:
        """Queue a frame; drops the oldest if the queue is full."""
        if len(self._frames) >= QUEUE_FRAMES:
            self._frames.popleft()
            self._lost += 1
            self.dropped_frames += 1
            self.needs_full = self.needs_history = True
        self._frames.append(frame)
        self._ready.set()

    async def next_frame(self) -> str:
        """The next frame; waits for one."""
        while not self._frames and not self._lost:
            self._ready.clear()
            await self._ready.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return encode({"t": "lost", "frames": lost})
        return self._frames.popleft()

    def offer(self, records: Sequence[Any]) -> bool:
        """Keep the matching records, from any thread. Returns whether any matches."""
        with self._lock:
            if self._filter is None:
                return False
            any_matches = False
            for record in records:
                if self._filter.matches(record):
                    any_matches = True
                    if len(self._records) == BACKLOG_RECORDS:
                        self._records_dropped += 1
                    self._records.append(record)
            return any_matches

    def take(self) -> tuple[list[Any], int]:
        """The waiting records, and the number of matching records that were dropped since the last call."""
        with self._lock:
            records, dropped = list(self._records), self._records_dropped
            self._records.clear()
            self._records_dropped = 0
        return records, dropped


class Hub:
    """All subscribers. Used on the event loop, except `publish_records`.

    Args:
        snapshot: the present state.
        record_rows: what makes a record a row of the API, by the fields whose values it has.
        status: returns the status as far as it is known now; quick. Calling it also requests a new one.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        record_rows: Callable[[Sequence[str]], Callable[[Any], Mapping[str, Any]]],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._snapshot, self._record_rows, self._status = snapshot, record_rows, status
        self._subscribers: set[Subscriber] = set()
        self._previous: dict[int, LiveRow] = {}
        self._outlook: MemoryOutlook | None = None
        self._full: tuple[int, str] | None = None
        self._newest: Mapping[str, Any] | None = None
        self._recent: deque[tuple[float, Any]] = deque(maxlen=BACKLOG_RECORDS)
        self._recent_lock = threading.Lock()
        self._dropped_before = 0
        self.records_dropped = 0

    @property
    def subscribers(self) -> int:
        """The number of subscribers."""
        return len(self._subscribers)

    @property
    def dropped(self) -> int:
        """Frames that slow subscribers lost since the agent started. From any thread."""
        return self._dropped_before + sum(s.dropped_frames for s in tuple(self._subscribers))

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber."""
        self._subscribers.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Remove a subscriber."""
        if subscriber in self._subscribers:
            self._subscribers.discard(subscriber)
            self._dropped_before += subscriber.dropped_frames

    def welcome(self, subscriber: Subscriber) -> None:
        """Send what a subscriber sees first: the newest reading, all processes, and the status as it is known now."""
        if subscriber.wants.host and subscriber.needs_tick and self._newest is not None:
            subscriber.needs_tick = False
            subscriber.put(encode(self._newest))
        if subscriber.wants.processes and self._snapshot.tick is not None and subscriber.needs_full:
            subscriber.needs_full = False
            subscriber.put(self._full_frame())
            self._previous = self._previous or live_rows(
                self._snapshot
            )  # so that the next tick sends only what changed
        if subscriber.wants.status and subscriber.needs_status:
            subscriber.needs_status = False
            subscriber.put(encode({"t": "status", **self._status()}))

    def follow(self, subscriber: Subscriber) -> None:
        """Start sending records: those of the last seconds, which may not be stored yet, and all new ones."""
        now = time.monotonic()
        with self._recent_lock:
            recent = [record for at, record in self._recent if now - at <= RECENT_S]
        subscriber.offer(recent)
        subscriber.put(encode({"t": "following", "logs": subscriber.wants.logs, "tag": subscriber.wants.logs_tag}))

    def publish_tick(self, frame: Mapping[str, Any]) -> None:
        """Send the reading of the machine, and the changes of the processes.

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
            self._previous = live_rows(self._snapshot)

    def publish_status(self, frame: Mapping[str, Any]) -> None:
        """Send the status."""
        text = encode({"t": "status", **frame})
        for subscriber in self._subscribers:
            if subscriber.wants.status:
                subscriber.put(text)

    def publish_events(self, events: Sequence[ProcessEvent]) -> None:
        """Send events of processes."""
        if any(subscriber.wants.events for subscriber in self._subscribers):
            text = encode({"t": "events", "events": events})
            for subscriber in self._subscribers:
                if subscriber.wants.events:
                    subscriber.put(text)

    def publish_jobs(self, news: JobNews) -> None:
        """Say that jobs began or ended. Pages then ask for what they show."""
        wanting = [subscriber for subscriber in self._subscribers if subscriber.wants.jobs]
        if wanting:
            text = encode({"t": "jobs", **news.model_dump()})
            for subscriber in wanting:
                subscriber.put(text)

    def retell(self) -> None:
        """Older history was added: every subscriber gets the history again with the next reading."""
        for subscriber in self._subscribers:
            subscriber.needs_history = True

    def publish_records(self, records: Sequence[Any]) -> int:
        """Offer new records to all subscribers, from any thread; returns how many of them want one."""
        now = time.monotonic()
        with self._recent_lock:
            self._recent.extend((now, record) for record in records)
            while self._recent and now - self._recent[0][0] > RECENT_S:
                self._recent.popleft()
        return sum(subscriber.offer(records) for subscriber in tuple(self._subscribers))

    async def send_records(self) -> None:
        """Send records ten times a second, for as long as the agent runs."""
        while True:
            await asyncio.sleep(LOG_INTERVAL_S)
            for subscriber in tuple(self._subscribers):
                records, dropped = subscriber.take()
                tag, row = subscriber.wants.logs_tag, self._record_rows(subscriber.wants.logs_columns)
                self.records_dropped += dropped
                for start in range(0, len(records) or (1 if dropped else 0), FRAME_RECORDS):
                    rows = list(map(row, records[start : start + FRAME_RECORDS]))
                    told = {"records": rows, "dropped": dropped if start == 0 else 0, "tag": tag}
                    subscriber.put(encode({"t": "logs", **told}))

    def _mend(self, subscriber: Subscriber) -> None:
        """Send the last minutes again to a subscriber that lost frames, so that its charts show no false gap."""
        if subscriber.needs_history and subscriber.waiting < QUEUE_FRAMES // 2:
            subscriber.needs_history = False
            subscriber.put(encode({"t": "history", **self._snapshot.history_since(subscriber.wants.history_s)}))

    def _full_frame(self) -> str:
        """All processes, encoded once per tick."""
        tick = self._snapshot.tick
        ts = tick.ts if tick else 0
        if self._full is None or self._full[0] != ts:
            born = [born_row(self._snapshot, info) for info in self._snapshot.runs.values()]
            rows = list(live_rows(self._snapshot).values())
            frame = {
                "t": "procs",
                "ts": ts,
                "full": True,
                "born": born,
                "gone": [],
                "cols": LIVE_COLUMNS,
                "rows": rows,
                "cpu": self._snapshot.cpu_curves(),
                "outlook": self._snapshot.outlook,
            }
            self._full = (ts, encode(frame))
        return self._full[1]

    def _delta_frame(self) -> str:
        """The changes since the previous tick."""
        tick = self._snapshot.tick
        now = live_rows(self._snapshot)
        before, self._previous = self._previous, now
        frame: dict[str, Any] = {
            "t": "procs",
            "ts": tick.ts if tick else 0,
            "full": False,
            "born": [born_row(self._snapshot, info) for info in self._snapshot.born],
            "gone": [str(run) for run in self._snapshot.gone],
            "cols": LIVE_COLUMNS,
            "rows": [row for run, row in now.items() if before.get(run) != row],
        }
        if self._snapshot.outlook != self._outlook:
            frame["outlook"] = self._outlook = self._snapshot.outlook
        return encode(frame)
