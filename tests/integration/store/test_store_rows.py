"""Sweeps as rows."""

import math
from collections.abc import Callable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics import catalogue, messages
from monitor.store.interface import Store
from monitor.store.lives import Births
from monitor.store.rows import column, hello_changes, tick_changes
from tests.doubles.stored import stored

START = 1_700_000_000_000_000
INFO = messages.HostInfo("h", "b", START - 5, "6.1", "Linux", 2, 1 << 34, 100)


def born(run: int, name: str = "sleep", cmdline: str = "sleep 9") -> messages.RunInfo:
    """A process as the sampler tells of it."""
    return messages.RunInfo(run, 7, 70, 1, 4294967294, "nobody", name, cmdline, None, "/a", START - 1_000, False)


@given(values=st.lists(st.integers(-1, 2**62), max_size=70))
def test_minus_one_is_null(values: list[int]) -> None:
    """In an integer column -1 means not available, every other value stays, at any length."""
    from array import array

    assert column(array("q", values).tobytes(), "q").to_pylist() == [None if v == -1 else v for v in values]


@given(values=st.lists(st.floats(width=32, allow_infinity=False), max_size=70))
def test_nan_is_null(values: list[float]) -> None:
    """In a float column NaN means not available."""
    from array import array

    assert column(array("f", values).tobytes(), "f").to_pylist() == [None if math.isnan(v) else v for v in values]


