"""The byte limit, and ages."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.core.errors import StoreError
from monitor.store.duckdb import open_store, retention
from monitor.store.interface import Append, Stop, Store
from monitor.store.series import host_series
from tests.doubles.stored import stored
from tests.examples import sizes
from tests.waiting import patient

MIB = 1024 * 1024
START = 1_700_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND


def run_rows(begin: int, seconds: int, noise: np.random.Generator) -> Append:
    """Samples of 200 runs that do not compress."""
    count = 200 * seconds
    return Append(
        "run_samples",
        pa.table(
            {
                "host": ["h"] * count,
                "ts": pa.array(np.repeat(begin + np.arange(seconds) * SECOND, 200)).view(pa.timestamp("us")),
                "run": noise.integers(0, 2**62, count),
                "cpu_pct": noise.random(count, np.float32),
                "rss": noise.integers(0, 2**40, count),
                "read_bytes": noise.integers(0, 2**60, count),
            }
        ),
    )


def log_rows(begin: int, seconds: int, noise: random.Random, size: int = 40) -> Append:
    """Twenty records a second whose text of twice `size` characters does not compress."""
    count = seconds * 20
    ts = pa.array([begin + n * SECOND // 20 for n in range(count)], pa.int64()).view(pa.timestamp("us"))
    table = {
        "host": ["h"] * count, "file_id": [1] * count, "pos": list(range(count)), "ts": ts, "ingested": ts, "level": [20] * count, "source": ["s"] * count,
        "message": [noise.randbytes(size).hex() for _ in range(count)], "lines": [1] * count,
    }  # fmt: skip
    return Append("log_records", pa.table(table))


@pytest.mark.parametrize("steps", sizes(32, 80))
def test_the_files_never_pass_the_limit(begun: Path, host_rows: Callable[..., Append], steps: int) -> None:
    """Much more samples and records than fit, hammered into 24 MB: after every write the files are at most 24 MB.

    The newest rows are there all the time, and the host's minutes outlive what was dropped.
    """
    now = [START]
    limit = 24 * MIB
    store = open_store(begun, limit_bytes=limit, now=lambda: now[0])
    noise, words = np.random.default_rng(1), random.Random(1)
    largest = 0
    for step in range(steps):
        begin = START + step * 60 * SECOND
        now[0] = begin + 60 * SECOND
        store.write(
            [
                run_rows(begin, 60, noise),
                log_rows(begin, 60, words),
                host_rows({begin + n * SECOND: 1.0 for n in range(60)}),
            ]
        )
        largest = max(largest, sum(path.stat().st_size for path in begun.iterdir()))
        if step % 16 == 15:
            store.enforce_limit()
            newest = stored(store, "SELECT wk_us(max(ts)) AS ts, count(*) AS n FROM run_samples")[0]
            assert newest["ts"] == begin + 59 * SECOND
    assert largest <= limit
    rows = store.info().rows
    assert rows["run_samples"] < steps * 12_000
    assert stored(store, "SELECT count(*) AS n FROM host_samples") == [{"n": steps * 60}]
    store.close()


def test_a_reader_does_not_make_it_drop_more(begun: Path) -> None:
    """While a long query holds old rows, making room neither waits for ever nor drops everything."""
    now = [START]
    store = open_store(begun, limit_bytes=24 * MIB, now=lambda: now[0])
    noise = np.random.default_rng(2)
    store.write([run_rows(START, 60, noise)])
    stop = Stop()

    def read() -> None:
        with suppress(StoreError):
            store.until(stop).select(
                "SELECT count(*) FROM run_samples a, run_samples b WHERE a.rss % 7 = b.rss % 1001", deadline_s=25
            )

    thread = threading.Thread(target=read)
    thread.start()
    for step in range(1, 80):
        now[0] = START + step * 60 * SECOND
        store.write([run_rows(now[0], 60, noise)])
        if sum(path.stat().st_size for path in begun.iterdir()) > 16 * MIB:
            break
    for step in range(80, 86):
        now[0] = START + step * 60 * SECOND
        store.write([run_rows(now[0], 60, noise)])
    assert sum(path.stat().st_size for path in begun.iterdir()) <= 24 * MIB
    assert stored(store, "SELECT count(*) AS n FROM run_samples")[0]["n"] > 50_000
    stop.say()
    store.close()
    thread.join(timeout=patient(40))
    assert not thread.is_alive()


def test_rows_go_at_their_age(begun: Path, host_rows: Callable[..., Append]) -> None:
    """Samples go after their days, records after theirs, runs that ended long ago too; minutes and living runs stay."""
    now = [START]
    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0], raw_days=2, log_days=4)
    words = random.Random(1)
    for day in range(6):
        begin = START + day * DAY
        now[0] = begin + 200 * SECOND
        store.write([host_rows({begin + n * SECOND: 1.0 for n in range(120)}), log_rows(begin, 2, words)])
        store.enforce_limit()
    first = stored(
        store, "SELECT (SELECT wk_us(min(ts)) FROM host_samples) AS s, (SELECT wk_us(min(ts)) FROM log_records) AS r"
    )[0]
    assert first == {"s": START + 3 * DAY, "r": START + DAY}
    series = host_series(store, host="h", metrics=["cpu_pct"], start=START, end=START + 120 * SECOND, points=100)
    assert series.series["cpu_pct"].avg[0] == 1.0
    store.close()


def test_of_short_lives_the_newest_are_kept(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script begins a million processes a day: the oldest go, those that lived longer and those that live stay."""
    monkeypatch.setattr(retention, "BRIEF_KEPT", 100)
    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: START)
    ends = [START + n * 10_000 for n in range(300)] + [START + 9 * SECOND, None]
    starts = [*(START + n * 10_000 - 5_000 for n in range(300)), START - DAY, START]
    stamp = pa.timestamp("us")
    table = {"run": list(range(302)), "host": ["h"] * 302, "boot_id": ["b"] * 302,
             "start_ts": pa.array(starts, pa.int64()).view(stamp), "end_ts": pa.array(ends, pa.int64()).view(stamp)}  # fmt: skip
    store.write([Append("runs", pa.table(table))])
    assert store.enforce_limit() == 200
    left = {row["run"] for row in stored(store, "SELECT run FROM runs")}
    assert left == {*range(200, 302)}
    store.close()


