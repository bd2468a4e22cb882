"""Lines of charts, against a plain Python reckoning."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.errors import QueryError
from monitor.metrics import catalogue, messages
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Delete, Store
from monitor.store.rows import tick_changes
from monitor.store.series import STEPS, bucket_width, gpu_series, host_series, run_series
from tests.doubles.stored import stored
from tests.examples import examples, sizes

SECOND = 1_000_000
START = 1_700_000_000_000_000
HOUR = 3600 * SECOND
Oracle = dict[int, list[float]]


def buckets(samples: dict[int, float | None], width: int, start: int, end: int) -> Oracle:
    """The values that fall into each bucket, by its start."""
    found: Oracle = {}
    for ts, value in samples.items():
        if start <= ts < end and value is not None:
            found.setdefault(ts - ts % width, []).append(value)
    return found


def check(series: object, oracle: Oracle, metric: str = "cpu_pct") -> None:
    """Assert that every bucket has the least and the greatest of its values, and none where there are none."""
    lines = asdict(series.series[metric])
    for place, ts in enumerate(series.ts):
        values = oracle.get(ts)
        if values is None:
            assert [lines[kind][place] for kind in ("min", "avg", "max")] == [None, None, None]
        else:
            assert math.isclose(lines["min"][place], min(values), rel_tol=1e-6)
            assert math.isclose(lines["max"][place], max(values), rel_tol=1e-6)
            assert math.isclose(lines["avg"][place], sum(values) / len(values), rel_tol=1e-5, abs_tol=1e-5)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.dictionaries(st.integers(0, 400), st.none() | st.floats(0, 100, width=16), max_size=80),
    begin=st.integers(0, 300),
    length=st.integers(1, 400),
    points=st.integers(1, 60),
)
def test_buckets_agree_with_a_plain_reckoning(  # noqa: PLR0917 - hypothesis gives them by name
    store: Store,
    host_rows: Callable[..., Append],
    samples: dict[int, float | None],
    begin: int,
    length: int,
    points: int,
) -> None:
    """Least, mean and greatest of every bucket are right, at most `points` of them, empty ones None."""
    rows = host_rows({START + key * SECOND: value for key, value in samples.items()})
    store.write([Delete("host_samples", pa.table({"host": ["h"]}), ("host",)), rows])
    start, end = START + begin * SECOND, START + (begin + length) * SECOND
    series = host_series(store, host="h", metrics=["cpu_pct"], start=start, end=end, points=points)
    assert 1 <= len(series.ts) <= points
    assert series.bucket_us in STEPS
    assert series.ts[0] <= start < series.ts[0] + series.bucket_us
    assert series.ts[-1] < end <= series.ts[-1] + series.bucket_us
    known = {START + key * SECOND: value for key, value in samples.items()}
    check(series, buckets(known, series.bucket_us, series.ts[0], series.ts[-1] + series.bucket_us))


@given(start=st.integers(0, 2**51), length=st.integers(1, 10**15), points=st.integers(1, 2000))
def test_never_more_points_than_asked(start: int, length: int, points: int) -> None:
    """Whatever the range, its buckets fit (one bucket can straddle a boundary when a single point is asked)."""
    width = bucket_width(start, start + length, points)
    count = -(-(start + length) // width) - start // width
    assert count <= max(points, 2)


def test_gaps_are_told(store: Store, host_rows: Callable[..., Append]) -> None:
    """Missing seconds are gaps from where the next sample was due to where it came; late by 300 ms is none."""
    times = [0, 1, 2, 3.3, 4, 7, 8, 20]
    store.write([host_rows({START + int(at * SECOND): 1.0 for at in times})])
    series = host_series(store, host="h", metrics=["cpu_pct"], start=START, end=START + 21 * SECOND, points=100)
    assert series.gaps == [(START + 5 * SECOND, START + 7 * SECOND), (START + 9 * SECOND, START + 20 * SECOND)]
    head = host_series(
        store, host="h", metrics=["cpu_pct"], start=START + 10 * SECOND, end=START + 21 * SECOND, points=100
    )
    assert head.gaps == [(START + 10 * SECOND, START + 20 * SECOND)]
    inside = host_series(
        store, host="h", metrics=["cpu_pct"], start=START + 10 * SECOND, end=START + 15 * SECOND, points=100
    )
    assert inside.gaps == [(START + 10 * SECOND, START + 15 * SECOND)]
    before = host_series(store, host="h", metrics=["cpu_pct"], start=START - HOUR, end=START - 60 * SECOND, points=100)
    assert before.gaps == []
    assert set(before.series["cpu_pct"].avg) == {None}


def test_wrong_questions_are_refused(store: Store) -> None:
    """Unknown readings, an empty range and absurd counts are refused with what would be right."""
    good = {"host": "h", "metrics": ["cpu_pct"], "start": START, "end": START + 1, "points": 10}
    for bad in (
        {"metrics": ["cpu_pct; DROP TABLE runs"]},
        {"metrics": []},
        {"end": START},
        {"points": 0},
        {"points": 10**9},
    ):
        with pytest.raises(QueryError) as caught:
            host_series(store, **{**good, **bad})
        assert caught.value.hint
    with pytest.raises(QueryError, match="nonsense"):
        run_series(store, run=1, metrics=["nonsense"], start=0, end=1, points=1)


def test_long_ranges_outlive_the_raw_rows(tmp_path: Path, host_rows: Callable[..., Append]) -> None:
    """Three days of samples, raw kept one: minutes and hours answer for the days that went, with the same numbers."""
    now = [START]
    store = open_store(tmp_path, limit_bytes=256 << 20, now=lambda: now[0], raw_days=1)
    samples: dict[int, float | None] = {START + n * 10 * SECOND: float(n % 97) for n in range(3 * 8640)}
    keys = sorted(samples)
    for place in range(0, len(keys), 4000):
        part = keys[place : place + 4000]
        store.write([host_rows({key: samples[key] for key in part})])
        now[0] = part[-1] + SECOND
        store.enforce_limit()
    end = keys[-1] + SECOND
    raw = stored(store, "SELECT count(*) AS n, wk_us(min(ts)) AS first FROM host_samples")[0]
    assert raw["n"] < 9500
    for points, start in ((600, START), (60, START), (100, START + 5 * HOUR), (500, START + 60 * HOUR)):
        series = host_series(store, host="h", metrics=["cpu_pct"], start=start, end=end, points=points)
        assert len(series.ts) <= points
        check(series, buckets(samples, series.bucket_us, series.ts[0], series.ts[-1] + series.bucket_us))
    old = host_series(store, host="h", metrics=["cpu_pct"], start=START, end=START + 600 * SECOND, points=600)
    assert old.bucket_us == 60 * SECOND
    check(old, buckets(samples, old.bucket_us, old.ts[0], old.ts[-1] + old.bucket_us))
    store.close()


def test_samples_after_the_clock_was_set_back_reach_the_tiers(tmp_path: Path, host_rows: Callable[..., Append]) -> None:
    """Samples older than the minutes already made (clock set back an hour) are counted in those minutes too."""
    now = [START]
    store = open_store(tmp_path, limit_bytes=256 << 20, now=lambda: now[0])
    samples: dict[int, float | None] = {}
    for begin, value in ((0, 10.0), (3600, 20.0), (1800, 90.0)):
        batch: dict[int, float | None] = {START + (begin + n) * SECOND + begin: value for n in range(600)}
        samples |= batch
        store.write([host_rows(batch)])
        now[0] = max(batch) + SECOND
        store.enforce_limit()
    rows = stored(store, "SELECT wk_us(ts) AS ts, n, cpu_pct_avg FROM host_samples_1m ORDER BY ts")
    oracle = buckets(samples, 60 * SECOND, 0, START * 2)
    made = {row["ts"]: row["n"] for row in rows}
    assert {ts: len(values) for ts, values in oracle.items() if ts in made} == made
    assert len(made) >= len(oracle) - 1
    store.close()


def test_runs_gpus_and_devices_have_lines(store: Store, make_tick: Callable[..., messages.Tick]) -> None:
    """A run's, a GPU's and a disk's readings come back per bucket; what was missing is a gap or None."""
    for seq in [0, 1, 2, 3, 4, 5, 9, 10]:
        gpus = [catalogue.GpuReading(n, f"u{n}", "H100", util_pct=float(seq * (n + 1))) for n in range(2)]
        tick = make_tick(
            seq, runs=[11, 12], cpu_pct=[float(seq), 50.0], rss=[4096, -1],
            gpu=messages.GpuState("ok", "", 0.0, gpus, []),
        )  # fmt: skip
        store.write(tick_changes("h", "b", tick))
    span = {"start": START, "end": START + 11 * SECOND, "points": 11}
    run = run_series(store, run=11, metrics=["cpu_pct", "rss"], **span)
    assert run.series["cpu_pct"].avg == [0, 1, 2, 3, 4, 5, None, None, None, 9, 10]
    assert run.gaps == [(START + 6 * SECOND, START + 9 * SECOND)]
    assert set(run_series(store, run=12, metrics=["rss"], **span).series["rss"].max) == {None}
    first, second = gpu_series(store, host="h", **span).gpus
    assert (first.index, first.uuid, second.index) == (0, "u0", 1)
    assert second.series["util_pct"].max[5] == 10.0
    assert gpu_series(store, host="other", **span).gpus == []


