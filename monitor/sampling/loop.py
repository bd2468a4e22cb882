"""The sampling loop: one sweep per second on absolute deadlines, sent as `Tick`s."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from monitor.lifecycle.exits import decode
from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import PROTOCOL, GpuProcess, GpuState, Hello, Lives, Quality, RunEnd, Tick, encode
from monitor.sampling.core.reader import Ending, Reader, Sweep
from monitor.sampling.outlet import Outlet

STEP_S: Final = 0.05
"""If the wall clock moves this far against the others, it was set. Less is slewing by a time service."""
GATHER_NS: Final = 20_000_000
"""How long the first end of a process waits for others. Most parents ask for a child within this time."""
SPARED_NS: Final = 5_000_000
"""So long before a sweep nothing else begins: the sweep is to be in time, and tells of ends itself."""
LEAST_SHARE: Final = 10
"""Between two looks at ends lies at least this many times as long as the last one took, so that a storm of short lives costs a tenth of
a core at most, and no sweep."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on three clocks, nanoseconds. `mono` stops while the machine sleeps, `boot` does not, `wall` can be set."""

    mono_ns: int
    boot_ns: int
    wall_ns: int


class Clock:
    """The machine's own clocks."""

    def now(self) -> Instant:
        """The present moment."""
        mono = time.monotonic_ns()
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else mono
        return Instant(mono, boot, time.time_ns())

    def cpu_s(self) -> float:
        """CPU time of this process so far, seconds."""
        return time.process_time()


class GpuSource(Protocol):
    """The newest state of the GPUs. Never blocks."""

    def latest(self) -> GpuState:
        """The newest state; processes without their runs."""
        ...


class Waiter(Protocol):
    """Waits for the next deadline or for the end."""

    def wait(self, timeout_s: float) -> bool:
        """True if the sampler should stop, False at the deadline or after a `nudge`."""
        ...

    def nudge(self) -> None:
        """End the wait, from any thread."""
        ...


