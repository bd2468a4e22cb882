"""Files whose times have no day, written over several days: each record is of its day, whichever way the file is read."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.logs.conftest import Watch
from tests.waiting import wait_until

STEP = timedelta(minutes=29)
COUNT = 400


pytestmark = pytest.mark.usefixtures("utc")


def written(path: Path, form: str = "%H:%M:%S") -> list[int]:
    """A file of eight days, last written when its last record says; the times of its records, µs."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=30)
    times = [end - STEP * (COUNT - 1 - number) for number in range(COUNT)]
    lines = [
        f"{at.strftime(form)} INFO step {number}\n" + ("  more\n" if number % 9 == 0 else "")
        for number, at in enumerate(times)
    ]
    path.write_text("".join(lines))
    os.utime(path, (end.timestamp(), end.timestamp()))
    return [round(at.timestamp() * 1e6) for at in times]


WAYS: dict[str, dict[str, Any]] = {
    "followed": {},
    "its newest part first": {"big_file_bytes": 4000, "first_bytes": 1500, "chunk_bytes": 2500},
    "by other processes": {"big_file_bytes": 4000, "first_bytes": 1500, "chunk_bytes": 2500, "pool_bytes": 1000, "piece_bytes": 2500},
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_file_of_several_days_is_stored_on_its_days(start: Callable[..., Watch], tmp_path: Path, way: str) -> None:
    """Read as a whole, from its end, in pieces: and what is written now is of now."""
    path = tmp_path / "steps.log"
    times = written(path)
    watch = start(globs=(str(path),), **WAYS[way])
    found = wait_until(lambda: rows if len(rows := watch.in_file_order()) == COUNT else None, "all records are stored")
    assert [record.ts for record in found] == times
    before = time.time_ns() // 1000
    with path.open("a") as file:
        file.write(f"{datetime.now(UTC):%H:%M:%S} INFO now\n")
    last = wait_until(lambda: rows[-1] if len(rows := watch.in_file_order()) == COUNT + 1 else None, "the new record")
    assert abs(last.ts - before) < 120e6


@pytest.mark.parametrize("form", ["%H:%M:%S", "%I:%M:%S %p"])
def test_an_imported_file_is_stored_on_its_days(start: Callable[..., Watch], tmp_path: Path, form: str) -> None:
    """As `logs parse` says it."""
    path = tmp_path / "steps.log"
    times = written(path, form)
    watch = start()
    assert watch.ingest(path)["state"] == "done"
    assert [record.ts for record in watch.in_file_order()] == times


def test_what_was_written_while_nobody_watched_is_stored_on_its_days(
    start: Callable[..., Watch], tmp_path: Path
) -> None:
    """A watch that begins again goes on in the middle of the file."""
    path = tmp_path / "steps.log"
    times = written(path)
    whole = path.read_text()
    half = whole.index(" INFO step 200\n") - len("HH:MM:SS")
    path.write_text(whole[:half])
    os.utime(path, (times[199] / 1e6, times[199] / 1e6))
    first = start(globs=(str(path),))
    wait_until(lambda: len(first.in_file_order()) == 200, "the first half is stored")
    first.stop()
    with path.open("a") as file:
        file.write(whole[half:])
    os.utime(path, (times[-1] / 1e6, times[-1] / 1e6))
    second = start(globs=(str(path),))
    found = wait_until(lambda: rows if len(rows := second.in_file_order()) == COUNT else None, "all records are stored")
    assert [record.ts for record in found] == times
