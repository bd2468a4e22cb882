"""Blocks of log records: a search passes over those that do not have what it looks for, and its answers never depend on that."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from logs import LogFilter
from logs.query import search
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Delete, Store, Upsert
from tests.doubles.rg_patterns import lines, question
from tests.doubles.stored import stored
from tests.examples import sizes

from .conftest import START, Clock

ROWS = 32


def records(messages: list[str], first: int = 0, fields: str | None = None) -> pa.Table:
    """Records of a file, from position `first` on."""
    count = len(messages)
    times = pa.array(range(START + first, START + first + count), pa.int64()).view(pa.timestamp("us"))
    return pa.table(
        {
            "host": ["h"] * count,
            "file_id": pa.array([1] * count, pa.int64()),
            "pos": pa.array(range(first, first + count), pa.int64()),
            "ts": times,
            "ingested": times,
            "level": pa.array([20] * count, pa.uint8()),
            "source": ["app"] * count,
            "message": messages,
            "lines": pa.array([1] * count, pa.int32()),
            "fields": pa.array([fields] * count, pa.string()),
        }
    )


def count(store: Store, **asked: str) -> int:
    """How many records a search counts; a page has as many."""
    wanted = LogFilter.parse(asked, 0)
    found = int(search.count(store, wanted)["count"])
    assert len(search.search(store, wanted, limit=100_000).records) == found
    return found


def filters(store: Store) -> int:
    """How many blocks have a filter."""
    return int(stored(store, "SELECT count(*) AS n FROM log_blocks")[0]["n"])


def tidied(store: Store) -> Store:
    """The store after all that was put off is done."""
    while store.tidy():
        pass
    return store


@pytest.fixture
def blocks(begun: Path, clock: Clock) -> Iterator[Store]:
    """A store with small blocks, and records in ten of them: the word `needle` is in one."""
    store = open_store(begun, limit_bytes=1 << 30, now=clock, block_rows=ROWS)
    for block in range(10):
        words = [f"request {block * ROWS + row} served" for row in range(ROWS)]
        words[7] = "a Needle" if block == 4 else words[7]
        store.write([Append("log_records", records(words, block * ROWS))])
    yield store
    store.close()


def test_every_full_block_gets_a_filter(blocks: Store) -> None:
    """One each, made one at a time when there is time; the newest records are searched without."""
    assert filters(blocks) == 0
    assert blocks.tidy()
    assert filters(blocks) == 1
    assert filters(tidied(blocks)) == 10
    blocks.write([Append("log_records", records(["another needle"], 1000))])
    assert count(blocks, q="needle") == 2
    assert not blocks.tidy()
    assert filters(blocks) == 10


def test_only_blocks_that_may_have_it_are_looked_at(blocks: Store) -> None:
    """What a filter denies is passed over: a record that got its text behind the filter's back is not found."""
    key = pa.table({"file_id": [1], "pos": [3], "message": ["a needle of straw"]})
    blocks.write([Upsert("log_records", key, ("file_id", "pos"))])
    assert count(tidied(blocks), q="straw") == 1
    hidden = records(["unheard of"], 3).append_column("block", pa.array([2], pa.int64()))
    blocks.write([Upsert("log_records", hidden.select(["file_id", "pos", "block"]), ("file_id", "pos"))])
    assert count(blocks, q="straw") == 0


@pytest.mark.parametrize("number", sizes(25, 10_000))
def test_answers_are_those_without_filters(tmp_path: Path, clock: Clock, number: int) -> None:
    """Literals, expressions, cases and scripts of all kinds: with filters of small blocks a search counts what it counts without."""
    rng = random.Random(23)
    written = [line.split(" INFO - ", 1)[1] for line in lines(rng, 600)]
    stores = [open_store(tmp_path / name, limit_bytes=1 << 30, now=clock, block_rows=8) for name in ("a", "b")]
    try:
        for at in range(0, len(written), 8):
            stores[0].write([Append("log_records", records(written[at : at + 8], at))])
        stores[1].write([Append("log_records", records(written))])
        tidied(stores[0])
        assert filters(stores[0]) == len(written) // 8
        for _ in range(number):
            asked = question(rng, written)
            counted = [int(search.count(store, LogFilter.parse(asked, 0))["count"]) for store in stores]
            assert counted[0] == counted[1], asked
    finally:
        for store in stores:
            store.close()