class Sampler:
    """Sweeps at `start + n * interval`, for ever.

    A sweep that begins late takes the number of the last second that is due; the seconds it slept through are
    missing from `seq`, and no value is made up for them. While the agent does not read, sweeps are left out the same way,
    so that births and ends are never lost: the next sweep finds them. Ends of processes do not wait for a sweep.

    Args:
        reader: reads the machine.
        gpus: knows the GPUs.
        outlet: takes the frames.
        interval_s: seconds between deadlines.
        rss: this process's resident memory, bytes.
        clock: the clocks.
    """

    def __init__(
        self,
        reader: Reader,
        gpus: GpuSource,
        outlet: Outlet,
        *,
        interval_s: float,
        rss: Callable[[], int],
        clock: Clock,
        pid: int,
    ) -> None:
        self._reader = reader
        self._gpus = gpus
        self._outlet = outlet
        self._interval_ns: Final = int(interval_s * 1e9)
        self._rss = rss
        self._clock = clock
        self._hello = Hello(PROTOCOL, pid, interval_s, reader.name, reader.info, reader.exits, reader.usage)
        self._errors: Counter[str] = Counter()
        self._taken = 0
        self._last: Instant | None = None
        self._swept_ns: int | None = None
        self._ended = False
        self._look_ns: int | None = None
        """When to look at ends: some came, or are about to be gone."""
        self._rest_ns = 0

    def run(self, waiter: Waiter) -> None:
        """Send `Hello`, then ticks, until the waiter says to stop."""
        self._outlet.send(encode(self._hello))
        start_ns = self._clock.now().mono_ns
        seq = 0

        def ended() -> None:
            self._ended = True
            waiter.nudge()

        self._reader.listen(ended)  # not before the first sweep, which is due now, is anything told
        while True:
            due_ns = start_ns + seq * self._interval_ns
            look_ns = self._look_ns
            until_ns = due_ns if look_ns is None or look_ns > due_ns - SPARED_NS else look_ns
            if waiter.wait((until_ns - self._clock.now().mono_ns) / 1e9):
                return
            now = self._clock.now()
            self._note_ends(now)
            if now.mono_ns < due_ns:
                if self._look_ns is not None and self._look_ns <= now.mono_ns < due_ns - SPARED_NS:
                    self._tell_ends(now)
                continue
            seq = max(seq, (now.mono_ns - start_ns) // self._interval_ns)
            if self._outlet.full:
                self._errors["agent_slow"] += 1
            else:
                self._tick(seq, start_ns + seq * self._interval_ns, now)
            seq += 1

    def _note_ends(self, now: Instant) -> None:
        """If a process has ended, look at it soon."""
        if self._ended:
            self._ended = False
            self._look_ns = self._look_ns or max(now.mono_ns + GATHER_NS, self._rest_ns)

    def _give_way(self) -> None:
        """In the middle of a sweep: tell of ends if that is due. In a storm of short lives a sweep takes longer than who asks for them should wait."""
        if self._ended or self._look_ns is not None:
            now = self._clock.now()
            self._note_ends(now)
            if self._look_ns is not None and self._look_ns <= now.mono_ns:
                self._tell_ends(now)

    def _tell_ends(self, now: Instant) -> None:
        """Send what ended since the last sweep. Until it is looked again there is a rest."""
        self._look_ns = None
        if self._outlet.full:  # the sweep tells
            return
        soon = self._reader.ended()
        took_ns = self._clock.now().mono_ns - now.mono_ns
        self._rest_ns = now.mono_ns + max(GATHER_NS, LEAST_SHARE * took_ns)
        if soon is None:
            return
        if soon.more:
            self._look_ns = max(now.mono_ns + 2 * GATHER_NS, self._rest_ns)
        if soon.born or soon.gone or soon.brief:
            ends = [_end(ending, now) for ending in soon.ends]
            self._outlet.send(encode(Lives(now.wall_ns // 1000, soon.born, soon.gone, soon.brief, ends)))

    def _tick(self, seq: int, due_ns: int, now: Instant) -> None:
        """One sweep. The host comes first: it is quick, and the cost of reading processes must not affect it."""
        host = self._reader.read_host(now.mono_ns)
        sweep = self._reader.sweep(now.mono_ns, self._give_way)
        swept_ns = self._clock.now().mono_ns
        self._taken += 1
        elapsed_ns = None if self._swept_ns is None else now.mono_ns - self._swept_ns
        self._swept_ns = now.mono_ns
        quality = Quality(
            expected=seq + 1,
            taken=self._taken,
            lag_ms=(now.mono_ns - due_ns) / 1e6,
            sweep_ms=(swept_ns - now.mono_ns) / 1e6,
            cpu_s=self._clock.cpu_s(),
            rss=self._rss(),
            errors=dict(self._errors + self._reader.errors),
        )
        tick = Tick(
            seq=seq,
            ts=now.wall_ns // 1000,
            mono_ns=now.mono_ns,
            host=_with_processes(host, sweep, elapsed_ns, self._reader.info.cpu_count),
            runs=sweep.columns,
            born=sweep.born,
            gone=sweep.gone,
            gpu=_with_runs(self._gpus.latest(), sweep),
            quality=quality,
            clock_step_s=self._step(now),
            brief=sweep.brief,
            ends=[_end(ending, now) for ending in sweep.ends],
        )
        self._outlet.send(encode(tick))

    def _step(self, now: Instant) -> float:
        """How far the wall clock was set since the last tick. Sleep of the machine does not count, because `boot_ns` includes it."""
        last, self._last = self._last, now
        if last is None:
            return 0.0
        moved = ((now.wall_ns - last.wall_ns) - (now.boot_ns - last.boot_ns)) / 1e9
        return moved if abs(moved) >= STEP_S else 0.0


def _with_processes(host: HostReading, sweep: Sweep, elapsed_ns: int | None, cpus: int) -> HostReading:
    """With the number of processes, and the CPU of those that lived between two sweeps."""
    short = sweep.short_cpu_s
    share = None if short is None or not elapsed_ns else min(100e9 * short / (elapsed_ns * cpus), 100.0)
    return dataclasses.replace(host, procs_total=sweep.count, cpu_short=share)


def _end(ending: Ending, now: Instant) -> RunEnd:
    """With the time of the wall clock; that of the sweep if nobody told a better one."""
    ago_ns = 0 if ending.mono_ns is None else now.mono_ns - ending.mono_ns  # below 0: it ended during the sweep
    ts = (now.wall_ns - ago_ns) // 1000
    return RunEnd(
        ending.run,
        ts,
        *decode(ending.status),
        ending.source,
        ending.out_of_memory,
        ending.memory_group,
        ending.memory_limit,
        ending.cpu_s,
        ending.peak_rss,
        ending.read_bytes,
        ending.write_bytes,
        ending.cpu_limit_s,
        ending.parent,
    )


def _with_runs(state: GpuState, sweep: Sweep) -> GpuState:
    """The processes on the GPU, each with its run."""
    if not state.processes:
        return state
    return msgspec.structs.replace(
        state,
        processes=[
            GpuProcess(item.gpu, item.pid, sweep.by_pid.get(item.pid), item.mem_bytes) for item in state.processes
        ],
    )
