"""Which file is which: every way in which files are rotated, renamed, copied and packed, on real files with the real service."""

# ruff: noqa: D103 - the name of a case says what is done to the files

import contextlib
import gzip
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.doubles.log_stage import Cases, Stage, line
from tests.waiting import patient, wait_until

case: Final = Cases()


@case
def renamed_and_recreated(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path().rename(stage.path("app.log.1"))
    stage.write(10, 15)
    return range(15)


@case
def renamed_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    stage.write(10, 15)
    stage.path().rename(stage.path("app.log.1"))
    stage.write(15, 20)
    stage.begin()
    return range(20)


@case
def renamed_twice_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    stage.write(10, 15)
    stage.path().rename(stage.path("app.log.2"))
    stage.write(15, 20)
    stage.path().rename(stage.path("app.log.1"))
    stage.write(20, 25)
    stage.begin()
    return range(25)


@case
def renamed_twice_between_two_looks(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 15)
        stage.path().rename(stage.path("app.log.2"))
        stage.write(15, 20)
        stage.path().rename(stage.path("app.log.1"))
        stage.write(20, 25)
    return range(25)


@case
def dated_rotation_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    stage.write(10, 15)
    stage.path().rename(stage.path("app.log-20260301"))
    stage.write(15, 20)
    stage.begin()
    return range(20)


@case
def moved_to_another_folder(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path("old").mkdir()
    stage.write(10, 12)
    stage.path().rename(stage.path("old") / "app.log")
    stage.write(12, 15)
    return range(15)


@case
def moved_to_a_watched_folder_while_down(stage: Stage) -> Iterable[int]:
    stage.globs = (str(stage.folder / "**" / "*.log"),)
    stage.watched()
    stage.end()
    stage.path("old").mkdir()
    stage.write(10, 12)
    stage.path().rename(stage.path("old") / "app.log")
    stage.begin()
    return range(12)


@case
def written_on_after_the_rotation(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.path().open("a") as file:
        stage.path().rename(stage.path("app.log.1"))
        stage.write(10, 12)
        stage.read(10, 11)
        file.write(line(12))
    return range(13)


@case
def moved_away_and_back(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path().rename(stage.path("app.bak"))
    stage.write(10, 11, "app.bak")
    stage.read(10)
    stage.path("app.bak").rename(stage.path())
    stage.write(11, 13)
    return range(13)


def two(stage: Stage) -> None:
    """Two files, read."""
    stage.write(0, 5, "a.log")
    stage.write(5, 10, "b.log")
    stage.begin()
    stage.read(*range(10))


def swapped(stage: Stage) -> None:
    """The files have each other's names."""
    stage.path("a.log").rename(stage.path("c.tmp"))
    stage.path("b.log").rename(stage.path("a.log"))
    stage.path("c.tmp").rename(stage.path("b.log"))
    stage.write(10, 12, "a.log")
    stage.write(12, 14, "b.log")


@case
def names_swapped(stage: Stage) -> Iterable[int]:
    two(stage)
    swapped(stage)
    return range(14)


@case
def names_swapped_while_down(stage: Stage) -> Iterable[int]:
    two(stage)
    stage.end()
    swapped(stage)
    stage.begin()
    return range(14)


@case
def copied_and_emptied(stage: Stage) -> Iterable[int]:
    stage.watched()
    shutil.copy2(stage.path(), stage.path("app.log.1"))
    os.truncate(stage.path(), 0)
    stage.write(10, 15)
    return range(15)


@case
def copied_with_unread_lines_and_emptied(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 20)
        shutil.copy2(stage.path(), stage.path("app.log.1"))
        stage.write(20, 25, mode="w")
    return range(25)


@case
def copied_and_emptied_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    stage.write(10, 20)
    shutil.copy2(stage.path(), stage.path("app.log.1"))
    stage.write(20, 25, mode="w")
    stage.begin()
    return range(25)


@case
def copied_and_emptied_twice_between_two_looks(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 20)
        shutil.copy2(stage.path(), stage.path("app.log.2"))
        stage.write(20, 30, mode="w")
        shutil.copy2(stage.path(), stage.path("app.log.1"))
        stage.write(30, 35, mode="w")
    return range(35)


@case
def emptied_twice_between_two_looks(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 20, mode="w")
        stage.write(20, 25, mode="w")
    stage.read(*range(20, 25))
    lost = stage.watch.store.select("SELECT message FROM events WHERE kind = 'LOST'").column("message").to_pylist()
    assert len(lost) == 1
    assert "at least" in lost[0]
    return (*range(10), *range(20, 25))


@case
def packed_with_gzip(stage: Stage) -> Iterable[int]:
    stage.globs = (str(stage.folder / "*.log*"),)
    stage.watched()
    stage.path().rename(stage.path("app.log.1"))
    stage.write(10, 12)
    stage.read(10, 11)
    stage.path("app.log.1.gz").write_bytes(gzip.compress(stage.path("app.log.1").read_bytes()))
    stage.path("app.log.1").unlink()
    return range(12)


@case
def packed_with_gzip_while_down(stage: Stage) -> Iterable[int]:
    stage.globs = (str(stage.folder / "*.log*"),)
    stage.watched()
    stage.end()
    stage.path("app.log.1.gz").write_bytes(gzip.compress(stage.path().read_bytes()))
    stage.path().unlink()
    stage.write(10, 12)
    stage.begin()
    return range(12)


@case
def packed_with_zstd(stage: Stage) -> Iterable[int]:
    stage.globs = (str(stage.folder / "*.log*"),)
    stage.watched()
    packed = b"\x28\xb5\x2f\xfd" + os.urandom(200)
    if shutil.which("zstd"):
        packed = subprocess.run(
            ["zstd", "-qc", str(stage.path())], check=True, capture_output=True, timeout=patient(30)
        ).stdout
    stage.path("app.log.1.zst").write_bytes(packed)
    stage.path().unlink()
    stage.write(10, 12)
    return range(12)


@case
def packed_in_its_own_place(stage: Stage) -> Iterable[int]:
    stage.watched()
    packed = gzip.compress(stage.path().read_bytes() * 20)
    stage.path("packed.tmp").write_bytes(packed)
    stage.path("packed.tmp").rename(stage.path())
    stage.write(10, 12, "other.log")
    return range(12)


@case
def rotated_while_the_older_part_is_read(stage: Stage) -> Iterable[int]:
    stage.settings = {"big_file_bytes": 20_000, "first_bytes": 5_000}
    stage.write(0, 3000)
    stage.begin()
    stage.read(2999)
    stage.path().rename(stage.path("app.log.1"))
    stage.write(3000, 3010)
    return range(3010)


@case
def rotated_while_down_before_the_older_part_was_read(stage: Stage) -> Iterable[int]:
    stage.settings = {"big_file_bytes": 20_000, "first_bytes": 5_000}
    stage.write(0, 3000)
    stage.begin()
    stage.read(2999)
    stage.end()
    stage.write(3000, 3005)
    stage.path().rename(stage.path("app.log.1"))
    stage.write(3005, 3010)
    stage.begin()
    return range(3010)


@case
def many_rotations_between_two_looks(stage: Stage) -> Iterable[int]:
    stage.watched()
    for turn in range(1, 13, 3):
        with stage.unwatched():
            for part in range(turn, turn + 3):
                for number in (4, 3, 2, 1):
                    older = stage.path(f"app.log.{number - 1}" if number > 1 else "app.log")
                    if older.exists():
                        older.rename(stage.path(f"app.log.{number}"))
                stage.write(part * 10, part * 10 + 10)
        stage.read(*range(turn * 10 + 30))
    return range(130)


@pytest.mark.parametrize("name", case)
def test_every_line_is_read_once(name: str, stage: Stage) -> None:
    """Whatever is done to the files, each line that could be read is stored once."""
    case.check(name, stage)


@pytest.mark.parametrize("down", [False, True], ids=["unwatched", "down"])
@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_where_more_may_have_come_and_gone_that_is_counted(
    start: Callable[..., object],
    tmp_path: Path,
    rotations: int,
    down: bool,  # noqa: FBT001 - a parameter
) -> None:
    """One rotated file is kept: as long as that one is the file that was followed, nothing is missed; once it is newer, nobody knows what was between."""
    stage = Stage(tmp_path, start)
    stage.watched()
    with contextlib.nullcontext() if down else stage.unwatched():
        if down:
            stage.end()
        for number in range(rotations):
            stage.path().replace(stage.path("app.log.1"))
            stage.write(10 * (number + 1), 10 * (number + 2))
    if down:
        stage.begin()
    stage.read(*range(max(1, rotations - 1) * 10, 10 * (rotations + 1)))

    def told() -> tuple[int, int]:
        (source,) = (one for one in stage.watch.service.sources() if one.kind == "file")
        return source.gaps, source.missed_bytes

    wait_until(lambda: told() == (int(rotations > 1), 0), lambda: f"{told()}")