def test_a_young_store_is_as_fine_as_its_rows(tmp_path: Path, host_rows: Callable[..., Append]) -> None:
    """A range that begins before the first sample is no reason for coarse buckets: the coarser tiers hold nothing older."""
    clock = [START + 17 * SECOND]
    store = open_store(tmp_path, limit_bytes=1 << 30, now=lambda: clock[0])
    first = clock[0]
    store.write([host_rows({first + second * SECOND: float(second) for second in range(4000)})])
    clock[0] = end = first + 4000 * SECOND
    store.enforce_limit()
    assert [row["n"] for row in stored(store, "SELECT count(*) AS n FROM host_samples_1h")] != [0]
    for span, width in ((5000, 20), (7200, 30), (86_400, 300), (604_800, 3600)):
        series = host_series(store, host="h", metrics=["cpu_pct"], start=end - span * SECOND, end=end, points=300)
        assert series.bucket_us == width * SECOND
        assert max(value for value in series.series["cpu_pct"].max if value is not None) == 3999
    store.close()


BUSY, LARGE, CROWD = 1, 2, range(100, 200)
STEP_S = 30


def of_runs(
    cpu: Mapping[int, "np.ndarray[Any, Any]"], rss: Mapping[int, float], times: "np.ndarray[Any, Any]"
) -> Append:
    """Samples of processes at these times: their CPU, and their memory."""
    count = len(times)
    runs = np.repeat(np.array(list(cpu)), count)
    table = {
        "host": ["h"] * len(runs),
        "ts": pa.array(np.tile(times, len(cpu))).view(pa.timestamp("us")),
        "run": runs,
        "cpu_pct": np.concatenate(list(cpu.values())).astype("float32"),
        "cpu_user_s": np.concatenate([np.cumsum(values) for values in cpu.values()]),
        "cpu_system_s": np.zeros(len(runs)),
        "rss": np.repeat(np.array([rss[run] for run in cpu], np.int64), count),
    }
    return Append("run_samples", pa.table(table))


