"""The sampling loop on a clock that the test turns, with a reader that records when it was asked."""

import io
from array import array
from collections import Counter
from typing import Any

import pytest

from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import GpuProcess, GpuState, Hello, HostInfo, Lives, Tick, read_messages
from monitor.sampling.core.columns import Columns
from monitor.sampling.core.reader import Ending, Soon, Sweep
from monitor.sampling.loop import Instant, Sampler

SECOND = 10**9
INFO = HostInfo("h", "b", 0, "k", "p", 1, 1, 100)


class TurnedClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.mono = 7 * SECOND
        self.boot = 9 * SECOND
        self.wall = 1_000_000 * SECOND

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        for name in ("mono", "boot", "wall"):
            setattr(self, name, getattr(self, name) + int(seconds * SECOND))

    def now(self) -> Instant:
        """This moment."""
        return Instant(self.mono, self.boot, self.wall)

    def cpu_s(self) -> float:
        """A quarter of a second, always."""
        return 0.25


class OneProcess:
    """A reader of one process, whose sweeps may take long."""

    name = "procfs"
    exits = "connector"
    usage = "taskstats"
    info = INFO

    def __init__(self, clock: TurnedClock) -> None:
        self.errors: Counter[str] = Counter(vanished=2)
        self.slow: dict[int, float] = {}
        self.during: dict[int, list[float]] = {}
        """By sweep: after how long it gives way, s."""
        self.ends: list[Ending] = []
        self.soon: list[Soon] = []
        self.say: Any = None
        self._clock = clock
        self._sweeps = 0

    def read_host(self, mono_ns: int) -> HostReading:
        """Half busy."""
        assert mono_ns > 0
        return HostReading(cpu_pct=50.0)

    def sweep(self, mono_ns: int, give_way: Any, /) -> Sweep:
        """One process; time passes meanwhile."""
        assert mono_ns > 0
        for seconds in self.during.get(self._sweeps, ()):
            self._clock.turn(seconds)
            give_way()
        self._clock.turn(self.slow.get(self._sweeps, 0.001))
        self._sweeps += 1
        columns = Columns()
        columns.append()
        columns.arrays["run"][0] = 77
        return Sweep(columns.pack(), 1, [], [], {4242: 77}, ends=self.ends)

    def listen(self, on_end: Any) -> None:
        """Keep whom to tell."""
        self.say = on_end

    def ended(self) -> Soon:
        """The next that is to be told; it takes 3 ms."""
        self._clock.turn(0.003)
        return self.soon.pop(0) if self.soon else Soon([], [], [], [], more=False)

    def close(self) -> None:
        """Nothing is held."""


class Memory:
    """An outlet into memory."""

    def __init__(self) -> None:
        self.full = False
        self.data = b""

    def send(self, frame: bytes) -> None:
        """Keep the frame."""
        self.data += frame

    def messages(self) -> list[Hello | Tick | Lives]:
        """All that was sent."""
        return list(read_messages(io.BytesIO(self.data)))


class Script:
    """A waiter that turns the clock instead of waiting, runs a step before each deadline, and ends after `count`."""

    def __init__(self, clock: TurnedClock, count: int, steps: Any) -> None:
        self._clock, self._left, self._steps, self._waits = clock, count, steps, 0

    def wait(self, timeout_s: float) -> bool:
        """Turn the clock to the deadline."""
        if self._left == 0:
            return True
        self._left -= 1
        self._clock.turn(max(timeout_s, 0.0))
        self._steps.get(self._waits, lambda: None)()
        self._waits += 1
        return False

    def nudge(self) -> None:
        """The step that says so runs before the wait ends."""


class Gpus:
    """A GPU that process 4242 uses."""

    def latest(self) -> GpuState:
        """The state, without runs."""
        return GpuState("ok", "", 0.0, [], [GpuProcess(0, 4242, None, 5), GpuProcess(0, 1, None, 6)])


