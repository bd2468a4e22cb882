"""Parsing files without a store: tracebacks, encodings, compression, hostile content."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logs
from logs import LogsError
from tests.examples import examples

PYTHON = """2026-03-01 10:11:12,345 - app - ERROR - failed
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in f
    h()
app.errors.Broken: no
2026-03-01 10:11:13,000 - app - INFO - on
"""
GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------
"""
JAVA = """2026-03-01 10:11:12,345 ERROR [main] org.app.Main: failed
java.lang.IllegalStateException: no
\tat org.app.Main.run(Main.java:1)
\t... 3 more
Caused by: java.io.IOException: gone
\tat org.app.Disk.read(Disk.java:9)
"""
GO = """panic: runtime error: index out of range

goroutine 1 [running]:
main.main()
\t/src/main.go:8 +0x1d
exit status 2
"""
CUDA = """2026-03-01 10:11:12,345 - train - ERROR - CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
Exception raised from c10_cuda_check at ../c10/cuda/CUDAException.cpp:43 (most recent call first):
frame #0: c10::Error::Error() + 0x57 (0x7f in /lib/libc10.so)
frame #1: <unknown function> + 0x1f (0x7f in /lib/libtorch.so)
"""


def parse(tmp_path: Path, data: str | bytes, name: str = "a.log") -> list[dict[str, Any]]:
    """The records of a file with this content."""
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(logs.parse_file(path))


def test_a_chained_traceback_is_one_record(tmp_path: Path) -> None:
    """A logged exception with its cause is one record; the next line is the next."""
    rows = parse(tmp_path, PYTHON)
    assert [(row["line_no"], row["lines"], row["level"]) for row in rows] == [(1, 12, "error"), (13, 1, "info")]
    assert rows[0]["body"].startswith("failed\nTraceback")
    assert rows[0]["body"].endswith("Broken: no")


def test_a_bare_traceback_between_prints_is_one_record(tmp_path: Path) -> None:
    """What the interpreter prints when a program dies is an error of its own."""
    body = PYTHON.split("\n", 1)[1].rsplit("\n", 2)[0]
    rows = parse(tmp_path, f"starting\n{body}\ncleaning up\n")
    assert [(row["lines"], row["level"]) for row in rows] == [(1, None), (11, "error"), (1, None)]


@pytest.mark.parametrize(("text", "lines"), [(JAVA, 6), (GO, 6), (CUDA, 7)], ids=["java", "go", "cuda"])
def test_stacks_of_other_languages_are_one_record(tmp_path: Path, text: str, lines: int) -> None:
    """Java, Go and CUDA: one record, an error."""
    rows = parse(tmp_path, text)
    assert [(row["lines"], row["level"]) for row in rows] == [(lines, "error")]


def test_the_lines_of_a_container_are_those_of_its_program(tmp_path: Path) -> None:
    """Docker, Kubernetes and Compose wrap each line: a traceback stays one record, a line cut at 16 KB is whole, streams are not mixed."""
    stamp = "2026-03-01T10:11:12.345678901Z"
    inner = PYTHON.splitlines()
    docker = "".join(json.dumps({"log": line + "\n", "stream": "stderr", "time": stamp}) + "\n" for line in inner)
    cri = "".join(f"{stamp} stderr F {line}\n" for line in inner)
    compose = "".join(f"web-1  | {line}\n" for line in inner)
    for number, text in enumerate((docker, cri, compose)):
        rows = parse(tmp_path, text, f"{number}.log")
        assert [(row["line_no"], row["lines"], row["level"]) for row in rows] == [(1, 12, "error"), (13, 1, "info")]
        assert rows[0]["body"] == "\n".join(["failed", *inner[1:12]])
    parts = [("x" * 100, False), ("y" * 100, False), ("z", True), ("next", True)]
    cut = "".join(
        json.dumps({"log": text + "\n" * whole, "stream": "stdout", "time": stamp}) + "\n" for text, whole in parts
    )
    assert [row["body"] for row in parse(tmp_path, cut, "cut.log")] == ["x" * 100 + "y" * 100 + "z", "next"]
    kubernetes = f"{stamp} stdout P {'x' * 100}\n{stamp} stdout F end\n{stamp} stderr F   indented\n"
    assert [row["body"] for row in parse(tmp_path, kubernetes, "k.log")] == ["x" * 100 + "end", "  indented"]


