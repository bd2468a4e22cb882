"""A person's own SQL: it reads, and can do nothing else."""

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from monitor.core.errors import QueryError
from monitor.store.adhoc_sql.memory_watch import LOOK_S, MemoryWatch
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Stop, Store
from tests.integration.store.conftest import MIB, START
from tests.waiting import patient, wait_until

FORBIDDEN = [
    "INSERT INTO hosts (host, boot_id) VALUES ('x', 'y')",
    "UPDATE runs SET pid = 1",
    "DELETE FROM runs",
    "DROP TABLE runs",
    "CREATE TABLE x (a INT)",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE MACRO wk_ts(a) AS 1",
    "EXPLAIN ANALYZE INSERT INTO hosts (host, boot_id) VALUES ('x', 'y')",
    "EXPLAIN ANALYZE DELETE FROM meta",
    "WITH x AS (DELETE FROM runs RETURNING *) SELECT * FROM x",
    "SELECT 1; DELETE FROM runs",
    "COPY runs TO '{dir}/out.csv'",
    "COPY (SELECT 1) TO '{dir}/out.parquet'",
    "EXPORT DATABASE '{dir}/out'",
    "ATTACH '{dir}/other.duckdb'",
    "ATTACH 'http://127.0.0.1:1/x.duckdb'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET ALL",
    "PRAGMA enable_profiling",
    "CALL enable_logging()",
    "FROM enable_logging()",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM read_blob('/etc/host*')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_json('/proc/self/environ')",
    "SELECT * FROM read_parquet('http://127.0.0.1:1/x')",
    "SELECT * FROM parquet_metadata('/etc/hostname')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT getenv('HOME')",
    "BEGIN",
    "COMMIT",
    "CHECKPOINT",
    "VACUUM",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "SELECT $a",
    "SELECT ?",
    "",
    "   -- nothing",
    "SELECT",
    "SELECT 1\0",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store lies that these questions share, and with it the process that answers them."""
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[Store]:
    """A store that many questions are put to; nothing that they do may change it."""
    opened = open_store(folder, limit_bytes=256 * MIB, now=lambda: START)
    yield opened
    opened.close()


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_what_does_not_read_is_refused(asked: Store, folder: Path, sql: str) -> None:
    """Writing, files, network, settings, several statements: refused, and nothing changed."""
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(QueryError) as caught:
        asked.select(sql.replace("{dir}", str(folder)))
    assert caught.value.hint
    assert sorted(path.name for path in folder.iterdir()) == before
    assert asked.query("log_bounds").num_rows == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x",
        "VALUES (1)",
        "DESCRIBE runs",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "FROM hosts;",
    ],
)
def test_what_reads_is_answered(asked: Store, sql: str) -> None:
    """Every kind of reading statement gets a table."""
    assert asked.select(sql).num_columns >= 1


def test_secrets_of_the_process_are_not_there(asked: Store) -> None:
    """No secret is stored in the engine, and no Python variable of the program can be read as a table."""
    assert asked.select("SELECT * FROM duckdb_secrets()").num_rows == 0
    with pytest.raises(QueryError):
        asked.select("SELECT * FROM sql")


def test_a_huge_answer_is_cut_without_being_made(asked: Store) -> None:
    """The limit holds for ten thousand million rows, at once."""
    table = asked.select("SELECT * FROM range(10000000000)", limit=7, deadline_s=20)
    assert table.column(0).to_pylist() == list(range(7))
    assert asked.select("SELECT 1 AS a", limit=0).num_rows == 0


def test_an_answer_of_too_many_bytes_is_refused(asked: Store) -> None:
    """Rows of hundreds of millions of characters in all are no answer; the store goes on."""
    with pytest.raises(QueryError, match="more than") as caught:
        asked.select("SELECT repeat('x', 100_000) AS a FROM range(3000)")
    assert caught.value.hint
    assert asked.select("SELECT 1 AS a").num_rows == 1


GREEDY = [
    "SELECT repeat('x', 4_000_000_000)",
    "SELECT 1 WHERE length('x'.repeat(4_000_000_000)) > 1",
    "SELECT repeat('x', n) FROM (SELECT 4000000000 AS n)",
    "SELECT length(replace(repeat('a', 30000), 'a', repeat('b', 90000)))",
    "SELECT length(translate(repeat('a', 900000000), 'a', 'b'))",
    "WITH a AS (SELECT list_sort(range(4000000000)) AS l) SELECT len(l) FROM a",
    "SELECT generate_series(1, 1000000000)",
    "SELECT list_sort(range(90000)) FROM range(4000)",
    "SELECT string_agg(repeat('x', 50000), '') FROM range(200000)",
    "EXPLAIN ANALYZE SELECT repeat('x', 4_000_000_000)",
]


@pytest.mark.parametrize("sql", GREEDY)
def test_a_query_that_takes_too_much_ends_alone(asked: Store, sql: str) -> None:
    """What would take gigabytes, even within one call that nothing can interrupt, ends with a sentence. This process stays small, and the store answers on."""
    before = resident()
    with pytest.raises(QueryError) as caught:
        asked.select(sql, deadline_s=patient(6))
    assert caught.value.hint
    assert resident() - before < 50_000_000
    assert asked.select("SELECT 1 AS a").num_rows == 1


def test_what_crashes_the_engine_crashes_a_query_only(asked: Store) -> None:
    """Text that is nested without end gets an error; the next query is answered."""
    for sql in (f"SELECT {'(' * 40_000}1{')' * 40_000}", f"SELECT {'NOT ' * 40_000}true", "SELECT 1" + "+1" * 90_000):
        with suppress(QueryError):
            asked.select(sql, deadline_s=patient(30))
        assert asked.select("SELECT 1 AS a").num_rows == 1


def resident() -> int:
    """Memory of this process, bytes."""
    return int(psutil.Process().memory_info().rss)


def test_an_answer_is_json_or_arrow(store: Store) -> None:
    """The same rows in both forms, cut at the limit, and the second query needs no new process."""
    others = children()
    sql = "SELECT range AS n, [range, NULL] AS l FROM range(5)"
    answer = store.answer(sql, limit=2, form="json")
    text = b"".join(answer.chunks())
    assert len(text) == answer.size
    assert json.loads(text) == {"columns": ["n", "l"], "rows": [[0, [0, None]], [1, [1, None]]], "truncated": True}
    (process,) = children() - others
    assert json.loads(b"".join(store.answer(sql, limit=5, form="json").chunks()))["truncated"] is False
    assert store.select(sql, limit=2).to_pylist() == [{"n": 0, "l": [0, None]}, {"n": 1, "l": [1, None]}]
    assert children() - others == {process}


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT TIME '24:00:00'", "24:00:00"),
        ("SELECT TIME '00:00:00'", "00:00:00"),
        ("SELECT TIME '12:00:00.5'", "12:00:00.500000"),
        ("SELECT [TIME '24:00:00', NULL]", ["24:00:00", None]),
        ("SELECT {'to': TIME '24:00:00', 'rest': [1]}", {"to": "24:00:00", "rest": [1]}),
        ("SELECT MAP {'to': TIME '24:00:00'}", [["to", "24:00:00"]]),
        ("SELECT union_value(until := TIME '24:00:00')", "24:00:00"),
    ],
)
def test_the_end_of_a_day_is_not_its_beginning(store: Store, sql: str, value: object) -> None:
    """A time of 24:00:00 is shown as it is, also inside other values."""
    answer = json.loads(b"".join(store.answer(sql, limit=5, form="json").chunks()))
    assert answer["rows"] == [[value]]


def test_an_answer_that_nobody_takes_is_given_up(store: Store) -> None:
    """A closed answer releases its process, and closing the store leaves none."""
    others = children()
    answer = store.answer("SELECT repeat('x', 90000) FROM range(300)", limit=300, form="json")
    chunks = answer.chunks()
    assert next(chunks)
    chunks.close()  # type: ignore[attr-defined] # it is a generator
    wait_until(lambda: not children() - others, "its process has ended")
    assert store.select("SELECT 1 AS a").num_rows == 1
    store.close()
    assert not children() - others


def children() -> set[int]:
    """The processes for SQL."""
    return {c.pid for c in psutil.Process().children() if any(word.endswith("adhoc_sql") for word in c.cmdline())}


def test_queries_see_whole_transactions_while_rows_are_written(tmp_path: Path) -> None:
    """Each query reads the rows of whole transactions, unharmed, while a small log makes the writer reorganise its file all the time."""
    store = open_store(tmp_path, limit_bytes=64 * MIB, now=lambda: START)
    ended, written = threading.Event(), [0]

    def write() -> None:
        number = 0
        while not ended.is_set():
            rows = 130_000 if number % 7 == 3 else 3000  # some are written past the log
            text = [f"{number} {n} " + "x" * (n % 50) for n in range(rows)]
            store.write([Append("log_records", records(number, text))])
            written[0] = number = number + 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_until(lambda: written[0] >= 2, "something is written")
        sql = "SELECT file_id, count(*) AS n, sum(length(message)) AS m, max(pos) AS p FROM log_records GROUP BY ALL"
        seen = 0
        while seen < 5 or written[0] < 6:
            before = written[0]
            rows = store.select(sql, limit=100_000, deadline_s=patient(30)).to_pylist()
            assert len(rows) >= before
            for row in rows:
                assert row["n"] == row["p"] + 1 == (130_000 if row["file_id"] % 7 == 3 else 3000)
            seen += 1
    finally:
        ended.set()
        thread.join()
        store.close()


def records(file: int, texts: list[str]) -> pa.Table:
    """Log records of one file."""
    count = len(texts)
    return pa.table(
        {
            "host": ["h"] * count,
            "file_id": pa.array([file] * count, pa.int64()),
            "pos": pa.array(range(count), pa.int64()),
            "ts": pa.array([START] * count, pa.int64()).view(pa.timestamp("us")),
            "ingested": pa.array([START] * count, pa.int64()).view(pa.timestamp("us")),
            "level": pa.array([20] * count, pa.uint8()),
            "source": ["s"] * count,
            "message": texts,
            "lines": pa.array([1] * count, pa.int32()),
        }
    )


def test_the_log_stays_short_under_constant_queries(tmp_path: Path) -> None:
    """Queries one after another do not keep the store from moving its log into the file."""
    store = open_store(tmp_path, limit_bytes=64 * MIB, now=lambda: START)
    wal = tmp_path / "watchkeeper.duckdb.wal"
    longest = 0
    for number in range(24):
        texts = [hashlib.sha256(f"{number} {n}".encode()).hexdigest() for n in range(4000)]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(store.select, "SELECT count(*) FROM log_records")
            store.write([Append("log_records", records(number, texts))])
            asked.result()
        longest = max(longest, wal.stat().st_size if wal.exists() else 0)
    store.close()
    assert longest < 10 * MIB


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('-', 40) || lpad('7', 3, '0') || printf('%05.2f', 1.5) || format('{:>8}', 'x') AS a",
        "SELECT count(*) AS a FROM range(1000000)",
        "SELECT unnest(range(3)) AS a",
        "EXPLAIN ANALYZE SELECT repeat('x', 10)",
    ],
)
def test_a_value_of_a_known_length_is_made(asked: Store, sql: str) -> None:
    """The same functions do what people need them for."""
    assert asked.select(sql).num_rows >= 1


def test_a_value_that_grows_is_stopped(asked: Store) -> None:
    """A text that doubles in every round ends with a sentence before it has taken all memory, and the store answers on."""
    doubling = "WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t"
    with pytest.raises(QueryError) as caught:
        asked.select(doubling, deadline_s=60)
    assert caught.value.hint
    assert asked.select("SELECT 1 AS a").num_rows == 1


def test_a_query_that_takes_too_much_memory_is_stopped() -> None:
    """The watch ends what grows too much and nothing else, and goes with the query."""
    taken, ended = [1000], threading.Event()
    watch = MemoryWatch(500, taken=lambda: taken[0])
    with watch.ends(ended.set):
        taken[0] = 1500
        assert not ended.wait(3 * LOOK_S)
        taken[0] = 1501
        assert ended.wait(patient(20))
    assert watch.passed
    assert "memory-watch" not in {thread.name for thread in threading.enumerate()}


def test_a_slow_query_is_stopped_and_others_go_on(store: Store) -> None:
    """A cross join is cancelled at its deadline while another thread's query answers; the store stays usable."""
    failures: list[QueryError] = []

    def slow() -> None:
        try:
            store.select(
                "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3",
                deadline_s=0.4,
            )
        except QueryError as error:
            failures.append(error)

    thread = threading.Thread(target=slow)
    thread.start()
    assert store.select("SELECT 1 AS a").to_pylist() == [{"a": 1}]
    thread.join(timeout=patient(20))
    assert not thread.is_alive()
    assert "0.4 s" in failures[0].message
    assert store.select("SELECT 2 AS a").to_pylist() == [{"a": 2}]


def test_queries_check_their_parameters(store: Store) -> None:
    """A named query with a wrong name, a wrong or a missing parameter says which."""
    with pytest.raises(QueryError, match="no query"):
        store.query("nonsense")
    with pytest.raises(QueryError, match="colour"):
        store.query("host_last", host="h", colour="red")
    with pytest.raises(QueryError, match="host"):
        store.query("host_last")


def test_a_question_nobody_waits_for_ends(store: Store) -> None:
    """`until`: when the stop is said, what runs is cancelled and what comes later refused; others' questions and the store itself go on."""
    stop = Stop()
    asking = store.until(stop)
    endless = "SELECT count(*) FROM range(4000000) a, range(4000000) b WHERE a.range * b.range % 7 = 3"
    assert asking.select("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asking.select, endless, deadline_s=300)
        while not running.done():  # said just before it begins, it is not heard
            stop.say()
        with pytest.raises(QueryError, match="nobody waits"):
            running.result()
    with pytest.raises(QueryError, match="nobody waits"):
        asking.query("log_bounds")
    assert store.select("SELECT 2 AS two").to_pylist() == [{"two": 2}]
    assert store.until(Stop()).query("log_bounds").num_rows == 1
