"""The last minutes in memory: what a chart begins with, and where its lines may break."""

import math

import msgspec

from monitor.live.snapshot import CPU_TICKS, HISTORY_METRICS, Snapshot, born_row
from monitor.metrics.catalogue import GpuReading, HostReading
from monitor.metrics.messages import GpuProcess, Hello, HostInfo, RunInfo
from pages.ui import charts
from tests.doubles.ticks import BEGIN_US, tick


def test_every_metric_of_the_live_charts_is_remembered() -> None:
    """A chart never takes its beginning from the store, which is behind: memory holds all that the live charts show."""
    shown = {line["metric"] for panel in [*charts.OVERVIEW, *charts.HOST] for line in panel["series"]}
    assert shown <= set(HISTORY_METRICS)


def test_only_a_missing_sample_is_a_hole() -> None:
    """Samples in a row are remembered as they came; between two that have others missing between them stands one without readings."""
    snapshot = Snapshot()
    for seq in (0, 1, 2, 5):
        snapshot.accept(tick(seq))
    history = snapshot.history_since(300)
    assert history["series"]["cpu_pct"] == [0.0, 1.0, 2.0, None, 5.0]
    assert history["ts"] == [tick(0).ts, tick(1).ts, tick(2).ts, (tick(2).ts + tick(5).ts) // 2, tick(5).ts]


def test_a_new_sampler_counts_from_its_own_beginning() -> None:
    """The first sweep of a new sampler stands in no row with the last of the one before."""
    snapshot = Snapshot()
    snapshot.accept(tick(0))
    snapshot.greet(hello())
    snapshot.accept(tick(9))
    assert snapshot.history_since(300)["series"]["cpu_pct"] == [0.0, 9.0]


def test_times_ascend_when_the_clock_was_set_back() -> None:
    """What was before the clock was set back is left out, so that a chart finds its times in order."""
    snapshot = Snapshot()
    for seq in range(3):
        snapshot.accept(tick(seq))
    for seq in range(3, 6):
        snapshot.accept(tick(seq, step_us=-3_600_000_000))
    history = snapshot.history_since(300)
    assert history["series"]["cpu_pct"] == [3.0, 4.0, 5.0]
    assert history["ts"] == sorted(history["ts"])


def test_gpus_are_remembered_by_index() -> None:
    """Each GPU's readings are columns of the history; where one did not answer stands None."""
    snapshot = Snapshot()
    first = [GpuReading(0, "a", "A", util_pct=10.0), GpuReading(1, "b", "B", util_pct=20.0)]
    snapshot.accept(tick(0, gpus=first))
    snapshot.accept(tick(1, gpus=first[1:]))
    series = snapshot.history_since(300)["series"]
    assert series["gpu0.util_pct"] == [10.0, None]
    assert series["gpu1.util_pct"] == [20.0, 20.0]
    assert len(series["gpu0.mem_used"]) == 2


def test_a_driver_that_does_not_answer_leaves_a_gap() -> None:
    """What it said before is no reading of now: the history has none for that time, and no process holds memory."""
    snapshot = Snapshot()
    gpus, held = [GpuReading(0, "a", "A", util_pct=10.0)], [GpuProcess(0, 5, 77, 1000)]
    snapshot.accept(tick(0, gpus=gpus, held=held))
    assert snapshot.gpu_memory() == {77: 1000}
    snapshot.accept(tick(1, gpus=gpus, held=held, hung=True))
    assert snapshot.gpu_memory() == {}
    snapshot.accept(tick(2, gpus=gpus, held=held))
    assert snapshot.history_since(300)["series"]["gpu0.util_pct"] == [10.0, None, 10.0]


def test_figures_travel_as_precise_as_a_picture() -> None:
    """A history carries no digits that nobody can see; small readings keep two of them."""
    snapshot = Snapshot()
    snapshot.accept(tick(0, host=HostReading(cpu_pct=12.3456, disk_read_bps=123456.789, mem_used=5, load1=None)))
    series = snapshot.history_since(300)["series"]
    assert [series[name][0] for name in ("cpu_pct", "disk_read_bps", "mem_used", "load1")] == [12.35, 123457, 5, None]


def hello() -> Hello:
    """A sampler that begins."""
    return Hello(1, 1, 1.0, "procfs", HostInfo("host", "boot", 1, "kernel", "platform", 2, 3, 100))


def run(number: int) -> RunInfo:
    """A process of nobody in particular."""
    return RunInfo(number, number, 1, 1, 0, "root", "job", "job", None, None, BEGIN_US, kernel_thread=False)


def test_a_processs_last_minute_is_remembered() -> None:
    """Each running process that used CPU has a curve of the newest samples; one that came later has nothing before, an idle one no curve at all."""
    snapshot = Snapshot()
    for seq in range(CPU_TICKS + 5):
        cpu = {1: float(seq), 2: 0.0} | ({3: 7.0} if seq >= CPU_TICKS else {}) | ({4: 1.0} if seq < 10 else {})
        snapshot.accept(tick(seq, cpu=cpu, born=[run(number) for number in (1, 2, 3, 4)] if seq == 0 else ()))
    snapshot.runs.pop(4)  # it has ended
    curves = snapshot.cpu_curves()
    assert curves.keys() == {"1", "3"}
    assert curves["1"] == [float(seq) for seq in range(5, CPU_TICKS + 5)]
    assert curves["3"] == [None] * (CPU_TICKS - 5) + [7.0] * 5


def test_no_curve_is_made_of_readings_that_are_not_there() -> None:
    """A process whose usage cannot be measured has none; without any sample there is none at all."""
    snapshot = Snapshot()
    assert snapshot.cpu_curves() == {}
    snapshot.accept(tick(0, cpu={1: math.nan}, born=[run(1)]))
    assert snapshot.cpu_curves() == {}
    snapshot.accept(tick(1, cpu={1: 2.0}))
    assert snapshot.cpu_curves() == {"1": [None, 2.0]}


def test_two_that_are_called_the_same_have_their_folders_in_their_titles() -> None:
    """The first is told again when the second comes, and when that has ended."""
    shop, mail = (msgspec.structs.replace(run(n), cwd=f"/srv/{name}") for n, name in ((1, "shop"), (2, "mail")))
    snapshot, told = Snapshot(), []
    for seq, (born, gone) in enumerate([([shop], []), ([mail], []), ([], [2])]):
        snapshot.accept(msgspec.structs.replace(tick(seq, born=born), gone=gone))
        told.append({row["run"]: row["title"] for info in snapshot.born if (row := born_row(snapshot, info))})
    assert told == [{"1": "job"}, {"1": "job (shop)", "2": "job (mail)"}, {"1": "job"}]