@pytest.mark.parametrize("hours", sizes(16, 48))
def test_minutes_of_a_run_outlive_its_samples(tmp_path: Path, host_rows: Callable[..., Append], hours: int) -> None:
    """Sixteen hours, or two days, of a busy and of a large process beside a crowd of idle ones; samples are kept for half a day. The lines of the two are
    whole, with the numbers of their samples; of the crowd only some are kept. Where the minutes are complete, they answer for the days that are there, too.
    """
    now = [START]
    store = open_store(tmp_path, limit_bytes=1 << 30, now=lambda: now[0], raw_days=0.5)
    born = pa.array([START] * 2).view(pa.timestamp("us"))
    store.write(
        [Append("runs", pa.table({"run": [BUSY, LARGE], "host": ["h"] * 2, "boot_id": ["b"] * 2, "start_ts": born}))]
    )
    noise = np.random.default_rng(1)
    truth: dict[int, float | None] = {}
    for hour in range(hours):
        times = START + hour * HOUR + np.arange(0, 3600, STEP_S) * SECOND
        still = np.zeros(len(times))
        cpu = {BUSY: noise.integers(0, 200, len(times)).astype(float), LARGE: still, **dict.fromkeys(CROWD, still)}
        truth |= dict(zip(times.tolist(), cpu[BUSY].tolist(), strict=True))
        store.write([of_runs(cpu, {BUSY: 4096, LARGE: 9 << 30, **dict.fromkeys(CROWD, 8192)}, times)])
        store.write([host_rows({int(ts): 1.0 for ts in times})])
        now[0] = int(times[-1]) + SECOND
        store.enforce_limit()
    end = START + hours * HOUR
    left = stored(store, "SELECT wk_us(min(ts)) AS first FROM run_samples")[0]["first"]
    assert left >= end - 14 * HOUR
    kept = {row["run"] for row in stored(store, "SELECT DISTINCT run FROM run_samples_1m")}
    assert {BUSY, LARGE} <= kept
    assert len(kept) <= 60
    for start, points in ((START, 600), (START, 60), (START + 5 * HOUR, 2000), (end - 3 * HOUR, 60)):
        series = run_series(store, run=BUSY, metrics=["cpu_pct", "rss", "vms"], start=start, end=end, points=points)
        check(series, buckets(truth, series.bucket_us, series.ts[0], series.ts[-1] + series.bucket_us))
        assert {value for value in series.series["rss"].max if value is not None} == {4096}
        assert set(series.series["vms"].max) == {None}
    old = run_series(store, run=LARGE, metrics=["rss"], start=START, end=START + HOUR, points=3600)
    assert old.bucket_us == 60 * SECOND
    assert set(old.series["rss"].avg) == {9 << 30}
    assert old.gaps == []
    assert run_series(store, run=4711, metrics=["rss"], start=START, end=end, points=60).gaps == []
    store.close()