def test_an_exception_group_is_one_record(tmp_path: Path) -> None:
    """The drawing of a group stays together behind its record."""
    rows = parse(tmp_path, "2026-03-01 10:11:12,345 - app - ERROR - failed\n" + GROUP)
    assert [row["lines"] for row in rows] == [9]


@pytest.mark.parametrize(
    "before", ["starting\n", "2026-03-01 10:11:12,345 - app - INFO - up\n2026-03-01 10:11:13,345 - app - INFO - on\n"]
)
def test_an_exception_group_that_nobody_caught_is_a_record(tmp_path: Path, before: str) -> None:
    """Its first line begins with blanks, and is yet no part of what was said before."""
    rows = parse(tmp_path, before + GROUP + "end\n" * ("app" not in before))
    assert [(row["level"], row["lines"]) for row in rows if "Group" in row["body"]] == [("error", 8)]
    assert not any("Group" in row["body"] for row in rows if row["level"] != "error")


def test_crlf_bom_and_nul(tmp_path: Path) -> None:
    """Line ends of Windows, a byte order mark, NULs and broken UTF-8 are no obstacle."""
    rows = parse(
        tmp_path,
        b"\xef\xbb\xbf2026-03-01 10:11:12,345 - app - INFO - a\r\n2026-03-01 10:11:12,345 - app - INFO - b\x00\xff\r\n",
    )
    assert [(row["level"], row["body"]) for row in rows] == [("info", "a"), ("info", "b\ufffd\ufffd")]


def test_utf16_is_read(tmp_path: Path) -> None:
    """A file that begins with a UTF-16 mark is UTF-16."""
    rows = parse(tmp_path, "2026-03-01 10:11:12,345 - app - WARNING - grüße\n".encode("utf-16"))
    assert [(row["level"], row["body"]) for row in rows] == [("warn", "grüße")]


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    """A `.gz` file is read as what is in it; a damaged one is an error with a hint."""
    assert [row["body"] for row in parse(tmp_path, gzip.compress(b"one\ntwo\n"), "a.log.gz")] == ["one", "two"]
    with pytest.raises(LogsError):
        parse(tmp_path, gzip.compress(b"one\n" * 1000)[:-20], "b.log.gz")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing path and a directory are errors with hints."""
    for path in (tmp_path / "none.log", tmp_path):
        with pytest.raises(LogsError) as caught:
            list(logs.parse_file(path))
        assert caught.value.hint


def test_long_lines_behind_a_carriage_return_cost_no_more_than_others(tmp_path: Path) -> None:
    """Each is gone through once: a file of them, such as a program's own code that is taken for a log, must not hold the agent up for hours."""
    records = parse(tmp_path, ("10 %\r" + "x" * 60_000 + "\n") * 8)
    assert all(set(record["body"]) == {"x"} for record in records)


def test_an_enormous_line_does_not_break_the_next(tmp_path: Path) -> None:
    """A line of many megabytes is cut; what follows keeps its text."""
    rows = parse(tmp_path, b"x" * 9_000_000 + b"\n2026-03-01 10:11:12,345 - app - INFO - on\n")
    assert rows[-1]["body"] == "on"
    assert len(rows[0]["body"]) <= 4 << 20


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [
                    b"2026-03-01 10:11:12,345 - app - INFO - a",
                    b"  indented",
                    b"Traceback (most recent call last):",
                    b'{"msg":"x"}',
                    b"",
                ]
            ),
        ),
        max_size=12,
    )
)
def test_any_bytes_are_records(tmp_path: Path, parts: list[bytes]) -> None:
    """Any content is read to its end: every line that is not blank is in one record, in order."""
    data = b"\n".join(parts)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    rows = parse(tmp_path, data)
    numbers = [row["line_no"] for row in rows]
    assert numbers == sorted(set(numbers))
    assert sum(row["lines"] for row in rows) <= data.count(b"\n") + 1


def test_a_record_grows_to_a_bound(tmp_path: Path) -> None:
    """What goes on and on behind a header is cut into records, so that one of them never holds a whole file."""
    path = tmp_path / "deep.log"
    path.write_text("2026-03-01 10:11:12,345 - app - ERROR - deep\n" + "  at the same place\n" * 5001)
    records = list(logs.parse_file(path))
    assert [record["lines"] for record in records] == [5000, 2]
