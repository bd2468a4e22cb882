"""Older log records as Parquet files: no record is lost or doubled, and searches answer as if nothing had moved."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logs import LogFilter
from logs.query import search
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, ArchiveRule, Store
from tests.doubles.stored import stored
from tests.examples import sizes

from .conftest import MIB, START, Clock

DAY = 86_400_000_000
KEEP = ArchiveRule(keep=True, limit_bytes=1 << 30, days=3650)
OWNED = [str(number) for number in range(7)]
"""Words of records: the record at a position has the word of its remainder."""


def records(first: int, count: int, *, at: int, step: int = 1, fields: str | None = None) -> pa.Table:
    """Records of one file, the first of them read at `at`; each a step (µs) after the one before."""
    times = pa.array(range(at, at + count * step, step), pa.int64()).view(pa.timestamp("us"))
    numbers = range(first, first + count)
    return pa.table(
        {
            "host": ["h"] * count,
            "file_id": pa.array([1] * count, pa.int64()),
            "pos": pa.array(numbers, pa.int64()),
            "ts": times,
            "ingested": times,
            "level": pa.array([40 if number % 10 == 0 else 20 for number in numbers], pa.uint8()),
            "source": [f"app{number % 3}" for number in numbers],
            "message": [f"request {number} took word{OWNED[number % 7]}" for number in numbers],
            "lines": pa.array([1] * count, pa.int32()),
            "fields": pa.array([fields] * count, pa.string()),
        }
    )


def sampled(store: Store, now: int) -> None:
    """Let the store know the time: the host was sampled a day ago."""
    times = pa.array([now - DAY], pa.int64()).view(pa.timestamp("us"))
    store.write([Append("host_samples", pa.table({"host": ["h"], "ts": times}))])


def opened(folder: Path, clock: Callable[[], int], rule: ArchiveRule = KEEP, **more: Any) -> Store:
    """A store that keeps log records for four days before they are archived."""
    given = {"limit_bytes": 1 << 30, "log_days": 4, "block_rows": 64} | more
    return open_store(folder, now=clock, archive=rule, **given)


def settled(store: Store) -> Store:
    """The store after all that is due was done."""
    store.enforce_limit()
    while store.tidy():
        pass
    return store


def positions(store: Store, **asked: str) -> list[int]:
    """What a search finds, oldest first."""
    return [record.pos for record in search.search(store, LogFilter.parse(asked, 0), limit=10_000_000).records]


def unarchived(store: Store) -> int:
    """Records that are not archived."""
    return int(stored(store, "SELECT count(*) AS n FROM log_records")[0]["n"])


def parquet(folder: Path) -> list[Path]:
    """The files of the archive."""
    return sorted((folder / "log-archive").glob("*.parquet"))


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Within this block a file cannot be read."""
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole))
    yield
    path.write_bytes(whole)