def test_fields_are_searched_too(blocks: Store) -> None:
    """A value of a field is found in the blocks whose fields have it."""
    rows = records(["served"] * ROWS, 5000, '{"trace_id": "4bf92f3577b34da6", "size": 4200042}')
    blocks.write([Append("log_records", rows)])
    tidied(blocks)
    assert count(blocks, query="trace_id=4BF92F3577B34DA6") == ROWS
    assert count(blocks, query="trace_id=4bf92f3577b34da7") == 0
    assert count(blocks, query="size=4200042.0") == ROWS
    assert count(blocks, query="trace_id=4bf9* OR needle") == ROWS + 1


def test_numbers_beyond_those_of_a_block_are_passed_over(blocks: Store) -> None:
    """Pairs of messages, also of one whose line goes on before it, and fields, nested ones too; a number that got in behind the filter's back is not found."""
    rows = records(["took=7s size: 3MiB"] * ROWS, 5000, '{"http": {"status": 504}, "latency_ms": 1500}')
    rows = rows.append_column("prefix", pa.array([f"12:00 worker{' ' * (row % 2)}" for row in range(ROWS)]))
    blocks.write([Append("log_records", rows)])
    there = ("took>2s", "took=7s", "http.status:5xx", "latency_ms>=1.5s", "size>3MB", "NOT took>7s took>1")
    absent = ("took>7s", "http.status:4xx", "latency_ms<1s", "size<3MB OR took<2", "http.status=505")
    for store in (blocks, tidied(blocks)):
        assert [count(store, query=query) for query in there] == [ROWS] * len(there)
        assert [count(store, query=query) for query in absent] == [0] * len(absent)
    number = stored(blocks, "SELECT block FROM log_records WHERE pos = 5003")[0]["block"]
    hidden = pa.table({"file_id": [1], "pos": [5003], "block": [number], "message": ["took=8s"]})
    blocks.write([Upsert("log_records", hidden.select(["file_id", "pos", "message"]), ("file_id", "pos"))])
    assert count(blocks, query="took>7s") == 1
    blocks.write([Upsert("log_records", hidden.select(["file_id", "pos", "block"]), ("file_id", "pos"))])
    assert count(blocks, query="took>7s") == 0
    assert count(blocks, query="took>6s") == ROWS


@pytest.mark.parametrize("number", sizes(20, 2_000))
def test_numbers_are_found_as_without_bounds(tmp_path: Path, clock: Clock, number: int) -> None:
    """Values of mixed kinds in fields and messages: with bounds of small blocks a search counts what it counts without, and what is tried record by record."""
    rng = random.Random(7)
    values = ["42", "7.5", "-3", "1e3", "2s", "250ms", "1m30s", "1h", "3MiB", "10kB", "95%", "1e999", "NaN", "fast", "9" * 30, "'4 s'", "10:30", "0x1F", "1.5.", ""]  # fmt: skip
    names = ["took", "size", "wait_ms", "http.status"]
    stores = [open_store(tmp_path / name, limit_bytes=1 << 30, now=clock, block_rows=8) for name in ("a", "b")]
    try:
        parts = []
        for at in range(0, 400, 8):
            few = rng.sample(values, 2)
            messages = [f"{rng.choice(names)}{rng.choice(['=', ': '])}{rng.choice(few)} done" for _ in range(8)]
            kept = json.dumps({rng.choice(names): rng.choice([*few, 5, -0.5, 1e300, None])})
            rows = records(messages, at, kept if rng.random() < 0.6 else None)
            parts.append(
                rows.append_column(
                    "prefix", pa.array([rng.choice(["INFO ", "app.", None]) for _ in range(8)], pa.string())
                )
            )
            stores[0].write([Append("log_records", parts[-1])])
        stores[1].write([Append("log_records", pa.concat_tables(parts))])
        tidied(stores[0])
        assert filters(stores[0]) == 50
        live = search.search(stores[1], LogFilter(), limit=1000).records
        for _ in range(number):
            sign, value = (
                rng.choice([">", ">=", "<", "<=", "="]),
                rng.choice(["42", "1s", "0.25s", "90s", "-3", "3MB", "1e3", "95%"]),
            )
            asked = {"query": f"{rng.choice(names)}{sign}{value}"}
            wanted = LogFilter.parse(asked, 0)
            counted = [int(search.count(store, wanted)["count"]) for store in stores]
            assert counted[0] == counted[1] == sum(map(wanted.matches, live)), asked
    finally:
        for store in stores:
            store.close()


