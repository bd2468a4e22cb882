"""What a model is given about a spike: readings against the time before, the processes that used most, the records; from a real store."""

from collections.abc import Callable

import pytest

from monitor.api.ai.readings import spike
from monitor.metrics import catalogue, messages
from monitor.store.interface import Store
from monitor.store.lives import Births
from monitor.store.rows import tick_changes
from tests.integration.store.conftest import START

SECOND = 1_000_000
Make = Callable[..., messages.Tick]


def _run(run: int, pid: int, name: str, at: int = -900) -> messages.RunInfo:
    return messages.RunInfo(run, pid, 70, 1, 0, "root", name, f"{name} --all", None, "/", START + at * SECOND, False)


@pytest.fixture(scope="module")
def watched(shared_store: Store, make_tick: Make) -> Store:
    """Ten quiet minutes, then one in which `train`, born then, takes a core and writes, beside `idle` that does nothing."""
    births, changes = Births(), []
    for seq in range(1, 661):
        busy = max(0, seq - 600)
        runs = [1, 2] if busy else [1]
        born = [_run(1, 11, "idle")] if seq == 1 else [_run(2, 22, "train", 601)] if busy == 1 else []
        host = catalogue.HostReading(
            cpu_pct=95.0 if busy else 5.0, mem_used=2 << 30, disk_write_bps=50e6 if busy else 0.0
        )
        more = {"cpu_user_s": [1.0, busy * 0.98][: len(runs)], "write_bytes": [0, busy * 50_000_000][: len(runs)]}
        changes += tick_changes("h", "b", make_tick(seq, runs=runs, born=born, host=host, **more), births=births)
    end = messages.RunEnd(2, START + 660 * SECOND + 1, None, 15, "pidfd", asked="stopped by Ada")
    changes += tick_changes("h", "b", make_tick(661, runs=[1], gone=[2], ends=[end]), births=births)
    shared_store.write(changes)
    return shared_store


def test_readings_are_compared_with_the_time_before(watched: Store) -> None:
    """What changed is told with both figures, the most changed last; what did not change is left out, except memory."""
    found = spike(watched, host="h", start=START + 601 * SECOND, end=START + 661 * SECOND)
    told = {item.id: item.text for item in found.items if item.kind == "reading"}
    assert "95 % on average, at most 95 %; 5 % on average in the time before" in told["reading:cpu_pct"]
    assert "50.0 MB/s" in told["reading:disk_write_bps"]
    assert "reading:mem_used" in told
    assert "reading:load1" not in told
    assert found.items[-1].id == "reading:cpu_pct"
    assert found.span == (START + 601 * SECOND, START + 661 * SECOND)
    assert found.question


def test_the_processes_are_those_that_used_most(watched: Store) -> None:
    """By seconds of CPU, not by the last reading; with what they wrote, that they began then and how they ended; the idle one is not told."""
    found = spike(watched, host="h", start=START + 601 * SECOND, end=START + 661 * SECOND)
    (train,) = [item for item in found.items if item.kind == "process"]
    assert train.id == "run:2"
    assert "process train (pid 22) used 57.8 s of CPU, 96 % of one core" in train.text
    assert "began in this time" in train.text
    assert "wrote 2.7 GiB" in train.text
    assert "ended in this time: killed by SIGTERM (signal 15), stopped by Ada" in train.text


def test_a_hole_in_the_readings_is_told(watched: Store) -> None:
    """Time without samples is a finding, and no reading is made up for it."""
    found = spike(watched, host="h", start=START + 560 * SECOND, end=START + 760 * SECOND)
    ids = [item.id for item in found.items]
    assert "reading:cpu_pct" in ids
    nothing = spike(watched, host="h", start=START + 5000 * SECOND, end=START + 5060 * SECOND)
    assert [item.id for item in nothing.items] in ([], ["reading:gap"])
    assert nothing.matched == 0