@pytest.fixture(scope="module")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with ten days of records, 300 a day; the older six days are archived."""
    folder, clock = tmp_path_factory.mktemp("ten-days"), Clock()
    store = opened(folder, clock)
    for day in range(10):
        store.write(
            [Append("log_records", records(day * 300, 300, at=START + day * DAY, step=1000, fields='{"day": 1}'))]
        )
    clock.now = START + 10 * DAY
    sampled(store, clock.now)
    settled(store).close()
    return folder


@pytest.fixture
def filled(ten_days: Path, tmp_path: Path, clock: Clock) -> Store:
    """A copy of it, opened at the end of the ten days."""
    shutil.copytree(ten_days, tmp_path, dirs_exist_ok=True)
    clock.now = START + 10 * DAY
    return opened(tmp_path, clock)


ASKED: list[dict[str, str]] = [
    {},
    {"q": "word3"},
    {"q": "request 17"},
    {"level": "error"},
    {"source": "app1"},
    {"q": "request [0-9]+7 ", "regex": "1"},
    {"query": "word1 -level:error day=1"},
    {"since": str(START + 2 * DAY), "until": str(START + 8 * DAY)},
    {"until": str(START + DAY), "q": "word2"},
]


def test_answers_are_those_of_one_store(filled: Store, tmp_path: Path) -> None:
    """Search, pages, count, histogram and facets over store and archive: as of a store that keeps all."""
    whole = open_store(tmp_path / "whole", limit_bytes=1 << 30, now=lambda: START)
    for day in range(10):
        whole.write(
            [Append("log_records", records(day * 300, 300, at=START + day * DAY, step=1000, fields='{"day": 1}'))]
        )
    assert unarchived(filled) < 1500
    for asked in ASKED:
        check_answers(filled, whole, asked)
    filled.close()
    whole.close()


def check_answers(filled: Store, whole: Store, asked: dict[str, str]) -> None:
    """Both stores answer the same."""
    wanted = LogFilter.parse(asked, 0)
    expected = positions(whole, **asked)
    assert positions(filled, **asked) == expected
    page, found = search.search(filled, wanted, limit=410), []
    while True:
        found = [record.pos for record in page.records] + found
        if page.older is None:
            break
        page = search.search(filled, wanted, limit=410, before=page.older)
    assert found == expected
    assert search.count(filled, wanted)["count"] == len(expected)
    left_out = {"elapsed_ms", "archived"}
    for ask in (search.histogram, search.facets):
        here, there = (ask(store, wanted) for store in (filled, whole))
        assert {k: v for k, v in here.items() if k not in left_out} == {
            k: v for k, v in there.items() if k not in left_out
        }
        assert not there["archived"]


def test_an_answer_says_whether_the_archive_was_read(filled: Store) -> None:
    """A range that begins behind the archive is answered by the store alone."""
    for since, archived in ((START, True), (START + 9 * DAY, False)):
        wanted = LogFilter.parse({"since": str(since)}, 0)
        assert search.search(filled, wanted, limit=10_000).archived is archived
        for ask in (search.count, search.histogram, search.facets):
            assert ask(filled, wanted)["archived"] is archived
    assert not search.search(filled, LogFilter.parse({}, 0), limit=100).archived, "the newest records need no archive"
    filled.close()


def test_an_archived_record_opens_with_its_neighbours(filled: Store) -> None:
    """By its id, with fields; the records before and after it, also where they are in the store."""
    found = search.record(filled, "1:5")
    assert found is not None
    assert found["message"] == "request 5 took word5"
    assert found["fields"] == {"day": 1}
    assert [record.pos for record in search.context(filled, "1:5", 3, 3)] == [2, 3, 4, 5, 6, 7, 8]
    first = stored(filled, "SELECT min(pos) AS n FROM log_records")[0]["n"]
    for pos in (first - 1, first):
        assert [record.pos for record in search.context(filled, f"1:{pos}", 2, 2)] == list(range(pos - 2, pos + 3))
    assert search.record(filled, "1:999999") is None
    filled.close()


def test_files_that_cannot_have_it_are_passed_over(filled: Store, tmp_path: Path, clock: Clock) -> None:
    """A file whose filter denies a text is not read; filters that are missing, damaged or lone are made again or removed, and change no answer."""
    folder = tmp_path / "log-archive"
    files = parquet(tmp_path)
    assert sorted(folder.glob("*.filter")) == [file.with_suffix(".filter") for file in files]
    everything = positions(filled)
    with damaged(files[0]):
        assert positions(filled, q="request 1500 took") == [1500]
        assert search.search(filled, LogFilter.parse({"q": "nowhere"}, 0)).archived
    files[1].with_suffix(".filter").unlink()
    files[2].with_suffix(".filter").write_bytes(b"\1" * 99)
    (folder / "2020-01-01-000000000000-000001.filter").touch()
    assert positions(filled, q="request") == everything
    filled.close()
    again = settled(opened(tmp_path, clock))
    assert sorted(folder.glob("*.filter")) == [file.with_suffix(".filter") for file in parquet(tmp_path)]
    assert positions(again, q="request") == everything
    again.close()


def test_files_are_compressed_ordered_by_day_and_private(filled: Store, tmp_path: Path) -> None:
    """Any program that reads Parquet reads them, with the range of times of each row group; sizes and ranges are told."""
    files = parquet(tmp_path)
    told = filled.info().archive
    assert told.files == len(files) > 0
    assert told.records == sum(pq.ParquetFile(file).metadata.num_rows for file in files) == 3000 - unarchived(filled)
    assert told.size_bytes == sum(file.stat().st_size for file in files)
    assert (told.first_ts, told.trouble) == (START, "")
    for file in files:
        group = pq.ParquetFile(file).metadata.row_group(0)
        (column,) = [found for at in range(group.num_columns) if (found := group.column(at)).path_in_schema == "ts"]
        assert column.compression == "ZSTD"
        assert column.statistics.has_min_max
        assert file.stat().st_mode & 0o077 == 0
    filled.close()


def test_dropped_where_that_is_set(tmp_path: Path, clock: Clock) -> None:
    """Without the archive, older records are gone; what was archived before stays and is searched."""
    store = opened(tmp_path, clock)
    store.write([Append("log_records", records(0, 100, at=START))])
    clock.now = START + 6 * DAY
    sampled(store, clock.now)
    assert unarchived(settled(store)) == 0
    store.close()
    store = opened(tmp_path, clock, ArchiveRule())
    store.write([Append("log_records", records(100, 100, at=START + 6 * DAY))])
    clock.now += 6 * DAY
    sampled(store, clock.now)
    assert positions(settled(store)) == list(range(100))
    store.close()


def test_the_archive_keeps_its_own_limits(filled: Store, tmp_path: Path, clock: Clock) -> None:
    """Beyond its size or age the oldest files go, and only they."""
    before = parquet(tmp_path)
    sizes_before = [file.stat().st_size for file in before]
    held = [pq.ParquetFile(file).metadata.num_rows for file in before]
    filled.set_limits(  # type: ignore[attr-defined] - the store in use has it
        limit_bytes=1 << 30, raw_days=7, log_days=4, archive=replace(KEEP, limit_bytes=sum(sizes_before) - 1)
    )
    filled.enforce_limit()
    assert parquet(tmp_path) == before[1:]
    assert positions(filled) == list(range(held[0], 3000))
    filled.set_limits(limit_bytes=1 << 30, raw_days=7, log_days=4, archive=replace(KEEP, days=1))  # type: ignore[attr-defined] - as above
    filled.enforce_limit()
    assert parquet(tmp_path) == []
    assert positions(filled) == list(range(3000 - unarchived(filled), 3000))
    filled.close()


def test_the_size_limit_of_the_store_moves_records_to_the_archive(tmp_path: Path, clock: Clock) -> None:
    """A store that is too small for its records archives the oldest ones: it stays below its limit, and none is lost."""
    store = opened(tmp_path, clock, limit_bytes=24 * MIB, block_rows=122_880)
    noise = random.Random(5)
    count = 0
    for minute in range(22):
        clock.now = START + (minute + 1) * 60_000_000
        table = records(count, 1000, at=START + minute * 60_000_000, step=10_000)
        texts = [f"{noise.getrandbits(6400):x}" for _ in range(1000)]
        store.write(
            [Append("log_records", table.set_column(table.column_names.index("message"), "message", pa.array(texts)))]
        )
        count += 1000
        assert store.info().size_bytes <= 24 * MIB
    assert 0 < unarchived(store) < count
    assert search.count(store, LogFilter.parse({}, 0))["count"] == count
    store.close()
    store = opened(tmp_path, clock, limit_bytes=24 * MIB)
    found = positions(store)
    assert len(found) == len(set(found)) == count
    assert search.count(store, LogFilter.parse({}, 0))["count"] == count
    store.close()


def test_what_cannot_be_archived_stays(tmp_path: Path, clock: Clock) -> None:
    """Where the folder cannot be used, records are kept in the store, and the status says why; later they are archived."""
    store = opened(tmp_path, clock)
    store.write([Append("log_records", records(0, 100, at=START))])
    (tmp_path / "log-archive").write_text("no folder")
    clock.now = START + 6 * DAY
    sampled(store, clock.now)
    assert positions(settled(store)) == list(range(100))
    assert unarchived(store) == 100
    assert "log-archive" in store.info().archive.trouble
    (tmp_path / "log-archive").unlink()
    assert unarchived(settled(store)) == 0
    assert store.info().archive.trouble == ""
    assert positions(store) == list(range(100))
    store.close()


def test_damage_is_told_and_costs_only_that_file(filled: Store, tmp_path: Path, clock: Clock) -> None:
    """A file that is gone, and one that is cut off: both are told at the next start, and the rest answers."""
    filled.close()
    gone, cut, *_ = files = parquet(tmp_path)
    held = [pq.ParquetFile(file).metadata.num_rows for file in files]
    gone.unlink()
    os.truncate(cut, 100)
    store = opened(tmp_path, clock)
    assert sum("missing or damaged" in notice for notice in store.info().notices) == 2
    assert positions(store) == list(range(held[0] + held[1], 3000))
    assert cut.with_name(f"{cut.name}.damaged").exists()
    store.close()


def test_a_new_store_takes_over_the_files_of_a_damaged_one(filled: Store, tmp_path: Path, clock: Clock) -> None:
    """The store's file is unreadable and set aside: the archive beside it is still searched."""
    archived = 3000 - unarchived(filled)
    filled.close()
    (tmp_path / "watchkeeper.duckdb").write_bytes(b"nothing of a store" * 1000)
    store = opened(tmp_path, clock)
    assert positions(store) == list(range(archived))
    store.close()
    store = opened(tmp_path, clock)
    assert positions(store) == list(range(archived))
    store.close()


