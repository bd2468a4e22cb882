"""Queries in the language: the store, the live stream and a plain evaluation in Python find the same records."""

import json
import random
import re
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa
import pytest

import logs
from logs import LogFilter, LogRecord
from logs.analytics.vocabulary import field_names
from logs.query.tree import RESERVED
from monitor.store.duckdb.sql_templates import QUERIES
from monitor.store.interface import Append, Store, Upsert
from monitor.store.log_conditions import Condition
from tests.examples import sizes
from tests.integration.logs.test_logs_filters import fill

NOW = 1_800_000_000_000_000
WORDS = ["worker", "Heartbeat", "timed out", "out of memory", "GET /a", "x=1", "50%"]
SOURCES = ["train/worker.log", "web/app", "db"]
NAMES = ["python train.py --epochs 3", "nginx worker"]
VALUES: Final[list[Any]] = [
    "42", 42, 42.0, "bob", "Bob", True, None, "2s", "2500ms", "42ms", 0.5, "1m2s", "10MB", 3_000_000, {"code": 7}, [1, "a"], "", "a b", "95%", "9" * 25,
]  # fmt: skip


def records(rng: random.Random, number: int) -> list[LogRecord]:
    """Records with fields, with pairs in their text, and with neither."""
    found = []
    for at in range(number):
        fields = {
            name: rng.choice(VALUES)
            for name in rng.sample(["user", "took", "size", "level", "http.status"], rng.randrange(4))
        }
        if rng.random() < 0.2:
            fields["http"] = {"status": rng.choice([200, 500, "500"])}
        message = " ".join(rng.sample(WORDS, rng.randrange(1, 4)))
        if rng.random() < 0.5:
            value = rng.choice(["42", "bob", "2s", "42ms", "3ms", "7MiB", '"a b"', "1.5"])
            sign = rng.choice(["=", ": ", " "] if value[0].isdigit() else ["=", ": "])
            pair = f"{rng.choice(['user', 'took', 'size', 'left'])}{sign}{value}"
            message = rng.choice([f"{message} {pair}", f"{pair}, {message}"])
        kept = json.dumps(fields, separators=(",", ":")) if fields and rng.random() < 0.8 else None
        found.append(
            LogRecord(1, at, at + 1, NOW - at * 1_000_000, "line", rng.choice([0, 5, 10, 20, 30, 40, 50]), rng.choice(SOURCES), rng.choice([None, "app.db", "App"]),
                      rng.choice([None, 7, 42]), rng.choice([None, 100, 101]), "P ", message, None, rng.randrange(1, 3), kept, rng.choice(["json", "python"]))
        )  # fmt: skip
    return found


