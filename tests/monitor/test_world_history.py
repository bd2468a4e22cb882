"""The last minutes in memory: what a chart begins with, and where its lines may break."""

from monitor.wire import GpuReading, Hello, HostInfo, HostReading
from monitor.world import HISTORY_METRICS, World
from pages.ui import charts
from tests.monitor.ticks import tick


def test_every_metric_of_the_live_charts_is_remembered() -> None:
    """A chart never takes its beginning from the store, which is behind: memory holds all that the live charts show."""
    shown = {line["metric"] for panel in [*charts.OVERVIEW, *charts.HOST] for line in panel["series"]}
    assert shown <= set(HISTORY_METRICS)


def test_only_a_missing_sample_is_a_hole() -> None:
    """Samples in a row are remembered as they came; between two that have others missing between them stands one without readings."""
    world = World()
    for seq in (0, 1, 2, 5):
        world.accept(tick(seq))
    history = world.history_since(300)
    assert history["series"]["cpu_pct"] == [0.0, 1.0, 2.0, None, 5.0]
    assert history["ts"] == [tick(0).ts, tick(1).ts, tick(2).ts, (tick(2).ts + tick(5).ts) // 2, tick(5).ts]


def test_a_new_sampler_counts_from_its_own_beginning() -> None:
    """The first sweep of a new sampler stands in no row with the last of the one before."""
    world = World()
    world.accept(tick(0))
    world.greet(hello())
    world.accept(tick(9))
    assert world.history_since(300)["series"]["cpu_pct"] == [0.0, 9.0]


def test_times_ascend_when_the_clock_was_set_back() -> None:
    """What was before the clock was set back is left out, so that a chart finds its times in order."""
    world = World()
    for seq in range(3):
        world.accept(tick(seq))
    for seq in range(3, 6):
        world.accept(tick(seq, step_us=-3_600_000_000))
    history = world.history_since(300)
    assert history["series"]["cpu_pct"] == [3.0, 4.0, 5.0]
    assert history["ts"] == sorted(history["ts"])


def test_gpus_are_remembered_by_index() -> None:
    """Each GPU's readings are columns of the history; where one did not answer stands None."""
    world = World()
    first = [GpuReading(0, "a", "A", util_pct=10.0), GpuReading(1, "b", "B", util_pct=20.0)]
    world.accept(tick(0, gpus=first))
    world.accept(tick(1, gpus=first[1:]))
    series = world.history_since(300)["series"]
    assert series["gpu0.util_pct"] == [10.0, None]
    assert series["gpu1.util_pct"] == [20.0, 20.0]
    assert len(series["gpu0.mem_used"]) == 2


def test_figures_travel_as_precise_as_a_picture() -> None:
    """A history carries no digits that nobody can see; small readings keep two of them."""
    world = World()
    world.accept(tick(0, host=HostReading(cpu_pct=12.3456, disk_read_bps=123456.789, mem_used=5, load1=None)))
    series = world.history_since(300)["series"]
    assert [series[name][0] for name in ("cpu_pct", "disk_read_bps", "mem_used", "load1")] == [12.35, 123457, 5, None]


def hello() -> Hello:
    """A sampler that begins."""
    return Hello(1, 1, 1.0, "procfs", HostInfo("host", "boot", 1, "kernel", "platform", 2, 3, 100))