def test_a_folder_with_signs_of_patterns_in_its_name(tmp_path: Path, clock: Clock) -> None:
    """Brackets, stars and quotes in the path of the data directory are part of a name."""
    folder = tmp_path / "it's [a] *dir"
    store = opened(folder, clock)
    store.write([Append("log_records", records(0, 100, at=START))])
    clock.now = START + 6 * DAY
    sampled(store, clock.now)
    assert unarchived(settled(store)) == 0
    assert positions(store) == list(range(100))
    store.close()


CHILD = """
import pathlib, sys
sys.path.insert(0, sys.argv[3])
from monitor.core.this_process import without
without("pandas")
from tests.integration.store.test_log_archive import DAY, START, opened, records, sampled
from monitor.store.interface import Append
now = START
store = opened(pathlib.Path(sys.argv[1]), lambda: now)
print("open", flush=True)
for day in range(int(sys.argv[2]), 10_000):
    store.write([Append("log_records", records(day * 500, 500, at=START + day * DAY, step=1000))])
    print(day, flush=True)
    now = START + (day + 1) * DAY
    sampled(store, now)
    store.enforce_limit()
    while store.tidy():
        pass
"""


@pytest.mark.parametrize("rounds", sizes(1, 100))
def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, clock: Clock, rounds: int) -> None:
    """A process that archives all the time is killed after a random number of microseconds of it: each record that it acknowledged is found once."""
    noise = random.Random(11)
    first = 0
    root = str(Path(__file__).parents[3])
    for _ in range(rounds):
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(first), root]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            wanted, told = noise.randint(1, 12), first - 1
            while told < first + wanted - 1:
                told = int(child.stdout.readline())
            try:
                child.wait(noise.random() * 0.06)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in child.stdout.read().split())])
        store = opened(tmp_path, clock)
        found = sorted(positions(store))
        assert len(found) == len(set(found)), "doubled"
        assert found == list(range(len(found))), "lost"
        first = len(found) // 500
        assert first - 1 in {told, told + 1}
        named = {row["name"] for row in stored(store, "SELECT name FROM log_archive")}
        store.close()
        beside = {name.replace(".parquet", ".filter") for name in named}
        assert named <= {path.name for path in (tmp_path / "log-archive").iterdir()} <= named | beside
    assert named
