"""Append, Upsert and Delete, against a model of dictionaries."""

import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.errors import StoreError
from monitor.store.duckdb import open_store
from monitor.store.duckdb.engine import Engine
from monitor.store.interface import Append, Change, Delete, Store, Upsert
from tests.doubles.stored import stored
from tests.examples import examples

keys = st.integers(0, 6)
upserts = st.lists(st.tuples(keys, st.none() | st.integers(0, 99)), min_size=1, max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pid"), upserts),
        st.tuples(st.just("ppid"), upserts),
        st.tuples(st.just("delete"), st.lists(keys, min_size=1, max_size=3)),
    ),
    min_size=1,
    max_size=4,
)


def upsert(column: str, rows: list[tuple[int, int | None]]) -> Upsert:
    """Runs that are written over those with their key."""
    count = len(rows)
    table = {
        "run": pa.array([key for key, _ in rows], pa.int64()),
        "host": ["h"] * count,
        "boot_id": ["b"] * count,
        column: pa.array([value for _, value in rows], pa.int32()),
    }
    return Upsert("runs", pa.table(table), ("run",))


def delete(found: list[int]) -> Delete:
    """A change that takes these runs away."""
    return Delete("runs", pa.table({"run": pa.array(found, pa.int64())}), ("run",))


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(steps, min_size=1, max_size=4))
def test_upsert_and_delete_are_a_dictionary(store: Store, batches: list[list[tuple[str, list]]]) -> None:
    """Rows are replaced by key, the last of equal keys counts, columns not given stay, deleted keys are gone."""
    store.write([delete(list(range(7)))])
    model: dict[int, dict[str, int | None]] = {}
    for batch in batches:
        changes: list[Change] = []
        for kind, content in batch:
            if kind == "delete":
                changes.append(delete(content))
                for key in content:
                    model.pop(key, None)
            else:
                changes.append(upsert(kind, content))
                for key, value in content:
                    model.setdefault(key, {"pid": None, "ppid": None})[kind] = value
        store.write(changes)
        rows = stored(store, "SELECT run, pid, ppid FROM runs")
        assert {row["run"]: {"pid": row["pid"], "ppid": row["ppid"]} for row in rows} == model
        assert len(rows) == len(model)


def test_kept_columns_are_set_once(store: Store) -> None:
    """A column named in `keep` is set for a new row and stays as it was for an old one."""
    for value in (1, 2):
        first = upsert("pid", [(1, value)])
        rows = first.rows.append_column("ppid", pa.array([value], pa.int32()))
        store.write([Upsert("runs", rows, ("run",), keep=("ppid",))])
    assert stored(store, "SELECT pid, ppid FROM runs") == [{"pid": 2, "ppid": 1}]


def test_null_keys_match_each_other(store: Store) -> None:
    """A key part that is NULL equals NULL, so that such rows are replaced, not doubled."""
    row = pa.table(
        {
            "host": ["h"],
            "ts": pa.array([1], pa.timestamp("us")),
            "kind": ["X"],
            "subject": ["s"],
            "run": pa.array([None], pa.int64()),
        }
    )
    store.write([Upsert("events", row, ("kind", "run"))])
    store.write([Upsert("events", row, ("kind", "run"))])
    assert stored(store, "SELECT count(*) AS n FROM events") == [{"n": 1}]


def test_all_or_nothing(store: Store, host_rows: Callable[..., Append]) -> None:
    """A write whose last change is impossible leaves nothing of the first ones, and the next write works."""
    bad_value = pa.table({"host": ["h"], "ts": ["no time"]})
    for bad in (
        Append("nowhere", pa.table({"a": [1]})),
        Append("runs", pa.table({"colour": [1]})),
        Append("host_samples", bad_value),
        Append("host_samples", pa.table({"host": ["h"]})),
        Upsert("runs", pa.table({"host": ["h"]}), ("run",)),
        Upsert("runs", pa.table({"host": ["h"]}), ()),
    ):
        with pytest.raises(StoreError):
            store.write([host_rows({1: 1.0}), bad])
    store.write([host_rows({2: 2.0})])
    assert stored(store, "SELECT cpu_pct FROM host_samples") == [{"cpu_pct": 2.0}]


def test_readers_see_whole_writes_while_one_writes(store: Store, host_rows: Callable[..., Append]) -> None:
    """Two threads that read while 60 writes of two hosts go in always see both hosts equal: no half write."""
    done = threading.Event()
    uneven: list[object] = []

    def read() -> None:
        while not done.is_set():
            rows = store.select("SELECT host, count(*) AS n FROM host_samples GROUP BY host").to_pylist()
            if len({row["n"] for row in rows}) > 1 or len(rows) == 1:
                uneven.append(rows)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(60):
        store.write([host_rows({number: 1.0}, "a"), host_rows({number: 1.0}, "b")])
    done.set()
    for thread in threads:
        thread.join()
    assert uneven == []
    assert store.info().rows["host_samples"] == 120


def test_closed_is_closed(tmp_path: Path, host_rows: Callable[..., Append]) -> None:
    """After `close`, twice even, every call says that the store is closed."""
    store = open_store(tmp_path, limit_bytes=1, now=lambda: 0)
    store.close()
    store.close()
    for call in (lambda: store.write([host_rows({1: 1.0})]), lambda: store.select("SELECT 1"), store.enforce_limit):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_short_memory_refuses_or_stores_but_never_both(tmp_path: Path) -> None:
    """With too little memory a write says so and leaves nothing; one that only could not tidy up its log has stored its rows and says that."""
    store = open_store(tmp_path, limit_bytes=1 << 34, now=lambda: 1, memory_limit_mb=64)
    text, taken, refused = "some long text " * 14_000, 0, []
    try:
        for count in (10, 50, 100, 240, 60, 30, 10, 10, 10, 10, 50, 50, 100, 50):
            rows = pa.table({"value": [f'"{number} {text}"' for number in range(count)]})
            numbers = pa.array([1] * count, pa.timestamp("us"))
            for name in ("host", "kind", "name"):
                rows = rows.append_column(name, pa.array(["x"] * count))
            try:
                store.write([Append("ai_kept", rows.append_column("ts", numbers))])
            except StoreError as error:
                refused.append(error.message)
            else:
                taken += count
        assert refused
        assert all("memory" in message for message in refused)
    finally:
        store.close()
    store = open_store(tmp_path, limit_bytes=1 << 34, now=lambda: 1)
    assert [row["n"] for row in stored(store, "SELECT count(*) AS n FROM ai_kept")] == [taken]
    store.close()


def test_portions_of_any_size_can_be_joined_with_little_memory(tmp_path: Path) -> None:
    """Rows that came in portions a little larger than a row group are moved into the file, which joins the parts, within the memory of the engine."""
    engine = Engine(tmp_path / "x.duckdb", memory_limit_mb=32, wal_bytes=1 << 34)
    engine.connection.execute("CREATE TABLE texts (number BIGINT, text VARCHAR)")
    for portion in range(8):
        sql = "INSERT INTO texts SELECT i, md5(CAST(i AS VARCHAR)) FROM range($begin, $begin + 130000) AS r(i)"
        engine.connection.execute(sql, {"begin": portion * 130_000})
    engine.connection.execute("CHECKPOINT")
    assert engine.connection.execute("SELECT count(*) FROM texts").fetchall() == [(8 * 130_000,)]
    engine.close()