def ai_rows(at: int, size: int = 1) -> list[Append]:
    """A call, a benchmark and a measurement of it; `size`: bytes of random text in each of 2,000 calls."""
    ts = pa.array([at], pa.int64()).view(pa.timestamp("us"))
    text = random.Random(at)
    many = 2_000 if size > 1 else 1
    calls = {"host": ["h"] * many, "ts": [ts[0].as_py()] * many, "call": ["c"] * many, "attempt": [1] * many,
             "backend": ["b"] * many, "outcome": ["answered"] * many, "message": [text.randbytes(size).hex() for _ in range(many)]}  # fmt: skip
    run = {"host": ["h"], "benchmark": ["x"], "started": ts, "state": ["done"], "report": ["{}"]}
    sample = {"host": ["h"], "benchmark": ["x"], "ts": ts, "backend": ["b"], "used": [True]}
    return [
        Append("ai_calls", pa.table(calls)),
        Append("benchmark_runs", pa.table(run)),
        Append("benchmark_samples", pa.table(sample)),
    ]


def test_calls_go_first_measurements_later_benchmarks_last(begun: Path, host_rows: Callable[..., Append]) -> None:
    """Calls stay as long as samples, measurements as long as minutes, benchmarks as long as hours."""
    now = [START]
    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0], raw_days=7)
    store.write(ai_rows(START))

    def left(days: int) -> list[int]:
        now[0] = START + days * DAY
        store.write([host_rows({now[0] - DAY: 1.0})])  # the watch knows this time
        store.enforce_limit()
        sql = "SELECT (SELECT count(*) FROM ai_calls) AS c, (SELECT count(*) FROM benchmark_samples) AS s, (SELECT count(*) FROM benchmark_runs) AS r"
        return list(stored(store, sql)[0].values())

    assert [left(days) for days in (6, 8, 89, 91, 729, 732)] == [[1, 1, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]]  # fmt: skip
    store.close()


def test_a_flood_of_calls_stays_under_the_limit(begun: Path) -> None:
    """Calls are dropped oldest first when the bytes run out; the benchmarks stay."""
    now = [START]
    store = open_store(begun, limit_bytes=24 * MIB, now=lambda: now[0])
    largest = 0
    for step in range(28):
        now[0] = START + step * 3600 * SECOND
        store.write(ai_rows(now[0], 400))
        largest = max(largest, sum(path.stat().st_size for path in begun.iterdir()))
    rows = store.info().rows
    assert largest <= 24 * MIB
    assert 0 < rows["ai_calls"] < 56_000
    assert rows["benchmark_runs"] == 28
    newest = stored(store, "SELECT wk_us(max(ts)) AS ts FROM ai_calls")[0]["ts"]
    assert newest == START + 27 * 3600 * SECOND
    store.close()


