"""What the sampler says, on its way to the picture of the present, the store and the live subscribers."""

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from monitor.account import Hole, SampleAccount
from monitor.costs import OwnCost, ReportedCost
from monitor.earlier import EarlierLife
from monitor.events import watch_event
from monitor.live import Hub
from monitor.store import rows
from monitor.store.interface import Change, Store
from monitor.store.lives import Births
from monitor.wire import Hello, HostInfo, Message, Tick
from monitor.world import Moment, World
from monitor.writer import StoreWriter

log = logging.getLogger("watchkeeper.agent")


class Intake:
    """Takes the sampler's messages, on the event loop.

    Args:
        world: the present, kept up to date.
        account: the samples due and received.
        costs: what the agent and the sampler take.
        hub: the live subscribers.
        writer: the way into the store.
        on_loop: runs a function on the event loop, from another thread.
        greeted: told of each beginning of a sampler.
        now: microseconds since the epoch.
    """

    def __init__(
        self,
        *,
        world: World,
        account: SampleAccount,
        costs: tuple[OwnCost, ReportedCost],
        hub: Hub,
        writer: StoreWriter,
        on_loop: Callable[..., object],
        greeted: Callable[[Hello], None],
        now: Callable[[], int],
    ) -> None:
        self._world, self._account, self._hub, self._writer = world, account, hub, writer
        self._own, self._sampler = costs
        self._on_loop, self._greeted, self._now = on_loop, greeted, now
        self._births = Births()
        self._dropped_told = 0
        self._unheard = True
        """Whether no sweep has come since the sampler began."""

    def accept(self, message: Message) -> None:
        """One message."""
        if isinstance(message, Tick):
            if (info := self._world.host) is not None:
                self._accept_tick(info, message)
            return
        self._world.greet(message)
        self._unheard = True
        self._account.restarted()
        self._sampler.forget()
        host_info, now = message.host, self._now()
        self._writer.samples(lambda: rows.hello_changes(host_info, now), count=0)
        self._greeted(message)

    def _accept_tick(self, info: HostInfo, tick: Tick) -> None:
        hole = self._account.take(tick)
        self._world.accept(tick)
        self._sampler.report(tick.quality.cpu_s, tick.quality.rss, tick.mono_ns / 1e9)
        self._own.measure()
        if tick.clock_step_s:
            log.warning("the wall clock was set by %+.3f s", tick.clock_step_s)
        if losses := self._losses(info.host, tick, hole):
            self._writer.note(losses)
        cpu, rss = self._watch_cost()
        self._writer.samples(
            lambda: rows.tick_changes(
                info.host, info.boot_id, tick, watch_cpu_pct=cpu, watch_rss=rss, births=self._births
            )
        )
        if self._unheard:
            self._unheard = False
            self._look_back(info.host, tick, first=self._account.received == 1)
        self._hub.publish_tick(self._frame(tick))

    def _losses(self, host: str, tick: Tick, hole: Hole | None) -> list[Change]:
        """What was lost since the last tick, as events: samples that did not come, samples that found no room."""
        events: list[Change] = []
        if hole is not None:
            text = f"{hole.missed} samples were missed in {(hole.end - hole.start) / 1e6:.1f} s"
            log.warning("%s", text)
            details = {"from": hole.start, "to": hole.end, "missed": hole.missed}
            events.append(watch_event(host, tick.ts, "GAP", text, **details))
        if self._writer.dropped > self._dropped_told and self._writer.state == "ok":
            lost = self._writer.dropped - self._dropped_told
            self._dropped_told = self._writer.dropped
            events.append(watch_event(host, tick.ts, "LOST", f"{lost} samples found no room", samples=lost))
        return events

    def _look_back(self, host: str, tick: Tick, *, first: bool) -> None:
        """Close what an earlier sampler, or (`first`) an earlier agent, left open."""
        earlier = EarlierLife(host, first=tick.ts, first_mono_ns=tick.mono_ns, living=self._world.runs)

        def remember(moments: list[Moment]) -> None:
            self._world.recall(moments)
            self._hub.retell()

        def recall(moments: list[Moment]) -> None:
            self._on_loop(remember, moments)

        def look(store: Store) -> None:
            if first:
                earlier.recall(store, recall)
            ended = earlier.close(store, gap=first)
            if ended:
                log.info("%d runs ended while nobody kept watch", ended)

        self._writer.errand(look)

    def _frame(self, tick: Tick) -> dict[str, Any]:
        """The tick as subscribers see it."""
        expected = self._account.expected(time.monotonic_ns())
        received = self._account.received
        cpu, rss = self._watch_cost()
        return {
            "t": "tick",
            "seq": tick.seq,
            "ts": tick.ts,
            "host": msgspec.structs.replace(tick.host, disks=None, nics=None, space=None),
            "gpus": tick.gpu.gpus,
            "gpu_state": tick.gpu.state,
            "gpu_message": tick.gpu.message,
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
