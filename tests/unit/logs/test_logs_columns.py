"""Pieces read as columns give the very records that reading them line by line gives."""

import random
from typing import Any

import pytest
from msgspec import structs

from logs.core.moments import SHAPES
from logs.core.timestamps import TimeReader
from logs.ingest import chunk as chunks
from logs.ingest.chunk import Chunk, ChunkParser
from logs.parsing.columns import re2_pattern, reader_of
from logs.parsing.formats import RegexFormat, Registry
from logs.parsing.parser import BlockParser
from logs.parsing.shape import Shape
from logs.redaction.line_mask import mask_of
from tests.examples import examples

MTIME = 1_772_360_000_000_000
TIMES = (
    "2026-03-01 10:00:00,123", "2026-03-01T10:00:00.5Z", "2026/03/01 10:00:00", "2026-03-01 10:00:00+0530", "2026-03-01 10:00:00+05",
    "2026-03-01T10:00:00.123456-08:00", "2026-03-01 10:00:00 UTC", "2026-02-31 10:00:00", "2026-03-01 10:00:00.1 CET",
)  # fmt: skip
HEADERS = (
    "{t} | INFO     | app.core:run:17 - ", "{t} - app.db - ERROR - ", "{t} - 4711 - app - DEBUG - ", "{t} - app - thread - WARNING - ", "{t} - INFO - ",
    "[{t}: INFO/MainProcess] ", "[{t}] [4711] [INFO] ", "{t} [info     ] ", "{t}:ERROR:root:", "{t} 4711]INFO:a:", "{t} [main] INFO  o.a.Thing - ",
    "{t} INFO 4711 --- [main] c.e.App : ", "{t} 4711 INFO nova.compute [req-1] ", "{t}\tINFO\tmain.go:17\t", "[{t}] local.ERROR: ", "{t} [4711] LOG:  ",
    "{t} 0 [Warning] [MY-010068] [Server] ", "{t} ERROR app: ", "{t} [error] 12#7: *3 ",
    "<34>1 {t} host app 4711 - - ", "2026/03/01 10:00:00 main.go:17: ", "Mar  1 10:00:00 host sshd[4711]: ", "<13>Mar  1 10:00:00 host cron: ",
    '10.0.0.1 - - [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 404 ', "INFO 03-01 10:00:00 [engine.py:10] ", "I0301 10:00:00.123456 4711 file.cc:10] ",
    "26/03/01 10:00:00 INFO Executor: ", "081109 203615 148 INFO dfs.DataNode: ",
)  # fmt: skip
BODIES = (
    "all is well", "ERROR - no, not that", "id=+05", "ümläut \u65e5\u672c", "", "  leads", "trails  ", "WARN shouted", "INFO - a - ERROR - b", "- x - y",
    "password=hunter2x9", "token: ghp_abcdefghijklmnopqrstuvwx", "tab\there\v", "x" * 300, "] : - | ", "\u2028 and \u0085 are no line ends",
)  # fmt: skip
OTHERS = (
    "", "   at com.app.Main(Main.java:3)", "Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: no", "a printed line",
    '{"level": "warn", "msg": "json", "time": "2026-03-01T10:00:00Z"}', "]", "2026-03-01 is no time", "\t", "api_key = sk-abcdefghijklmnopqrstuvwxyz0123",
)  # fmt: skip


def block(rng: random.Random, header: str, lines: int, newline: str) -> bytes:
    """Lines of mostly one header."""
    result = []
    times = rng.sample(TIMES, 3)
    for _ in range(lines):
        chance = rng.random()
        if chance < 0.06:
            result.append(rng.choice(OTHERS))
        else:
            chosen = rng.choice(HEADERS) if chance < 0.1 else header
            result.append(chosen.replace("{t}", rng.choice(times)) + rng.choice(BODIES))
    return (newline.join(result) + rng.choice([newline, ""])).encode()


def records(shape: Shape, data: bytes, limit: int, *, by_columns: bool) -> tuple[list[dict[str, Any]], chunks.Answer]:
    """The rows of a piece."""
    piece = Chunk(1000, 7, shape, None, MTIME, 5, "app", "host", 1, limit)
    table, answer = ChunkParser(mask_of(()), by_columns=by_columns).parse(piece, data)
    names = ("line_no", "logger", "pid", "raw", "fields")
    return [dict.fromkeys(names) | row for row in table.to_pylist()], answer


def shapes(data: bytes) -> list[Shape]:
    """How the piece is read best, by what was learned of it, and in a way that reads less of it."""
    registry = Registry()
    parser = BlockParser(registry, TimeReader(lambda: MTIME), str)
    parser.learn(data)
    best = parser.shape
    generic = next(n for n in range(200) if (fmt := registry.at(n)) is not None and fmt.name == "generic")
    return [
        best,
        structs.replace(best, learned=bool(best.layouts)),
        structs.replace(best, learned=False),
        Shape(generic),
    ]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_columns_and_lines_agree(seed: int) -> None:
    """Blocks of many formats, with continuations, secrets, foreign lines, odd zones and cut records: the same rows and the same answer both ways."""
    rng = random.Random(seed)
    done = 0
    for header in HEADERS:
        data = block(rng, header, examples(80), "\r\n" if rng.random() < 0.05 else "\n")
        limit = rng.choice([200, 1 << 20])
        for shape in shapes(data):
            expected = records(shape, data, limit, by_columns=False)
            found = records(shape, data, limit, by_columns=True)
            assert found == expected, header
            done += 1
    assert done >= len(HEADERS)


def test_most_formats_are_read_as_columns() -> None:
    """RE2 takes the expressions of the common formats; what Python alone can say is not tried."""
    registry = Registry()
    taken = {
        fmt.name
        for n in range(200)
        if isinstance(fmt := registry.at(n), RegexFormat) and fmt.dated and reader_of(fmt) is not None
    }
    assert {"python", "loguru", "celery", "gunicorn", "structlog", "java", "syslog", "access", "glog", "vllm"} <= taken
    for beyond in (r"a(?!b)", r"(?<=a)b", r"(?=a)b", r"(a)(?(1)b)", r"a++b", r"a$", r"(?P<x>a)(?P=x)"):
        assert re2_pattern(beyond) is None
    assert re2_pattern(r"a\$[^$](?=\S)") == r"^(?P<head>a\$[^$])(?P<ahead>[^ \t\n\v\f\r])"


def test_every_layout_of_a_time_is_read_as_columns() -> None:
    """No layout has what RE2 lacks: files with such times would be read line by line."""
    assert [name for name, shape in SHAPES.items() if re2_pattern(rf"(?P<ts>{shape.pattern}) ") is None] == []