def test_an_old_file_read_today_is_kept(begun: Path, host_rows: Callable[..., Append]) -> None:
    """Records of years ago stay for `log_days` after they came in, not after they were written."""
    now = [START]
    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0], log_days=4)
    old = log_rows(START - 3000 * DAY, 5, random.Random(1)).rows
    came = pa.array([START] * old.num_rows, pa.int64()).view(pa.timestamp("us"))
    store.write([Append("log_records", old.set_column(old.schema.get_field_index("ingested"), "ingested", came))])

    def kept() -> int:
        store.enforce_limit()
        return int(stored(store, "SELECT count(*) AS n FROM log_records")[0]["n"])

    for day in range(6):
        store.write([host_rows({START + day * DAY: 1.0})])
    now[0] = START + 3 * DAY
    assert kept() == old.num_rows
    now[0] = START + 6 * DAY
    assert kept() == 0
    store.close()


def test_a_clock_that_runs_ahead_for_an_hour_costs_nothing(begun: Path, host_rows: Callable[..., Append]) -> None:
    """A machine that starts with its clock two years ahead, and is corrected an hour later, loses no row by age.

    It restarts meanwhile, as machines do. What lies in the future does not stop the minutes of the present.
    """
    now = [START]
    words = random.Random(1)

    def minute(at: int, store: Store) -> None:
        now[0] = at + 60 * SECOND
        store.write([host_rows({at + n * SECOND: 5.0 for n in range(60)}), log_rows(at, 2, words)])
        store.enforce_limit()

    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0])
    for day in range(3):
        minute(START + day * DAY, store)
    kept = store.info().rows
    ahead = START + 730 * DAY
    for at in (ahead, ahead + 1800 * SECOND, ahead + 3600 * SECOND):
        store.close()
        store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0])
        minute(at, store)
    store.close()
    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0])
    today = START + 3 * DAY - START % (60 * SECOND)
    for number in range(3):
        minute(today + number * 60 * SECOND, store)
    assert store.info().rows["host_samples"] == kept["host_samples"] + 6 * 60
    assert store.info().rows["log_records"] == kept["log_records"] + 6 * 40
    made = stored(
        store,
        f"SELECT count(*) AS n FROM host_samples_1m WHERE ts >= make_timestamp({today}) AND ts < make_timestamp({today + DAY})",
    )
    assert made[0]["n"] >= 2
    store.close()


def test_a_clock_that_stays_ahead_is_believed(begun: Path, host_rows: Callable[..., Append]) -> None:
    """After half a day in the new time, rows go by their age again."""
    now = [START]
    store = open_store(begun, limit_bytes=256 * MIB, now=lambda: now[0])
    store.write([host_rows({START: 1.0})])
    for hours in (0, 12):
        begin = START + 100 * DAY + hours * 3600 * SECOND
        now[0] = begin + SECOND
        store.write([host_rows({begin: 2.0})])
        store.enforce_limit()
    oldest = stored(store, "SELECT wk_us(min(ts)) AS ts FROM host_samples")
    assert oldest == [{"ts": START + 100 * DAY}]
    store.close()


def test_one_line_from_the_future_does_not_cost_the_log(begun: Path, host_rows: Callable[..., Append]) -> None:
    """A record whose line bears the year 2100 goes first when there is too much; the newest of today stay."""
    now = [START]
    store = open_store(begun, limit_bytes=24 * MIB, now=lambda: now[0])
    words = random.Random(1)
    store.write([log_rows(START + 27_000 * DAY, 1, words), host_rows({START - DAY // 2: 1.0})])
    step, before = 0, 0
    while (rows := store.info().rows["log_records"]) >= before:
        before, begin = rows, START + step * 60 * SECOND
        now[0] = begin + 60 * SECOND
        store.write([log_rows(begin, 60, words, size=400)])
        step += 1
        assert step < 500, "nothing was ever dropped"
    left = stored(store, "SELECT count(*) AS n, wk_us(max(ts)) AS newest FROM log_records")[0]
    assert left["newest"] < now[0]
    assert left["n"] > before // 4
    store.close()
