"""How files are read: shown, kept while nobody reads them, and corrected while they are followed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from logs import LogsError
from logs.core.reading import FileReading
from tests.integration.logs.conftest import Watch
from tests.waiting import wait_until

Start = Callable[..., Any]


def line(day: int, month: int, text: str) -> str:
    """A line whose date could be read in two ways."""
    return f"{day:02d}/{month:02d}/2026 10:11:12 [job-1] WARN {text}\n"


def only(watch: Watch, source: str = "a") -> FileReading:
    """How the one file of a source is read."""
    (found,) = watch.service.readings(source)
    return found


def dates(watch: Watch) -> dict[str, str]:
    """The month and day of each record."""
    return {record.message: f"{datetime.fromtimestamp(record.ts / 1e6, UTC):%m-%d}" for record in watch.records()}


def test_a_correction_holds_at_once_and_for_rotated_generations(start: Start, tmp_path: Path) -> None:
    """What comes after it is read in the other way; what is stored stays; a new generation is read in that way, too."""
    path = tmp_path / "a.log"
    path.write_text(line(3, 4, "one") + line(4, 4, "two"))
    watch: Watch = start(globs=(str(tmp_path / "*.log"),))
    wait_until(lambda: len(watch.messages()) == 2, "both are stored")
    found = only(watch)
    assert found.reading is not None
    assert (found.named, found.setting, found.reading.orders) == (str(path), None, ("day-first", "month-first"))
    other = next(order for order in found.reading.orders if order != found.reading.order)
    before = dates(watch)
    watch.service.configure(replace(watch.service.settings, formats=(f"{path}={other}",)))
    corrected = only(watch)
    assert corrected.reading is not None
    assert (corrected.reading.order, corrected.setting) == (other, f"{path}={other}")
    with path.open("a") as file:
        file.write(line(3, 4, "three"))
    wait_until(lambda: "three" in dates(watch), "the next line is stored")
    assert before.items() <= dates(watch).items()
    assert {dates(watch)["one"], dates(watch)["three"]} == {"03-04", "04-03"}
    path.rename(tmp_path / "a.log.1")
    path.write_text(line(3, 4, "four"))
    wait_until(lambda: "four" in dates(watch), "the new generation is read")
    assert dates(watch)["four"] == dates(watch)["three"]
    watch.service.configure(replace(watch.service.settings, formats=()))
    assert only_of(watch, path).setting is None


def only_of(watch: Watch, path: Path) -> FileReading:
    """How this one of the files is read."""
    return next(one for one in watch.service.readings("a") if one.path == str(path))


def test_what_was_decided_is_kept_over_a_restart(start: Start, tmp_path: Path) -> None:
    """A file whose first lines say how its dates are is read on in the same way, whatever stands at its beginning by now."""
    path = tmp_path / "a.log"
    path.write_text("".join(line(25, 3, f"m{number}") for number in range(120)))
    watch: Watch = start(globs=(str(path),))
    wait_until(lambda: len(watch.messages()) == 120, "all is stored")
    (state,) = watch.files()
    assert state.reading is not None
    watch.stop()
    again: Watch = start(globs=(str(path),))
    with path.open("a") as file:
        file.write(line(3, 4, "after"))
    wait_until(lambda: "after" in dates(again), "the new line is stored")
    assert dates(again)["after"] == "04-03", "the day comes first, as before"
    assert [one.reading for one in again.files()] == [state.reading]


def test_an_imported_file_and_one_that_is_gone(start: Start, tmp_path: Path) -> None:
    """A file that nobody follows is shown as it was read; of one that is gone it says so; a source that is none is refused."""
    path = tmp_path / "b.log"
    path.write_text("".join(line(25, 3, f"m{number}") for number in range(120)))
    watch: Watch = start()
    watch.ingest(path)
    found = only(watch, "b")
    assert found.reading is not None
    assert (found.followed, found.reading.order, found.reading.by) == (False, "day-first", "learned")
    path.unlink()
    gone = only(watch, "b")
    assert gone.reading is None
    assert gone.error is not None
    assert "cannot be read" in gone.error
    with pytest.raises(LogsError, match="no source"):
        watch.service.readings("none")


def test_two_formats_that_are_forced_do_not_share_a_reader(start: Start, tmp_path: Path) -> None:
    """Files that are read by several processes at once are each read in the format that was named for them."""
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    count = 3000
    first.write_text("".join(f"2026-03-01 10:11:12,345 - app.db - WARNING - m{n}\n" for n in range(count)))
    second.write_text("".join(f"2026-03-01 10:11:12,345 INFO [main] org.apache.App: m{n}\n" for n in range(count)))
    watch: Watch = start(pool_bytes=1, piece_bytes=32 << 10)
    watch.ingest(first, format="python")
    watch.ingest(second, format="java")
    found = watch.records()
    assert {(record.source, record.format, record.logger) for record in found} == {
        ("first", "python", "app.db"),
        ("second", "java", "org.apache.App"),
    }
    assert len(found) == 2 * count
