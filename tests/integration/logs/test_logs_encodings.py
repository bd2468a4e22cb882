"""What bytes a file may hold: encodings, line ends, terminal codes, progress bars, holes; parsed, ingested and followed alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logs
from logs import LogRecord
from tests.integration.logs.conftest import watches
from tests.waiting import wait_until

STAMP = "2026-03-01 10:11:12,345 - app - INFO - "
Seen = list[tuple[int, str, int]]
"""Line number, message and number of lines of each record."""


def utf16(text: str, order: str) -> bytes:
    """UTF-16 with its mark."""
    return ("\ufeff" + text).encode(f"utf-16-{order}")


TEXT = f"{STAMP}grüße ਊ䄊\n{STAMP}second 🙂\n{STAMP.replace('INFO', 'ERROR')}failed\nTraceback (most recent call last):\n  x\nValueError: no\n{STAMP}last\n"
TEXT_SEEN: Seen = [
    (1, "grüße ਊ䄊", 1),
    (2, "second 🙂", 1),
    (3, "failed\nTraceback (most recent call last):\n  x\nValueError: no", 4),
    (7, "last", 1),
]
FILES: dict[str, tuple[bytes, Seen]] = {
    "utf-16 little": (utf16(TEXT, "le"), TEXT_SEEN),
    "utf-16 big": (utf16(TEXT, "be"), TEXT_SEEN),
    "utf-16 of Windows": (utf16(TEXT.replace("\n", "\r\n"), "le"), TEXT_SEEN),
    "utf-8 with a mark": (b"\xef\xbb\xbf" + TEXT.encode(), TEXT_SEEN),
    "line ends of Windows": (TEXT.replace("\n", "\r\n").encode(), TEXT_SEEN),
    "broken utf-8": (
        f"{STAMP}caf".encode() + b"\xe9 \xff\n" + f"{STAMP}b\n".encode(),
        [(1, "caf\ufffd \ufffd", 1), (2, "b", 1)],
    ),
    "line separators of Unicode": (
        f"{STAMP}a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n{STAMP}b\n".encode(),
        [(1, "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg", 1), (2, "b", 1)],
    ),
    "a progress bar": (
        b"\r  0%|   | 0/2\r 50%|=  | 1/2\r100%|===| 2/2\n" + f"{STAMP}done\n".encode(),
        [(1, "100%|===| 2/2", 1), (2, "done", 1)],
    ),
    "colours": (
        f"\x1b[32m{STAMP}\x1b[1mgreen\x1b[0m\x1b[K\n{STAMP}plain\n".encode(),
        [(1, "green", 1), (2, "plain", 1)],
    ),
    "a single zero": (f"{STAMP}a\0b\n".encode(), [(1, "a\ufffdb", 1)]),
    "a hole": (f"{STAMP}a\n".encode() + b"\0" * 5000 + f"{STAMP}b\n".encode(), [(1, "a", 1), (2, "b", 1)]),
    "no line end": (f"{STAMP}a\n{STAMP}b".encode(), [(1, "a", 1), (2, "b", 1)]),
    "blank lines": (f"\n\n{STAMP}a\n\n\n{STAMP}b\n\n".encode(), [(3, "a", 1), (6, "b", 1)]),
    "a lone surrogate": (utf16(f"{STAMP}a", "le") + b"\x00\xd8\x0a\x00", [(1, "a\ufffd", 1)]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of all cases are."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def watch(folder: Path, empty_store: Path) -> Iterator[Any]:
    """It follows what is written there, and reads in what it is told to."""
    with watches(folder, empty_store) as begin:
        yield begin((f"{folder}/*.log",))


def file_id(watch: Any, path: Path) -> int:
    """The number of a file, once the store knows it."""
    return wait_until(lambda: next((file.file_id for file in watch.files() if file.path == str(path)), 0))


def records(watch: Any, file: int) -> list[LogRecord]:
    """What the store holds of a file."""
    return [record for record in watch.in_file_order() if record.file_id == file]


def shown(found: list[LogRecord]) -> Seen:
    """What is compared of records."""
    return [(record.line_no, record.message, record.lines) for record in found]


@pytest.mark.parametrize("name", FILES)
def test_what_is_parsed(name: str, tmp_path: Path) -> None:
    """`parse` reads it."""
    data, seen = FILES[name]
    path = tmp_path / "app.log"
    path.write_bytes(data)
    assert [(row["line_no"], row["body"], row["lines"]) for row in logs.parse_file(path)] == seen


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_in_and_what_is_followed(name: str, watch: Any, folder: Path) -> None:
    """`ingest` stores the same, and so does following a file that grows byte by byte, with the same positions."""
    data, seen = FILES[name]
    path, growing = folder / f"{name}.dat", folder / f"{name}.log"
    path.write_bytes(data)
    assert watch.ingest(path)["state"] == "done"
    ingested = records(watch, file_id(watch, path))
    assert shown(ingested) == seen
    with growing.open("wb", buffering=0) as file:
        step = max(7, len(data) // 9)
        for begin in range(0, len(data), step):
            with watch.service.unwatched():
                file.write(data[begin : begin + step])
            written = len(data[: begin + step].rstrip(b"\0"))
            wait_until(
                lambda written=written: any(
                    tail.path == str(growing) and tail.position >= written for tail in watch.service.tails
                )
            )
    followed = file_id(watch, growing)
    wait_until(lambda: shown(records(watch, followed)) == seen)
    assert [record.pos for record in records(watch, followed)] == [record.pos for record in ingested]