@pytest.fixture
def run() -> Any:
    """Run the loop for some deadlines and give its ticks."""

    def go(count: int, *, steps: Any = None, slow: Any = None, ends: Any = ()) -> list[Tick]:
        clock, outlet = TurnedClock(), Memory()
        reader = OneProcess(clock)
        reader.slow = slow or {}
        reader.ends = list(ends)
        named = {key: (lambda act=act: act(clock, outlet)) for key, act in (steps or {}).items()}
        sampler = Sampler(reader, Gpus(), outlet, interval_s=1.0, rss=lambda: 5, clock=clock, pid=3)
        sampler.run(Script(clock, count, named))
        hello, *ticks = outlet.messages()
        assert isinstance(hello, Hello)
        assert (hello.pid, hello.reader, hello.interval_s, hello.exits) == (3, "procfs", 1.0, "connector")
        return ticks

    return go


def test_deadlines_are_absolute(run: Any) -> None:
    """However long each sweep takes, the hundredth begins a hundred seconds after the first."""
    ticks = run(100, slow=dict.fromkeys(range(100), 0.3))
    assert [tick.seq for tick in ticks] == list(range(100))
    assert {tick.mono_ns - ticks[0].mono_ns - tick.seq * SECOND for tick in ticks} == {0}
    assert ticks[-1].quality.expected == ticks[-1].quality.taken == 100


def test_a_late_sweep_leaves_a_hole(run: Any) -> None:
    """Seconds that were slept through are missing from `seq` and from `taken`, and later ticks are on time again."""
    ticks = run(4, slow={1: 3.5})
    assert [tick.seq for tick in ticks] == [0, 1, 4, 5]
    assert ticks[2].quality.lag_ms == pytest.approx(500)
    assert ticks[3].quality.lag_ms == pytest.approx(0)
    assert (ticks[3].quality.expected, ticks[3].quality.taken) == (6, 4)


def test_an_agent_that_does_not_read_costs_ticks_not_births(run: Any) -> None:
    """While the outlet is full no sweep is made; the hole is counted, and the next sweep finds what happened."""
    ticks = run(
        6,
        steps={
            2: lambda _, outlet: setattr(outlet, "full", True),
            4: lambda _, outlet: setattr(outlet, "full", False),
        },
    )
    assert [tick.seq for tick in ticks] == [0, 1, 4, 5]
    assert ticks[-1].quality.errors == {"agent_slow": 2, "vanished": 2}


def test_a_wall_clock_that_is_set_is_told(run: Any) -> None:
    """A step of the wall clock is told once, either way; deadlines do not move."""
    ticks = run(
        5,
        steps={
            1: lambda clock, _: setattr(clock, "wall", clock.wall - 3600 * SECOND),
            3: lambda clock, _: setattr(clock, "wall", clock.wall + 10 * SECOND),
        },
    )
    assert [round(tick.clock_step_s, 3) for tick in ticks] == [0, -3600, 0, 10, 0]
    assert [tick.seq for tick in ticks] == [0, 1, 2, 3, 4]


