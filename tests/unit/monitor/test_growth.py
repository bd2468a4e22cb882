"""How memory grows: the leak is found among jumps, saws and noise, and what is not known yet is not told."""

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from monitor.core.cgroups import memory_room
from monitor.live.growth import STEP_S, Growth, Reading
from monitor.live.outlook import about, memory_outlook
from monitor.live.snapshot import Snapshot, process_rows
from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import RunInfo
from tests.doubles.ticks import tick

MIB = 1 << 20
MB = 1_000_000
Shape = Callable[[int], int]
NOISE = random.Random(7)


def watched(shapes: Mapping[int, Shape], seconds: int, *, first: int = 0) -> Growth:
    """The growth after `seconds` of samples; `shapes`: run → its memory at each second."""
    growth = Growth()
    for second in range(first, seconds + 1, 5):
        growth.take(tick(second, rss={run: shape(second) for run, shape in shapes.items()}))
    return growth


def described(run: int) -> RunInfo:
    """A process of this run."""
    return RunInfo(
        run, 4000 + run, 1, 1, 1000, "ada", "worker", f"worker --id {run}", None, None, 0, kernel_thread=False
    )


def test_a_steady_leak_is_found_to_the_percent() -> None:
    """Over ten minutes and over an hour, with noise of a tenth of what it grows by."""
    growth = watched({1: lambda s: 100 * MIB + s * 2 * MIB // 60 + NOISE.randrange(2 * MIB)}, 3600)
    short, long = growth.of(1)
    assert short == pytest.approx(2 * MIB, rel=0.15)
    assert long == pytest.approx(2 * MIB, rel=0.03)
    assert growth.steady()[1].window_s == 600


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda _: 100 * MIB, id="nothing"),
        pytest.param(lambda s: 100 * MIB + s % 150 * MIB, id="a garbage collector"),
        pytest.param(lambda _: 100 * MIB + NOISE.randrange(20 * MIB), id="noise"),
        pytest.param(lambda s: 600 * MIB if s > 3550 else 100 * MIB, id="a jump just now"),
        pytest.param(lambda s: 600 * MIB if 3300 < s < 3360 else 100 * MIB, id="a burst"),
        pytest.param(lambda s: 600 * MIB if s > 60 else s * 10 * MIB, id="a start"),
    ],
)
def test_what_is_no_leak_has_no_growth(shape: Shape) -> None:
    """Two points would tell of growth in each of these."""
    growth = watched({1: shape}, 3600)
    assert growth.of(1) == (0, 0)
    assert growth.steady() == {}


def test_what_shrinks_has_negative_growth() -> None:
    """Memory that is given back."""
    assert watched({1: lambda s: (7200 - s) * MIB}, 3600).of(1) == pytest.approx((-60 * MIB, -60 * MIB), rel=0.01)


def test_a_single_jump_is_growth_and_not_steady() -> None:
    """It is told in the column, and nothing is foretold from it."""
    growth = watched({1: lambda s: 600 * MIB if s > 3300 else 100 * MIB}, 3600)
    assert (growth.of(1)[0] or 0) > 0
    assert growth.steady() == {}


@pytest.mark.parametrize("seconds", [300, 420, 600])
def test_what_fills_its_caches_comes_to_rest(seconds: int) -> None:
    """It rises at every reading, but by less and less: a column, and no date at which memory would be full."""
    growth = watched({1: lambda s: int(600 * MIB * (1 - math.exp(-s / 60)))}, seconds)
    assert (growth.of(1)[0] or 0) > 0
    assert growth.steady() == {}


def test_a_young_process_is_not_judged() -> None:
    """Known after half of the window, and not a sample before; one that is gone is forgotten, as is one whose memory cannot be read."""

    def leak(second: int) -> int:
        return (second + 1) * MB

    assert watched({1: leak}, 270).of(1) == (None, None)
    assert watched({1: leak}, 300).of(1) == (60 * MB, None)
    assert watched({1: leak}, 1800).of(1) == (60 * MB, 60 * MB)
    growth = watched({1: leak, 2: leak, 3: lambda _: -1}, 600)
    assert growth.of(3) == (None, None)
    growth.take(tick(635, rss={2: leak(635)}))
    assert [growth.of(run)[0] for run in (1, 2)] == [None, 60 * MB]