def test_names_of_fields_and_whole_lines_are_searched_too(blocks: Store) -> None:
    """A field is looked for where its name stands, whatever is asked of it; a whole line has what stands before its message."""
    rows = records(["took=7s http.code=5"] * ROWS, 5000, '{"http": {"status": 504}, "a.b": "c"}')
    rows = rows.append_column("prefix", pa.array(["12:00 worker-77 | "] * ROWS))
    blocks.write([Append("log_records", rows)])
    asked = ("took>2s", "http.status>=500", "http.code=5", "a.b=c", "raw:worker-77", 'raw:"| took=7s"')
    for store in (blocks, tidied(blocks)):
        assert [count(store, query=query) for query in asked] == [ROWS] * len(asked)
        assert count(store, query="nothere>2s") == count(store, query="raw:worker-78") == 0
    hidden = pa.table({"file_id": [1], "pos": [3], "block": [2], "message": ["nothere=5s worker-78"]})
    blocks.write([Upsert("log_records", hidden.select(["file_id", "pos", "message"]), ("file_id", "pos"))])
    blocks.write([Upsert("log_records", hidden.select(["file_id", "pos", "block"]), ("file_id", "pos"))])
    assert count(blocks, query="nothere>2s") == count(blocks, query="raw:worker-78") == 0


def test_sources_loggers_and_formats_are_searched_too(blocks: Store) -> None:
    """Blocks without a record of a source, a logger or a format are passed over, whichever way it is asked for."""
    rows = records(["served"] * ROWS, 5000).set_column(6, "source", pa.array(["Web/Gate[1].log"] * ROWS))
    rows = rows.append_column("logger", pa.array(["Shop.Cart"] * ROWS)).append_column(
        "format", pa.array(["gelf"] * ROWS)
    )
    blocks.write([Append("log_records", rows)])
    asked: tuple[dict[str, str], ...] = (
        *({"source": source} for source in ("Web/Gate[1].log", "W*", "*[1].log", "nowhere,*Gate*")),
        *(
            {"query": query}
            for query in ("source:gate", "source=web*", "logger=shop.cart", "logger:Cart", "format=gelf")
        ),
        *({"query": query} for query in ("format:/g.lf/", "logger:/Shop[.]/ OR nothing")),
    )
    absent = ({"source": "Z*"}, {"query": "source:gute"}, {"query": "logger=shop.car"}, {"source": "Web/Gate[1].lo"})
    for store in (blocks, tidied(blocks)):
        assert [count(store, **query) for query in asked] == [ROWS] * len(asked)
        assert [count(store, **query) for query in absent] == [0] * len(absent)
        assert count(store, source="*") == count(store) == 11 * ROWS
    hidden = pa.table({"file_id": [1], "pos": [3], "source": ["unheard/of"], "logger": ["Nobody"]})
    blocks.write([Upsert("log_records", hidden, ("file_id", "pos"))])
    assert (
        count(blocks, source="unheard*")
        == count(blocks, query="source:unheard")
        == count(blocks, query="logger=nobody")
        == 0
    )


def test_a_record_that_grows_is_found_by_what_it_became(blocks: Store) -> None:
    """A traceback replaces its record after the block had its filter."""
    tidied(blocks)
    grown = records(["request 3 served\nTraceback\nKeyError: zebra"], 3)
    blocks.write([Upsert("log_records", grown, ("file_id", "pos"))])
    assert count(blocks, q="zebra") == 1
    assert count(tidied(blocks), q="zebra") == 1