def test_slewing_and_sleeping_are_no_steps(run: Any) -> None:
    """A time service that nudges the clock, and a machine that slept, set nothing."""

    def nap(clock: TurnedClock, _: Memory) -> None:
        clock.boot += 100 * SECOND
        clock.wall += 100 * SECOND

    ticks = run(4, steps={1: nap, 2: lambda clock, _: setattr(clock, "wall", clock.wall + SECOND // 1000)})
    assert [tick.clock_step_s for tick in ticks] == [0, 0, 0, 0]


def test_ticks_carry_counts_runs_and_quality(run: Any) -> None:
    """The host's count of processes, the runs of GPU processes and the watch's own cost are filled in."""
    [tick] = run(1)
    assert tick.host.procs_total == 1
    assert [(item.pid, item.run) for item in tick.gpu.processes] == [(4242, 77), (1, None)]
    assert (tick.quality.cpu_s, tick.quality.rss) == (0.25, 5)
    assert tick.quality.sweep_ms == pytest.approx(1.0)
    assert tick.ts == 1_000_000 * 1_000_000
    assert array("q", tick.runs.run).tolist() == [77]


def test_ends_have_the_time_of_the_wall_clock(run: Any) -> None:
    """An end that somebody saw is told at its own time, also if that was during the sweep, another at that of the sweep; a code is a code or a signal."""
    begin = TurnedClock().now()
    seen = Ending(1, begin.mono_ns - SECOND // 2, 3 << 8, "connector")
    later = Ending(4, begin.mono_ns + SECOND // 2, 0, "connector")
    oom = Ending(3, None, 9, "connector", out_of_memory=True)
    [tick] = run(1, ends=[seen, Ending(2, None, None, "poll"), oom, later])
    assert [(end.run, tick.ts - end.ts, end.exit_code, end.exit_signal, end.out_of_memory) for end in tick.ends] == [
        (1, 500_000, 3, None, False),
        (2, 0, None, None, False),
        (3, 0, None, 9, True),
        (4, -500_000, 0, None, False),
    ]


class Nudged:
    """A waiter on a turned clock that processes end under: at these times (s), the reader says so."""

    def __init__(self, clock: TurnedClock, reader: OneProcess, ends: list[float], until_s: float) -> None:
        self._clock, self._reader, self._ends, self._begin = clock, reader, ends, clock.mono
        self._until = self._begin + int(until_s * SECOND)

    def nudge(self) -> None:
        """The wait ends anyway."""

    def wait(self, timeout_s: float) -> bool:
        """Until the deadline, or the next end."""
        due = self._clock.mono + int(max(timeout_s, 0.0) * SECOND)
        said = self._begin + int(self._ends[0] * SECOND) if self._ends else self._until
        self._clock.turn((min(due, max(said, self._clock.mono)) - self._clock.mono) / SECOND)
        if self._ends and said <= due:
            self._ends.pop(0)
            self._reader.say()
        return self._clock.mono >= self._until


def test_ends_do_not_wait_for_the_next_sweep() -> None:
    """They are told together, 20 ms after the first; a storm is looked at for a tenth of the time; what is about to be gone is asked for again."""
    clock, outlet = TurnedClock(), Memory()
    reader = OneProcess(clock)
    over = Soon([], [77], [], [Ending(77, clock.mono + SECOND // 2, 0, "connector")], more=True)
    reader.soon = [over, Soon([], [78], [], [], more=False), Soon([], [79], [], [], more=False)]
    sampler = Sampler(reader, Gpus(), outlet, interval_s=1.0, rss=lambda: 5, clock=clock, pid=3)
    sampler.run(Nudged(clock, reader, [0.5, 0.505, 0.6, 0.61, 0.997], 2.5))
    _, *sent = outlet.messages()
    at = [(type(one).__name__, round((one.ts - 1_000_000 * 1_000_000) / 1000)) for one in sent]
    assert at == [("Tick", 0), ("Lives", 520), ("Lives", 560), ("Lives", 620), ("Tick", 1000), ("Tick", 2000)]
    lives = [one for one in sent if isinstance(one, Lives)]
    assert [one.gone for one in lives] == [[77], [78], [79]]
    assert [end.ts for end in lives[0].ends] == [1_000_000 * 1_000_000 + 500_000]


def test_a_sweep_gives_way_to_ends() -> None:
    """What waits when a sweep begins, and what ends during a long one, is told in the middle of it; as much of the time goes to that as between sweeps."""
    clock, outlet = TurnedClock(), Memory()
    reader = OneProcess(clock)
    reader.soon = [Soon([], [run], [], [], more=False) for run in range(77, 80)]
    reader.during = {1: [0.005, 0.010, 0.010, 0.010, 0.030]}
    sampler = Sampler(reader, Gpus(), outlet, interval_s=1.0, rss=lambda: 5, clock=clock, pid=3)
    waiter = Nudged(clock, reader, [0.979], 1.5)
    sampler.run(waiter)
    _, *sent = outlet.messages()
    at = [(type(one).__name__, round((one.ts - 1_000_000 * 1_000_000) / 1000)) for one in sent]
    assert at == [("Tick", 0), ("Lives", 1005), ("Tick", 1000)]
    assert [one.gone for one in sent if isinstance(one, Lives)] == [[77]]


def test_a_sweep_that_nobody_waits_for_is_not_held_up() -> None:
    """Without an end nothing is asked while it goes on."""
    clock, outlet = TurnedClock(), Memory()
    reader = OneProcess(clock)
    reader.soon = [Soon([], [77], [], [], more=False)]
    reader.during = {0: [0.1] * 5, 1: [0.1] * 5}
    sampler = Sampler(reader, Gpus(), outlet, interval_s=1.0, rss=lambda: 5, clock=clock, pid=3)
    sampler.run(Nudged(clock, reader, [], 1.8))
    assert [type(one).__name__ for one in outlet.messages()] == ["Hello", "Tick", "Tick"]
    assert len(reader.soon) == 1
