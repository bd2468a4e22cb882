"""Whole files as real programs write them: format, time, level and pid without being told, in any zone of the machine."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import logs
from tests.doubles.program_logs import PROGRAMS, Program
from tests.examples import examples

_MOMENT = (2026, 3, 1, 10, 11, 12)


ZONES = ("UTC", "America/New_York", "Asia/Kolkata")


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the machine's time zone, until the end of the test."""

    def to(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield to
    monkeypatch.undo()
    time.tzset()


def instant(program: Program) -> int | None:
    """When every record of the program was written, seconds since the epoch."""
    if program.zone in {None, "start"}:
        return None
    moment = datetime(*_MOMENT, tzinfo=UTC) if program.zone == "utc" else datetime(*_MOMENT).astimezone()
    return int(moment.timestamp())


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_what_a_program_writes_is_understood(program: Program, tmp_path: Path, in_zone: Callable[[str], None]) -> None:
    """In any zone of the machine each record has its time, its level and its pid, and none has one that the program did not write."""
    for zone in ZONES:
        in_zone(zone)
        _is_understood(program, tmp_path)


def _is_understood(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(program.text, newline="")
    written = (instant(program) or int(datetime(*_MOMENT, tzinfo=UTC).timestamp())) + 60
    os.utime(path, (written, written))
    rows = list(logs.parse_file(path))
    assert [row["level"] or "-" for row in rows] == program.levels.split()
    times = [row["ts"] and int(datetime.fromisoformat(row["ts"]).timestamp()) for row in rows]
    if program.zone == "start":
        assert times == sorted(times, key=lambda ts: ts or 0)
        assert times[-1] == written
    else:
        assert times == [instant(program)] * len(rows)
    assert {row["pid"] for row in rows} - {None} == ({program.pid} if program.pid is not None else set())
    if program.format is not None:
        assert {row["format"] for row in rows} == {program.format}


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_a_long_file_reads_like_a_short_one(program: Program, tmp_path: Path) -> None:
    """However many lines are read at once, each means what it means by itself."""
    times = examples(40)
    short, long = tmp_path / "short.log", tmp_path / "long.log"
    short.write_text(program.text, newline="")
    long.write_text(program.text * times, newline="")
    for path in (short, long):
        os.utime(path, (1772359872 + 60, 1772359872 + 60))
    one, many = (
        [
            (row["level"], row["pid"], row["body"], program.zone != "start" and row["ts"])
            for row in logs.parse_file(path)
        ]
        for path in (short, long)
    )
    assert many == one * times
