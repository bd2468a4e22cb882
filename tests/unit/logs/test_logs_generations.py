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


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("worker-1.log", "worker-2.log"),
        ("worker.1.log", "worker.2.log"),
        ("slurm-1234.out", "slurm-1235.out"),
        ("job-12345678.out", "job-12345679.out"),
        ("rank-0", "rank-1"),
        ("worker-1-2026-03-01.log", "worker-2-2026-03-01.log"),
        ("app.txt", "app-1.log"),
    ],
)
def test_a_number_of_a_worker_is_none_of_rotation(tmp_path: Path, first: str, second: str) -> None:
    """Without the log that they would be taken from, files with numbers are logs of their own, and no missed generations of each other."""
    one, other = place(tmp_path, first, 2), place(tmp_path, second, 3)
    names = SourceNames()
    assert names.name(one) != names.name(other)
    assert list(written_since(one, SINCE, names.base)) == []
    again = SourceNames()
    for path in (other, one):
        again.remember(path, names.name(path))
    assert [again.name(path) for path in (one, other)] == [names.name(path) for path in (one, other)]


@pytest.mark.parametrize(
    ("path", "beside", "written", "log"),
    [
        ("app-1.log", "app.log", False, "app.log"),
        ("app-1.log", "app.log", True, "app-1.log"),
        ("app.log.1", "app.log", True, "app.log"),
        ("app.log.1", "", False, "app.log"),
        ("app.log.1", "", True, "app.log.1"),
        ("syslog.1", "syslog", False, "syslog"),
        ("app-2026-03-01.log", "", True, "app.log"),
        ("app-20260301.3.log", "", True, "app.log"),
        ("app.2026-03.log", "", True, "app.log"),
        ("worker-1-2026-03-01.log", "", True, "worker-1.log"),
        ("2026-03-01.log", "", True, "2026-03-01.log"),
        ("app-20269901.log", "", False, "app-20269901.log"),
    ],
)
def test_a_numbered_file_that_is_written_is_a_log_of_its_own(
    tmp_path: Path, path: str, beside: str, log: str, *, written: bool
) -> None:
    """A date is always one of rotation; a number before the suffix only beside its log, and while nobody writes it."""
    place(tmp_path, path, 2)
    if beside:
        place(tmp_path, beside, 3)
    assert SourceNames().base(str(tmp_path / path), written=written) == str(tmp_path / log)


def test_a_folder_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """Without the folder no generation is named, and nothing fails."""
    assert list(written_since(str(tmp_path / "gone" / "app.log"), SINCE)) == []