def test_missing_and_damaged_filters_cost_only_time(tmp_path: Path, clock: Clock) -> None:
    """A filter that is gone, cut off, changed or of another kind is not believed, and made again at the next start."""
    folder = tmp_path / "data"
    store = open_store(folder, limit_bytes=1 << 30, now=clock, block_rows=ROWS)
    for block in range(6):
        store.write([Append("log_records", records([f"word{block}"] * ROWS, block * ROWS))])
    first = stored(tidied(store), "SELECT * FROM log_blocks ORDER BY block")
    changed: list[dict[str, Any]] = [
        {**first[1], "bits": bytes(len(first[1]["bits"]))},
        {**first[2], "bits": first[2]["bits"][:40]},
        {**first[3], "scheme": 99},
        {**first[4], "bits": b""},
    ]
    for row in changed:
        store.write([Upsert("log_blocks", pa.table({name: [value] for name, value in row.items()}), ("block",))])
    store.write([Delete("log_blocks", pa.table({"block": [first[0]["block"]]}), ("block",))])
    store.close()
    store = open_store(folder, limit_bytes=1 << 30, now=clock, block_rows=ROWS)
    assert [count(store, q=f"word{block}") for block in range(6)] == [ROWS] * 6
    tidied(store)
    assert stored(store, "SELECT * FROM log_blocks ORDER BY block") == first
    assert [count(store, q=f"word{block}") for block in range(6)] == [ROWS] * 6
    store.close()


def test_records_of_an_older_version_get_blocks(tmp_path: Path, clock: Clock) -> None:
    """Rows without a block are found, and numbered and given filters when there is time."""
    folder = tmp_path / "data"
    store = open_store(folder, limit_bytes=1 << 30, now=clock, block_rows=ROWS)
    rows = records([f"old {row}" for row in range(3 * ROWS)])
    store.write([Append("log_records", rows)])
    nowhere = rows.select(["file_id", "pos"]).append_column("block", pa.array([0] * rows.num_rows, pa.int64()))
    store.write([Upsert("log_records", nowhere, ("file_id", "pos"))])
    store.close()
    store = open_store(folder, limit_bytes=1 << 30, now=clock, block_rows=ROWS)
    store.write([Append("log_records", records(["new 1"], 9000))])
    assert (count(store, q="old 33"), count(store, q="new 1")) == (1, 1)
    tidied(store)
    assert filters(store) == 3
    assert (count(store, q="old 33"), count(store, q="new 1"), count(store, q="old")) == (1, 1, 3 * ROWS)
    store.close()


def test_a_block_goes_on_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    """A few records, and then a few more by the next agent: they share a block, which gets its filter when it is full."""
    for start in range(4):
        store = open_store(tmp_path, limit_bytes=1 << 30, now=clock, block_rows=ROWS)
        store.write([Append("log_records", records([f"start {start}"] * 10, 100 * start))])
        tidied(store)
        found = len(stored(store, "SELECT DISTINCT block FROM log_records"))
        assert [count(store, q=f"start {at}") for at in range(start + 1)] == [10] * (start + 1)
        store.close()
    assert found == 2


def test_filters_go_with_their_records(tmp_path: Path, clock: Clock) -> None:
    """Old records are dropped by age: so are the filters of blocks that are empty then; numbers are not used again."""
    store = open_store(tmp_path, limit_bytes=1 << 30, now=clock, block_rows=ROWS, log_days=1)
    host = {"host": ["h"] * 2, "ts": pa.array([START + 86_400_000_000 * 2, START + 86_400_000_000 * 3 - 1], pa.int64())}
    host["ts"] = host["ts"].view(pa.timestamp("us"))
    for block in range(3):
        store.write([Append("log_records", records([f"word{block}"] * ROWS, block * ROWS))])
    tidied(store)
    before = stored(store, "SELECT max(block) AS n FROM log_blocks")[0]["n"]
    clock.now = START + 86_400_000_000 * 3
    store.write([Append("host_samples", pa.table(host))])
    assert store.enforce_limit() >= 3 * ROWS
    assert filters(store) == 0
    store.write([Append("log_records", records(["word9"] * ROWS, 7000))])
    assert count(tidied(store), q="word9") == ROWS
    assert stored(store, "SELECT min(block) AS n FROM log_blocks")[0]["n"] > before
    store.close()
