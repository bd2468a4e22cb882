"""Passes the sampler's messages on: to the snapshot, the store and the live subscribers."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from monitor.core.this_process import ahead
from monitor.live.asked import Asked
from monitor.live.hub import Hub
from monitor.live.newcomers import Newcomers
from monitor.live.process_events import ProcessEvents
from monitor.live.recovery import Recovery, watch_event
from monitor.live.sample_counter import Hole, SampleCounter
from monitor.live.self_cost import OwnCost, ReportedCost
from monitor.live.snapshot import Moment, Snapshot
from monitor.live.unstored import UnstoredEnds, ended_in
from monitor.metrics.messages import ENDS_LOST, Hello, HostInfo, Lives, Message, Tick
from monitor.store import rows
from monitor.store.interface import Change, Store
from monitor.store.lives import Births, EarlyLives, life_changes, store_told, store_untold
from monitor.store.record_lanes import Samples
from monitor.store.writer import StoreWriter

log = logging.getLogger("watchkeeper.agent")


class Ingest:
    """Handles the sampler's messages, on the event loop.

    Args:
        snapshot: the present state, updated with each message.
        sample_counter: counts expected and received samples.
        costs: CPU and memory of the agent and of the sampler.
        hub: the live subscribers.
        writer: the queue of the store.
        events: finds events of processes in each sample.
        newcomers: knows processes before a sample tells of them.
        unstored: knows the newest ended runs, above all those that are not stored yet.
        asked: knows which ends somebody asked for.
        on_loop: runs a function on the event loop, from another thread.
        greeted: called at each start of a sampler.
        now: microseconds since the epoch.
        masked: a command as it is shown, its secrets hidden.
        sampled: called with each sample that the snapshot has accepted.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        sample_counter: SampleCounter,
        costs: tuple[OwnCost, ReportedCost],
        hub: Hub,
        writer: StoreWriter,
        events: ProcessEvents,
        newcomers: Newcomers,
        unstored: UnstoredEnds,
        asked: Asked,
        on_loop: Callable[..., object],
        greeted: Callable[[Hello], None],
        now: Callable[[], int],
        masked: Callable[[Sequence[str]], str],
        sampled: Callable[[Tick], None] = lambda _tick: None,
    ) -> None:
        self._snapshot, self._sample_counter, self._hub, self._writer = snapshot, sample_counter, hub, writer
        self._own, self._sampler = costs
        self._events, self._newcomers, self._unstored, self._asked = events, newcomers, unstored, asked
        self._on_loop, self._greeted, self._sampled, self._now = on_loop, greeted, sampled, now
        self._masked = masked
        self._births = Births()
        self._ended: tuple[EarlyLives, Samples] | None = None
        """What ended since the last sample, until the writer takes it."""
        self._dropped_told = self._lost_told = 0
        self._ends_lost: dict[str, int] = {}
        self._unheard = True
        """Whether no sample has arrived since the sampler started."""

    def accept(self, message: Message) -> None:
        """Handle one message. It is short, and whoever asks for what it tells waits for it."""
        if isinstance(message, Hello):
            self._greet(message)
        elif (info := self._snapshot.host) is not None:
            with ahead():
                if isinstance(message, Tick):
                    self._accept_tick(info, self._asked.marked(message))
                else:
                    self._accept_lives(info, self._asked.marked(message))

    def _greet(self, message: Hello) -> None:
        self._snapshot.greet(message)
        self._newcomers.greet(message)
        self._unheard = True
        self._sample_counter.restarted()
        self._sampler.forget()
        host_info, now = message.host, self._now()
        self._writer.samples(lambda: rows.hello_changes(host_info, now), count=0)
        self._greeted(message)

    def _accept_tick(self, info: HostInfo, tick: Tick) -> None:
        hole = self._sample_counter.take(tick)
        self._events.take(tick)
        self._newcomers.take(tick)
        over = ended_in(tick, self._snapshot.runs)
        self._snapshot.accept(tick)
        self._ended = None
        self._sampler.report(tick.quality.cpu_s, tick.quality.rss, tick.mono_ns / 1e9)
        self._own.measure()
        if tick.clock_step_s:
            log.warning("the wall clock was set by %+.3f s", tick.clock_step_s)
        if losses := self._losses(info.host, tick, hole):
            self._writer.note(losses)
        cpu, rss = self._watch_cost()
        self._writer.samples(lambda: rows.reading_changes(info.host, tick, watch_cpu_pct=cpu, watch_rss=rss))
        if tick.born or tick.gone or tick.brief or tick.clock_step_s:
            item = self._writer.samples(
                lambda: life_changes(info.host, info.boot_id, tick, self._births),
                count=0,
                lives="over" if tick.gone or tick.brief else "begun",
            )
            self._unstored.add(over, item)
        if untold := self._newcomers.untold(tick.ts):
            self._unstored.others_until(tick.ts)
            self._writer.maintenance(lambda store: store_untold(store, info.host, info.boot_id, tick.ts, untold))
        if told := self._newcomers.told():
            self._unstored.others_until(tick.ts)
            self._writer.maintenance(lambda store: store_told(store, info, told, self._masked), kept=True)
        if self._unheard:
            self._unheard = False
            self._unstored.others_until(tick.ts)
            self._look_back(info.host, tick, first=self._sample_counter.received == 1)
        self._hub.publish_tick(self._frame(tick))
        self._sampled(tick)

    def _accept_lives(self, info: HostInfo, lives: Lives) -> None:
        self._events.take_early(lives)
        self._newcomers.take(lives)
        over = ended_in(lives, self._snapshot.runs)
        self._snapshot.accept_early(lives)
        if self._ended is None or not self._ended[0].add(lives):
            ended = EarlyLives(lives)
            item = self._writer.samples(
                lambda: life_changes(info.host, info.boot_id, ended.whole(), self._births), count=0, lives="over"
            )
            self._ended = ended, item
        self._unstored.add(over, self._ended[1])

    def _losses(self, host: str, tick: Tick, hole: Hole | None) -> list[Change]:
        """Losses since the last tick, as events: samples that did not arrive, samples and ends of processes that could not be stored, and ends that were not heard."""
        events: list[Change] = []
        if hole is not None:
            text = f"{hole.missed} samples were missed in {(hole.end - hole.start) / 1e6:.1f} s"
            log.warning("%s", text)
            details = {"from": hole.start, "to": hole.end, "missed": hole.missed}
            events.append(watch_event(host, tick.ts, "GAP", text, **details))
        if self._writer.dropped > self._dropped_told and self._writer.state == "ok":
            lost = self._writer.dropped - self._dropped_told
            self._dropped_told = self._writer.dropped
            events.append(watch_event(host, tick.ts, "LOST", f"{lost} samples could not be stored", samples=lost))
        if (ends := self._unstored.lost - self._lost_told) and self._writer.state == "ok":
            self._lost_told += ends
            text = f"ends of processes that could not be stored: {ends}"
            events.append(watch_event(host, tick.ts, "LOST", text, ends=ends))
        for name, words in ENDS_LOST.items():
            now = tick.quality.errors.get(name, 0)
            before, self._ends_lost[name] = self._ends_lost.get(name, 0), now
            if lost := now - before if now >= before else now:  # a new sampler counts anew
                events.append(watch_event(host, tick.ts, "LOST", f"{words}: {lost:,}", reason=name))
        return events

    def _look_back(self, host: str, tick: Tick, *, first: bool) -> None:
        """Complete what an earlier sampler or, if `first`, an earlier agent left open."""
        recovery = Recovery(host, first=tick.ts, first_mono_ns=tick.mono_ns, living=self._snapshot.runs)

        def remember(moments: list[Moment]) -> None:
            self._snapshot.recall(moments)
            self._hub.retell()

        def recall(moments: list[Moment]) -> None:
            self._on_loop(remember, moments)

        def look(store: Store) -> None:
            if first:
                recovery.recall(store, recall)
                self._on_loop(self._snapshot.recall_memory, recovery.recall_memory(store))
                self._on_loop(self._events.failures.take, recovery.recall_failures(store))
            ended = recovery.close(store, gap=first)
            if ended:
                log.info("%d runs ended while the agent was not running", ended)

        self._writer.maintenance(look)

    def _frame(self, tick: Tick) -> dict[str, Any]:
        """The tick for subscribers."""
        expected = self._sample_counter.expected(time.monotonic_ns())
        received = self._sample_counter.received
        cpu, rss = self._watch_cost()
        return {
            "t": "tick",
            "seq": tick.seq,
            "ts": tick.ts,
            "host": dataclasses.replace(tick.host, disks=None, nics=None, space=None),
            "gpus": tick.gpu.gpus,
            "gpu_state": tick.gpu.state,
            "gpu_message": tick.gpu.message,
            "gpu_fresh": tick.gpu.fresh,
            "samples": {
                "expected": expected,
                "received": received,
                "missed": max(0, expected - received),
                "lag_ms": tick.quality.lag_ms,
            },
            "watch": {"cpu_pct": cpu, "rss": rss},
        }

    def _watch_cost(self) -> tuple[float | None, int]:
        """CPU percent of one core and memory of agent and sampler together."""
        cpu = [c for c in (self._own.cpu_pct, self._sampler.cpu_pct) if c is not None]
        return round(sum(cpu), 2) if cpu else None, (self._own.rss or 0) + (self._sampler.rss or 0)