class Plain:
    """A query as a random tree, written in the language and evaluated in the most obvious way."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def term(self, depth: int = 2) -> tuple[str, Callable[[LogRecord], bool]]:
        """The text of a term and what it means."""
        rng = self.rng
        if depth and rng.random() < 0.5:
            parts = [self.term(depth - 1) for _ in range(rng.randrange(2, 4))]
            tests = [test for _, test in parts]
            sign = rng.choice([" ", " AND ", " OR "])
            meant = any if sign == " OR " else all
            text, found = (
                "(" + sign.join(text for text, _ in parts) + ")",
                lambda record: meant(test(record) for test in tests),
            )
        else:
            text, found = rng.choice(
                [
                    self.word,
                    self.expression,
                    self.level,
                    self.column,
                    self.field,
                    self.field,
                    self.compared,
                    self.whole,
                    self.run,
                ]
            )()
        if rng.random() < 0.25:
            return rng.choice(["-", "NOT "]) + text, lambda record: not found(record)
        return text, found

    def word(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """Text in quotes, without regard to case."""
        word = self.rng.choice([*WORDS, "WORKER", "nothing", "o"])
        return f'"{word}"', lambda record: word.lower() in record.message.lower()

    def expression(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """`/…/` and `/…/i`."""
        pattern, flag = self.rng.choice(["time(d)? ?out", "^w", "[0-9]+$", "M.*Y"]), self.rng.choice(["", "i"])
        return f"/{pattern}/{flag}", lambda record: bool(
            re.search(pattern, record.message, re.IGNORECASE if flag else 0)
        )

    def level(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """Levels by rank and by name."""
        sign, (word, number) = (
            self.rng.choice([">=", "<", ":", "!="]),
            self.rng.choice([("warn", 30), ("info", 20), ("fatal", 50)]),
        )
        meant: dict[str, Callable[[int], bool]] = {
            ">=": lambda level: level >= number, "<": lambda level: 0 < level < number, ":": lambda level: level == number, "!=": lambda level: level != number,
        }  # fmt: skip
        return f"level{sign}{word}", lambda record: meant[sign](record.level)

    def column(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """Source, logger and format."""
        text, meant = self.rng.choice([
            ("source:worker", lambda record: "worker" in record.source),
            ("source=web/app", lambda record: record.source == "web/app"),
            ("source:w*,db", lambda record: record.source[0] == "w" or record.source == "db"),
            ("source:APP.out", lambda record: record.source == "web/app"),
            ('source:"/app.out"', lambda record: record.source == "web/app"),
            ('source="/srv/db/1.log"', lambda record: record.source == "db"),
            ("source:*.log", lambda record: record.source != "web/app"),
            ("source:pp.out", lambda record: record.source == "pp.out"),
            ("logger:DB", lambda record: "db" in (record.logger or "")),
            ("logger=app", lambda record: record.logger == "App"),
            ("format=json", lambda record: record.format == "json"),
        ])  # fmt: skip
        return text, meant

    def value(self, record: LogRecord, name: str) -> str | None:
        """The value of a field as text, else that of a pair in the message."""
        fields = json.loads(record.fields or "{}")
        found = fields.get(name)
        if found is None and "." in name and isinstance(fields.get("http"), dict):
            found = fields["http"].get("status")
        if found is not None:
            return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
        pair = re.search(rf"(?:^|\s){re.escape(name)}(?:=|: )(\"[^\"]*\"|[^\s,]+)", record.message)
        pair = pair or re.search(rf"(?:^|\s){re.escape(name)} (\d[^\s,]*)", record.message)
        return pair[1].strip('"') if pair else None

    def field(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """Values of fields and of pairs in the text."""
        name = self.rng.choice(["user", "took", "fields.level", "http.status", "left"])
        plain = name.removeprefix("fields.")

        def found(test: Callable[[str], bool]) -> Callable[[LogRecord], bool]:
            return lambda record: (value := self.value(record, plain)) is not None and test(value)

        return self.rng.choice([
            (f"{name}=42", found(lambda value: value in {"42", "42.0", "42ms"})),
            (f"{name}:bob", found(lambda value: "bob" in value.lower())),
            (f"{name}=bob", found(lambda value: value.lower() == "bob")),
            (f"{name}=b*", found(lambda value: value.lower().startswith("b"))),
            (f"{name}:*", found(lambda _: True)),
            (f"{name}:/^[bB]/", found(lambda value: value[:1] in {"b", "B"})),
            (f'{name}="a b"', found(lambda value: value == "a b")),
            (f"{name}=500", found(lambda value: value == "500")),
            (f"{name}=9{'9' * 24}", found(lambda value: value == "9" * 25)),
        ])  # fmt: skip

    def compared(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """Values that compare with a number, with units."""
        seconds = {
            "2s": 2,
            "2500ms": 2.5,
            "1m2s": 62,
            "3ms": 0.003,
            "42ms": 0.042,
            "42": 42,
            "42.0": 42,
            "0.5": 0.5,
            "1.5": 1.5,
            "3000000": 3e6,
            "95%": 95,
            "9" * 25: 1e25,
        }
        sizes = {
            "10MB": 1e7,
            "7MiB": 7 * 1024**2,
            "42": 42,
            "42.0": 42,
            "0.5": 0.5,
            "1.5": 1.5,
            "3000000": 3e6,
            "95%": 95,
            "9" * 25: 1e25,
        }
        units = {"2s": 2, "2500ms": 2500, "3ms": 3, "42ms": 42, "10MB": 10, "7MiB": 7}
        written = seconds | sizes | units
        name = self.rng.choice(["took", "size", "user"])
        text, known, limit = self.rng.choice(
            [("2s", seconds, 2.0), ("1m", seconds, 60.0), ("1MB", sizes, 1e6), ("43", written, 43.0)]
        )
        sign, meant = self.rng.choice([(">", float.__gt__), ("<=", float.__le__)])

        def found(record: LogRecord) -> bool:
            value = known.get(self.value(record, name) or "")
            return value is not None and bool(meant(float(value), limit))

        return f"{name}{sign}{text}", found

    def whole(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """PIDs, lines and times."""
        return self.rng.choice([
            ("pid:42", lambda record: record.pid == 42),
            ("lines>1", lambda record: record.lines > 1),
            ("pid<42", lambda record: record.pid is not None and record.pid < 42),
            (f"since:{NOW - 30_000_000}", lambda record: record.ts >= NOW - 30_000_000),
            ("until:40s", lambda record: record.ts < NOW - 40_000_000),
        ])  # fmt: skip

    def run(self) -> tuple[str, Callable[[LogRecord], bool]]:
        """Runs by name, number and PID."""
        return self.rng.choice([
            ("run:train", lambda record: record.run == 100),
            ('run:"NGINX worker"', lambda record: record.run == 101),
            ("run:101", lambda record: record.run == 101),
            ("run:4242", lambda record: record.run == 100),
            ("run:7", lambda record: record.pid == 7),
        ])  # fmt: skip


@pytest.mark.parametrize("number", sizes(50, 5000))
def test_store_stream_and_plain_python_agree(store: Store, number: int) -> None:
    """Random queries over random records find the same ones in the store, live, and by the plainest evaluation; counts and bounds agree."""
    rng = random.Random(number)
    known = records(rng, 150)
    fill(store, known)
    runs = {
        "run": pa.array([100, 101], pa.int64()),
        "host": ["h"] * 2,
        "boot_id": ["b"] * 2,
        "pid": pa.array([4242, 5], pa.int32()),
        "name": ["python", "nginx"],
        "cmdline": NAMES,
    }
    store.write([Append("runs", pa.table(runs))])
    files = {"web/app": ["/srv/web/app.out"], "db": ["/srv/db/1.log", "/srv/db/2.txt"]}
    rows = [(name, path) for name, paths in files.items() for path in paths]
    file_ids = pa.array(range(len(rows)), pa.int64())
    store.write([Upsert("log_files", pa.table({"host": ["h"] * len(rows), "file_id": file_ids, "source": [one for one, _ in rows], "path": [path for _, path in rows]}), ("file_id",))])  # fmt: skip
    names = {100: (4242, f"python {NAMES[0]}"), 101: (5, f"nginx {NAMES[1]}")}
    plain = Plain(rng)
    for _ in range(number):
        text, meant = plain.term()
        wanted = LogFilter.parse({"query": text}, NOW, names.get, lambda source: files.get(source, []))
        expected = {record.pos for record in known if meant(record)}
        assert {record.pos for record in known if wanted.matches(record)} == expected, text
        found = {record.pos for record in logs.search.search(store, wanted, limit=1000).records}
        assert found == expected, text
        assert logs.search.count(store, wanted)["count"] == len(expected), text


def test_times_of_the_whole_query_bound_the_search(store: Store) -> None:
    """Where a query says since and until for all of it, the store looks no further; under OR and NOT they are conditions like others."""
    wanted = LogFilter.parse({"query": "a since:1h until:1m since:30m", "since": "2h"}, NOW)
    assert (wanted.since, wanted.until) == (NOW - 1_800_000_000, NOW - 60_000_000)
    assert LogFilter.parse({"query": "a OR since:1h"}, NOW).since is None
    assert logs.search.search(store, LogFilter.parse({"query": "since:1h until:2h"}, NOW)).records == []
    assert logs.search.histogram(store, LogFilter.parse({"query": "since:1h until:2h"}, NOW))["total"] == 0


def test_the_case_and_raw_switches_apply_to_words(store: Store) -> None:
    """`case` regards case, `raw` searches the whole original; an expression says itself how it regards case."""
    fill(
        store,
        [LogRecord(1, 0, 1, NOW, "line", 20, "x", None, None, None, "HEAD ", "Some Text", None, 1, None, "plain")],
    )

    def count(query: str, **more: str) -> int:
        return int(logs.search.count(store, LogFilter.parse({"query": query, **more}, NOW))["count"])

    assert [count("text"), count("text", case="1"), count("Text", case="1"), count("/text/"), count("/text/i")] == [
        1,
        0,
        1,
        0,
        1,
    ]
    assert [count("head"), count("head", raw="1"), count("raw:head"), count("/^HEAD/", raw="1")] == [0, 1, 1, 1]


def test_what_was_searched_is_told_for_marking() -> None:
    """Texts and expressions that a record is found for are told; those that it must not have are not."""
    wanted = LogFilter.parse({"query": "one -two (/th?ree/i OR level:warn) NOT (four)", "q": "zero"}, NOW)
    assert wanted.marks() == [
        {"text": "zero", "regex": False, "case": False},
        {"text": "one", "regex": False, "case": False},
        {"text": "th?ree", "regex": True, "case": False},
    ]


LINES: Final = [
    ("10.0.0.1 - - [x] ", '"GET /api/users?id=1&status=7 HTTP/1.1" 200 1234 "-" "Mozilla/5.0 (X11)"'),
    ("a.example:443 10.0.0.2 - bob [x] ", '"POST /login HTTP/1.1" 503 99 "http://a/b" "curl/8" 0.123'),
    ("INFO:     ", '127.0.0.1:54321 - "GET /x HTTP/1.1" 404 Not Found'),
    ("[GIN] 2026/12/02 - 10:00:00 | 500 | ", '   1.234s |  10.0.0.1 | POST     "/api/chat"'),
    ("[I App] ", "200 GET /api/contents (::1) 12.30ms"),
    ("", "a.log: status=503 duration: 3s path=/api/users"),
    ("", 'asked "GET /api" and got 503'),
    ("", "request took 1.5 s, loaded 512 rows on 2026-12-02 10"),
    ("", "latency: 230 ms"),
]  # fmt: skip


def test_values_in_lines_are_found_by_name(store: Store) -> None:
    """What stands at its place in a request's line, and a number behind a word, are found by name, in blocks with a filter and live; what is no such line has none."""
    asked = {
        "status>=500": {1, 3, 5}, "status:4xx": {2},
        "path:/api method=get -status=404": {0, 4}, "client=127.0.0.1": {2},
        "bytes>1kB": {0}, "duration>1s": {3, 5}, "duration<200ms": {1, 4}, "user=bob": {1}, "query:id": {0},
        "referer=*": {1}, "took>1s took=1.5 took<2s": {7}, "loaded>500 -took>2s": {7}, "latency<1s latency=230": {8}, "latency>1s OR 02>5": set(),
    }  # fmt: skip
    rows = [
        LogRecord(1, at, at + 1, NOW - at, "line", 20, "web", None, None, None, head, text, None, 1, None, "access")
        for at, (head, text) in enumerate([*LINES, *[("", "nothing")] * 32])
    ]
    fill(store, rows)
    while store.tidy():
        pass
    for query, found in asked.items():
        wanted = LogFilter.parse({"query": f"{query} -nothing"}, NOW)
        assert {row.pos for row in rows if wanted.matches(row)} == found, query
        assert {row.pos for row in logs.search.search(store, wanted).records} == found, query
    page = logs.search.search(store, LogFilter.parse({"query": "status=503 user=bob"}, NOW)).json(["status"])
    assert page["records"][0]["columns"] == {"status": "503"}
    assert page["records"][0]["fields"] == {
        "client": "10.0.0.2", "user": "bob", "method": "POST", "path": "/login", "protocol": "HTTP/1.1", "status": 503, "bytes": 99, "duration": "0.123",
        "referer": "http://a/b", "agent": "curl/8",
    }  # fmt: skip
    named = {one["name"]: one["values"] for one in field_names(store)}
    assert named["method"] == ["GET", "POST"]


