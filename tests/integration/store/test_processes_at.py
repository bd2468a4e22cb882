"""All processes at a past moment: the sample of that second, what is said where there is none, and what coarser tiers still know."""

from collections.abc import Callable
from typing import Any

import pytest

from monitor.api.runs.at_moment import processes_at
from monitor.metrics import messages
from monitor.store.interface import Append, Store
from monitor.store.rows import hello_changes, tick_changes
from monitor.store.tiers import DAY, HOUR, MINUTE, SECOND
from tests.integration.store.conftest import START, Clock

HOST = messages.HostInfo("h", "boot", 0, "k", "p", 2, 1 << 30, 100)


def born(number: int, name: str, start: int) -> messages.RunInfo:
    """A process of root that began at `start` µs."""
    return messages.RunInfo(number, number, 0, 1, 0, "root", name, f"{name} --work", None, None, start, False)


@pytest.fixture(scope="module")
def filled(shared_store: Store, make_tick: Callable[..., messages.Tick]) -> Store:
    """What the tests read."""
    return with_samples(shared_store, make_tick)


def with_samples(store: Store, make_tick: Callable[..., messages.Tick]) -> Store:
    """100 samples of two processes, `busy` and `idle`; `busy` ends after 50 by signal 9. Samples 70 to 79 are missing."""
    store.write(hello_changes(HOST, START))
    for seq in range(100):
        if 70 <= seq < 80:
            continue
        alive = [1, 2] if seq < 50 else [2]
        more: dict[str, Any] = {}
        if seq == 0:
            more["born"] = [born(1, "busy", START - 7 * SECOND), born(2, "idle", START - 9 * SECOND)]
        if seq == 50:
            more |= {"gone": [1], "ends": [messages.RunEnd(1, START + 50 * SECOND, None, 9, "pidfd")]}
        if seq == 10:
            use = messages.GpuProcess(0, 1, 1, 777)
            more["gpu"] = messages.GpuState("ok", "", 0.0, [], [use, messages.GpuProcess(1, 1, 1, 3)])
        cpu = [float(seq), 0.0] if seq < 50 else [0.0]
        tick = make_tick(seq, runs=alive, cpu_pct=cpu, rss=[1000 + seq, 5][-len(alive) :], **more)
        store.write(tick_changes("h", "boot", tick))
    return store


def at(store: Store, seconds: float) -> Any:
    """The processes so many seconds after the first sample."""
    return processes_at(store, "h", START + int(seconds * SECOND), 1.0)


def test_the_second_that_was_asked_for_is_shown(filled: Store) -> None:
    """The newest sample at or before the moment, with readings of that second, GPU memory over all GPUs, and how each process ended later."""
    found = at(filled, 10.7)
    assert (found.ts, found.resolution, found.gap) == (START + 10 * SECOND, "sample", False)
    assert found.host.readings["cpu_pct"] == 12.5
    assert found.host.width_us == 0
    busy, idle = found.processes
    assert (busy.cpu_pct, busy.rss, busy.gpu_mem) == (10.0, 1010, 780)
    assert (busy.outcome, busy.end_ts) == ("killed by SIGKILL (signal 9)", START + 50 * SECOND)
    assert (busy.exit_code, busy.signal) == (None, 9)
    assert (idle.cpu_pct, idle.outcome, idle.end_ts, idle.gpu_mem) == (0.0, None, None, None)
    assert [one.pid for one in at(filled, 50).processes] == [2]


def test_the_minute_before_is_a_curve_and_a_mean(filled: Store) -> None:
    """The last value of the curve is the sample itself; seconds without use or without a sample are 0, those of later samples are not in it."""
    busy, idle = at(filled, 20).processes
    assert busy.spark == [0.0] * 39 + [float(n) for n in range(21)]
    assert busy.cpu_minute == pytest.approx(sum(range(21)) / 60, abs=0.05)
    assert (idle.spark, idle.cpu_minute) == ([], 0.0)


def test_a_hole_is_said_and_the_sample_next_to_it_is_shown(filled: Store) -> None:
    """In a gap the last sample before counts; before the first one, the first."""
    inside, before = at(filled, 75), at(filled, -5)
    assert (inside.ts, inside.gap) == (START + 69 * SECOND, True)
    assert (before.ts, before.gap) == (START, True)


def test_without_samples_their_minute_is_known(
    store: Store, make_tick: Callable[..., messages.Tick], clock: Clock, host_rows: Callable[..., Append]
) -> None:
    """After the raw rows have expired, the minutes have the machine's readings, and those of the processes that lived then."""
    clock.now = START + 9 * DAY
    filled = with_samples(store, make_tick)
    filled.write([host_rows({clock.now - 8 * HOUR: 1.0, clock.now: 1.0})])  # so that this time is known to be right
    filled.enforce_limit()
    found = at(filled, 30)
    assert (found.ts, found.resolution) == (START + 30 * SECOND - (START + 30 * SECOND) % MINUTE, "minute")
    assert (found.host.readings["cpu_pct"], found.host.width_us) == (12.5, 60 * SECOND)
    assert [(one.name, one.cpu_pct, one.rss, one.cpu_minute) for one in found.processes] == [
        ("busy", 19.5, 1020, 19.5),
        ("idle", 0.0, 5, 0.0),
    ]


def test_before_the_watch_nothing_is_invented(filled: Store) -> None:
    """What lived before the first sample is not known, although some of it was seen later; nor is another machine's."""
    found = processes_at(filled, "h", START - HOUR, 1.0)
    assert (found.resolution, found.processes, found.host, found.ts) == ("none", [], None, None)
    assert processes_at(filled, "other", START, 1.0).resolution == "none"