def test_a_restart_of_the_agent_goes_on_from_what_is_stored() -> None:
    """Readings of an earlier agent count; those after the first of this one do not come twice."""
    growth = watched({1: lambda s: s * MB}, 3600, first=3600)
    assert growth.of(1) == (None, None)
    stored = [Reading(s, np.array([1, 9]), np.array([s * MB, 5])) for s in range(0, 3700, STEP_S)]
    growth.recall(stored)
    assert growth.of(1) == (60 * MB, 60 * MB)
    assert growth.of(9) == (None, None)


def test_the_first_to_fill_memory_is_named_with_the_time() -> None:
    """Of two that grow steadily the faster; with the words a person reads."""
    snapshot = Snapshot()
    host = HostReading(mem_available=3600 * MB)
    for second in range(0, 601, 10):
        rss = {1: (second + 1) * MB, 2: (second + 1) * MB // 2, 3: 100 * MB}
        snapshot.accept(tick(second, host=host, rss=rss, born=[described(run) for run in rss] if second == 0 else ()))
    outlook = snapshot.outlook
    assert outlook is not None
    assert (outlook.pid, outlook.per_minute, outlook.group, outlook.full_in_s) == (4001, 60 * MB, None, 3600)
    assert outlook.told == "grows by 57.2 MiB a minute; memory would be full in about 60 minutes"
    assert [(row.pid, row.growth_10m, row.growth_1h) for row in process_rows(snapshot)] == [
        (4001, 60 * MB, None),
        (4002, 30 * MB, None),
        (4003, 0, None),
    ]


def test_what_lasts_for_weeks_is_not_told() -> None:
    """Nor is anything where nothing grows."""
    growth = watched({1: lambda s: 100 * MIB + s * 100}, 600)
    assert memory_outlook(growth, {1: described(1)}, HostReading(mem_available=1 << 40)) is None
    assert memory_outlook(Growth(), {}, HostReading(mem_available=1)) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "less than a minute"),
        (60, "about 1 minute"),
        (89 * 60, "about 89 minutes"),
        (3 * 3600, "about 3 hours"),
        (30 * 3600, "about 30 hours"),
        (50 * 3600, "about 2 days"),
    ],
)
def test_a_time_to_come_in_words(seconds: int, words: str) -> None:
    """Rough, as it is known."""
    assert about(seconds) == words


def group(folder: Path, **files: object) -> None:
    """A control group as its files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{value}\n", "utf-8")


def test_the_room_of_a_group_is_that_of_the_limit_that_comes_first(tmp_path: Path) -> None:
    """Its own or one above; page cache that nobody used lately can be had; without a limit there is none."""
    root = str(tmp_path)
    group(tmp_path / "a", memory_max=1000, memory_current=900, memory_stat="anon 1\ninactive_file 50")
    group(tmp_path / "a/b", memory_max=500, memory_current=100)
    group(tmp_path / "a/c", memory_max="max", memory_current=10)
    group(tmp_path / "d", memory_max="max", memory_current=10)
    assert memory_room("/a/b", root) == (150, "/a")
    assert memory_room("/a/c", root) == (150, "/a")
    assert memory_room("/d", root) is None
    assert memory_room("/../d", root) is None


def test_the_room_of_an_old_group(tmp_path: Path) -> None:
    """Cgroup v1 has other names, and a huge number for no limit."""
    group(
        tmp_path / "memory/x",
        memory_limit_in_bytes=1000,
        memory_usage_in_bytes=700,
        memory_stat="total_inactive_file 100",
    )
    group(tmp_path / "memory/y", memory_limit_in_bytes=9223372036854771712, memory_usage_in_bytes=700)
    assert memory_room("/x", str(tmp_path)) == (400, "/x")
    assert memory_room("/y", str(tmp_path)) is None
