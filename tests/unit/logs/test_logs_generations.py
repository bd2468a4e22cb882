"""Which files in a folder are generations of a log that came and went between two looks."""

import os
from pathlib import Path

import pytest

from logs.following.rotation import written_since
from logs.following.source_names import SourceNames

SINCE = 1_770_000_000_000_000


def place(folder: Path, name: str, after_s: int, text: str = "a line\n") -> str:
    """A file last written so many seconds after `SINCE`."""
    path = folder / name
    path.write_text(text)
    os.utime(path, (SINCE / 1e6 + after_s, SINCE / 1e6 + after_s))
    return str(path)


def test_only_what_was_written_since_the_last_look_was_missed(tmp_path: Path) -> None:
    """Forms of the path written after the last look are named, the oldest first; not older ones, packed ones, empty ones, other logs', nor the path itself."""
    path = place(tmp_path, "app.log", 9)
    place(tmp_path, "app.log.9", -5)
    place(tmp_path, "app.log.4.gz", 5)
    place(tmp_path, "app.log.5", 5, "")
    place(tmp_path, "other.log.1", 5)
    newer, older = place(tmp_path, "app.log.1", 4), place(tmp_path, "app.log-20260301", 2)
    assert [found for found, _ in written_since(path, SINCE)] == [older, newer]


@pytest.mark.parametrize(
    "generation",
    ["app-2026-03-01.log", "app.2026-03-01.log", "app.1.log", "app.log.2026-03-01_10", "app-20260301-1015.log"],
)
def test_generations_have_their_number_before_or_behind_the_suffix(tmp_path: Path, generation: str) -> None:
    """Whatever scheme a logger names them by, they are forms of the one log that is written to, and bear its name."""
    path, missed = place(tmp_path, "app.log", 9), place(tmp_path, generation, 2)
    place(tmp_path, "app.txt", 3)
    place(tmp_path, "apple-2026-03-01.log", 3)
    assert [found for found, _ in written_since(path, SINCE)] == [missed]
    names = SourceNames()
    assert names.name(missed) == names.name(path) == "app"


def test_a_folder_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """Without the folder no generation is named, and nothing fails."""
    assert list(written_since(str(tmp_path / "gone" / "app.log"), SINCE)) == []