def test_a_sweep_is_stored_whole(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """Every process of a sweep is one row; what was not available is NULL, zero is zero."""
    tick = make_tick(5, runs=[11, 12], cpu_pct=[math.nan, 0.0], fds=[-1, 3], rss=[-1, 4096], status=[83, 82])
    store.write(tick_changes("h", "b", tick, watch_cpu_pct=0.5, watch_rss=99))
    assert stored(store, "SELECT run, cpu_pct, fds, rss, status, wk_us(ts) AS ts FROM run_samples ORDER BY run") == [
        {"run": 11, "cpu_pct": None, "fds": None, "rss": None, "status": 83, "ts": START + 5_000_000},
        {"run": 12, "cpu_pct": 0.0, "fds": 3, "rss": 4096, "status": 82, "ts": START + 5_000_000},
    ]
    assert stored(store, "SELECT seq, cpu_pct, load1, watch_rss FROM host_samples") == [
        {"seq": 5, "cpu_pct": 12.5, "load1": None, "watch_rss": 99}
    ]


def test_nothing_is_stored_of_gpus_that_do_not_answer(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """While the driver hangs, its last readings are not stored again, neither of the GPU nor of the processes on it."""
    reading = catalogue.GpuReading(0, "u", "n", util_pct=83.0)
    state = messages.GpuState("ok", "", 0.0, [reading], [messages.GpuProcess(0, 7, 1, 123)])
    store.write(tick_changes("h", "b", make_tick(0, gpu=state)))
    hung = msgspec.structs.replace(state, state="stale", age_s=9.0, fresh=False)
    store.write(tick_changes("h", "b", make_tick(1, gpu=hung)))
    assert stored(store, "SELECT count(*) AS n FROM gpu_samples") == [{"n": 1}]
    assert stored(store, "SELECT count(*) AS n FROM gpu_run_samples") == [{"n": 1}]


def test_devices_space_and_gpus(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """Devices are kept one second in five, disk space when measured, GPUs and their processes always."""
    host = catalogue.HostReading(
        disks=[catalogue.DeviceRates("sda", 1.0, 2.0, 3.0, 4.0, 50.0)],
        nics=[catalogue.DeviceRates("eth0", 1.0, 2.0, 3.0, 4.0)],
        temperatures={"core 0": 41.5},
        space=[catalogue.DiskSpace("/", "/dev/sda1", "ext4", 10, 4, 6)],
    )
    gpu = messages.GpuState(
        "ok",
        "",
        0.0,
        [catalogue.GpuReading(0, "u0", "H100", util_pct=50.0, throttle=["power", "heat"])],
        [messages.GpuProcess(0, 7, None, 123)],
    )
    for seq in range(5, 15):
        store.write(tick_changes("h", "b", make_tick(seq, host=host, gpu=gpu)))
    assert stored(
        store, "SELECT kind, name, count(*) AS n, max(value) AS value FROM device_samples GROUP BY 1, 2 ORDER BY 1"
    ) == [
        {"kind": "core_temp", "name": "core 0", "n": 2, "value": 41.5},
        {"kind": "disk", "name": "sda", "n": 2, "value": None},
        {"kind": "nic", "name": "eth0", "n": 2, "value": None},
    ]
    assert stored(store, "SELECT DISTINCT throttle, util_pct FROM gpu_samples") == [
        {"throttle": "power,heat", "util_pct": 50.0}
    ]
    assert stored(store, "SELECT count(*) AS n, max(mem_bytes) AS mem FROM gpu_run_samples") == [{"n": 10, "mem": 123}]
    assert stored(store, "SELECT max(free) AS free, count(*) AS n FROM disk_space") == [{"free": 6, "n": 10}]
    grown = store.query("disk_growth", host="h", start=START, end=START + 60_000_000, width=60_000_000).to_pylist()
    assert {(row["mount"], row["free"], row["total"]) for row in grown} == {("/", 6, 10)}
    assert stored(store, "SELECT DISTINCT temp_max_c FROM host_samples") == [{"temp_max_c": 41.5}]


def test_an_end_has_its_code_and_time(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """What was told of an end is stored with the run, and in words with its event."""
    store.write(tick_changes("h", "b", make_tick(1, born=[born(11), born(12)])))
    ends = [messages.RunEnd(11, START + 2_500_000, None, 9, "connector")]
    store.write(tick_changes("h", "b", make_tick(3, gone=[11, 12], ends=ends)))
    assert stored(
        store, "SELECT run, wk_us(end_ts) AS at, exit_code, exit_signal, end_source FROM runs ORDER BY run"
    ) == [
        {"run": 11, "at": START + 2_500_000, "exit_code": None, "exit_signal": 9, "end_source": "connector"},
        {"run": 12, "at": START + 3_000_000, "exit_code": None, "exit_signal": None, "end_source": "poll"},
    ]
    assert stored(store, "SELECT run, wk_us(ts) AS at, message FROM events WHERE kind = 'STOP' ORDER BY run") == [
        {"run": 11, "at": START + 2_500_000, "message": "killed by SIGKILL (signal 9)"},
        {"run": 12, "at": START + 3_000_000, "message": None},
    ]


def test_short_lives_are_whole_rows(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """A life between two sweeps is stored at once with its end; an event tells only of one that did not end well."""
    ends = [messages.RunEnd(run, START + 900_000, run - 20, None, "connector") for run in (20, 21)]
    tick = make_tick(1, brief=[born(20), born(21, "false", "false")], ends=ends, born=[born(11)])
    store.write(tick_changes("h", "b", tick, births=Births()))
    found = stored(store, "SELECT run, name, exit_code, wk_us(end_ts) AS at FROM runs WHERE run >= 20 ORDER BY run")
    assert found == [
        {"run": 20, "name": "sleep", "exit_code": 0, "at": START + 900_000},
        {"run": 21, "name": "false", "exit_code": 1, "at": START + 900_000},
    ]
    assert stored(store, "SELECT run, kind, message FROM events WHERE run >= 20") == [
        {"run": 21, "kind": "STOP", "message": "exit code 1"}
    ]


def test_a_life_is_one_run(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """Born, changed by exec, born again after the watch restarted, gone: one run, one START, one STOP."""
    store.write(tick_changes("h", "b", make_tick(1, born=[born(11)])))
    store.write(tick_changes("h", "b", make_tick(2, born=[born(11, "python", "python x.py")])))
    store.write(tick_changes("h", "b", make_tick(3, gone=[11])))
    (run,) = stored(
        store, "SELECT name, cmdline, uid, wk_us(first_seen) AS seen, wk_us(end_ts) AS ended, end_source FROM runs"
    )
    assert run == {
        "name": "python", "cmdline": "python x.py", "uid": -2, "seen": START + 1_000_000, "ended": START + 3_000_000, "end_source": "poll",
    }  # fmt: skip
    assert stored(store, "SELECT kind, run FROM events ORDER BY ts") == [
        {"kind": "START", "run": 11},
        {"kind": "STOP", "run": 11},
    ]


def test_hostile_names_are_stored_as_text(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """Quotes, markup, control characters and bytes that are no UTF-8 are text like any other."""
    name = "'; DROP TABLE runs; --<script>\x1b[31m\n\udcff"
    store.write(tick_changes("h", "b", make_tick(1, born=[born(11, name, "x" * 1_000_000)])))
    (run,) = stored(store, "SELECT name, length(cmdline) AS n FROM runs")
    assert run == {"name": name.replace("\udcff", "?"), "n": 1_000_000}


def test_the_clock_step_is_an_event(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """A moved wall clock is recorded with its direction."""
    store.write(tick_changes("h", "b", make_tick(1, clock_step_s=-3600.0)))
    (event,) = stored(store, "SELECT kind, subject, message FROM events")
    assert event == {"kind": "CLOCK_STEP", "subject": "watch", "message": "The clock moved by -3600.000 s."}


def test_a_boot_is_one_host_row(store: Store) -> None:
    """The same boot seen twice keeps when it was first seen; another boot is another row."""
    store.write(hello_changes(INFO, START))
    store.write(hello_changes(INFO, START + 9))
    store.write(hello_changes(messages.HostInfo("h", "c", START, "6.2", "Linux", 2, 1, 100), START + 10))
    assert stored(
        store, "SELECT boot_id, wk_us(first_seen) AS a, wk_us(last_seen) AS b FROM hosts ORDER BY boot_id"
    ) == [
        {"boot_id": "b", "a": START, "b": START + 9},
        {"boot_id": "c", "a": START + 10, "b": START + 10},
    ]