def test_conditions_speak_the_shared_dialect() -> None:
    """The SQL of a query calls the shared functions and standard SQL only, and holds no text of a user."""
    text = "level>=warn level:info İx iş needle (user=4 OR b.c:x) took>2s status>=500 size<1MB logger:* source:/x/i run:train run:5 pattern:7 pattern:ab since:1h OR pid:3"
    wanted = LogFilter.parse({"query": text, "raw": "1"}, NOW).params()["where"]
    condition = Condition(wanted)  # type: ignore[arg-type]
    shared = set(re.findall(r"MACRO\s+(wk_\w+)", (QUERIES.parent / "schema" / "functions_duckdb.sql").read_text()))
    called = set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", condition.sql))
    assert called - shared <= {"coalesce", "concat", "lower", "CAST", "AND", "OR", "NOT", "IN", "WHERE", "SELECT"}
    assert "needle" not in condition.sql
    assert {"source", "since", "level"} <= RESERVED


def test_a_pattern_has_the_records_of_all_its_templates(store: Store) -> None:
    """Templates that were found to be one pattern are found together, by number and by public identity."""
    fill(
        store,
        [
            LogRecord(1, at, 1, NOW, "line", 20, "x", None, None, None, "", f"m{at}", None, 1, None, "plain")
            for at in range(4)
        ],
    )
    moment = pa.array([NOW] * 3, pa.timestamp("us"))
    templates = {
        "host": ["h"] * 3, "number": pa.array([1, 2, 3], pa.int64()), "id": ["one", "two", "three"], "pattern": pa.array([2, 2, 3], pa.int64()), "text": [""] * 3,
        "words": ["[]"] * 3, "example": [""] * 3, "source": ["x"] * 3, "level": pa.array([20] * 3, pa.uint8()), "first_seen": moment, "last_seen": moment,
        "noticed": moment, "learned": [False] * 3,
    }  # fmt: skip
    numbers = {
        "file_id": pa.array([1] * 4, pa.int64()),
        "pos": pa.array(range(4), pa.int64()),
        "template_id": pa.array([1, 2, 3, None], pa.int64()),
    }
    store.write(
        [Append("log_templates", pa.table(templates)), Upsert("log_records", pa.table(numbers), ("file_id", "pos"))]
    )

    def found(query: str) -> set[int]:
        return {one.pos for one in logs.search.search(store, LogFilter.parse({"query": query}, NOW)).records}

    assert [found(f"pattern:{name}") for name in ("1", "2", "two", "3", "four", "9")] == [
        {0, 1},
        {0, 1},
        {0, 1},
        {2},
        set(),
        set(),
    ]
    assert found("-pattern:2,3") == {3}
    asked = [LogFilter.parse({"query": query}, NOW) for query in ("-pattern:2", "a OR pattern:2", "a")]
    assert [one.streams for one in asked] == [False, False, True]
    assert not asked[0].matches(
        LogRecord(1, 9, 1, NOW, "line", 20, "x", None, None, None, "", "a", None, 1, None, "plain")
    )


def test_columns_have_what_a_query_finds(store: Store) -> None:
    """The value of a field, else of a pair in the message, as the language has it; nothing where there is none."""
    rng = random.Random(11)
    rows, plain = records(rng, 200), Plain(rng)
    fill(store, rows)
    names = ["user", "http.status", "size", "fields.level"]
    page = logs.search.search(store, LogFilter(), limit=1000).json(names)
    expected = {
        row.id: {name: value for name in names if (value := plain.value(row, name.removeprefix("fields."))) is not None}
        for row in rows
    }
    assert {record["id"]: record["columns"] for record in page["records"]} == expected
    assert {name for found in expected.values() for name in found} == set(names)
    assert "columns" not in logs.search.search(store, LogFilter(), limit=1).json()["records"][0]
