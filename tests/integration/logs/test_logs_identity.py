"""Which file is which: every way in which files are rotated, replaced, linked, emptied and brought back, on real files with the real service.

Each case writes numbered lines; at the end every number that could be read is in the store exactly once, however the file was moved about.
"""

# ruff: noqa: D103 - the name of a case says what is done to the files

import gzip
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.waiting import patient, wait_until

CASES: Final[dict[str, Callable[["Stage"], Iterable[int]]]] = {}
HEAD: Final = "".join(
    f"2026-03-01 10:00:00,000 INFO head: the same in every file, line {number}\n" for number in range(30)
)


def line(number: int) -> str:
    """A line with a number."""
    return f"2026-03-01 10:{number // 60 % 60:02d}:{number % 60:02d},000 INFO seq: n={number}\n"


class Stage:
    """A folder of logs, and a watch over it that can be stopped, started and kept from looking."""

    def __init__(self, folder: Path, start: Callable[..., Any], stop: Callable[[Any], None]) -> None:
        self.folder = folder
        self.globs: tuple[str, ...] = (str(folder / "*.log"),)
        self.settings: dict[str, Any] = {}
        self._start, self._stop = start, stop
        self.watch: Any = None

    def path(self, name: str = "app.log") -> Path:
        """A file in the folder."""
        return self.folder / name

    def write(self, first: int, last: int, name: str = "app.log", mode: str = "a") -> Path:
        """Lines `first` to `last - 1` into a file."""
        path = self.path(name)
        with path.open(mode) as file:
            file.writelines(map(line, range(first, last)))
        return path

    def begin(self) -> None:
        """Start the watch."""
        self.watch = self._start(self.globs, **self.settings)

    def end(self) -> None:
        """Stop the watch."""
        self._stop(self.watch)
        self.watch = None

    def unwatched(self) -> Any:
        """While this is held, the watch does not look."""
        return self.watch.service.unwatched()

    def looked(self) -> None:
        """Wait until the watch has found what is there, and looked at all of it."""
        scans, rounds = self.watch.service.scans, self.watch.service.rounds
        wait_until(lambda: self.watch.service.scans > scans + 1 and self.watch.service.rounds > rounds + 2)

    def numbers(self) -> list[int]:
        """What is in the store, sorted."""
        return sorted(
            int(record.message.removeprefix("n=")) for record in self.watch.records() if record.message.startswith("n=")
        )

    def read(self, *numbers: int) -> None:
        """Wait until these numbers are stored."""
        wait_until(lambda: set(numbers) <= set(self.numbers()))

    def watched(self, first: int = 0, last: int = 10) -> None:
        """A file with these lines, read."""
        self.write(first, last)
        self.begin()
        self.read(*range(first, last))


def case(scenario: Callable[[Stage], Iterable[int]]) -> Callable[[Stage], Iterable[int]]:
    """A case; it returns the numbers that must be stored."""
    CASES[scenario.__name__] = scenario
    return scenario


@case
def same_first_kilobyte(stage: Stage) -> Iterable[int]:
    for number, name in enumerate(("a.log", "b.log")):
        stage.path(name).write_text(HEAD + line(number))
    stage.begin()
    stage.read(0, 1)
    stage.write(2, 3, "b.log")
    return range(3)


@case
def same_first_kilobyte_rotated(stage: Stage) -> Iterable[int]:
    stage.path().write_text(HEAD + line(0))
    stage.begin()
    stage.read(0)
    stage.path().rename(stage.path("app.log.1"))
    stage.path().write_text(HEAD + line(1))
    return range(2)


@case
def tiny_files(stage: Stage) -> Iterable[int]:
    for number in range(5):
        stage.path(f"{number}.log").write_text(f"n={number}\n")
    stage.begin()
    return range(5)


@case
def equal_tiny_files_told_apart(stage: Stage) -> Iterable[int]:
    for name in ("a.log", "b.log"):
        stage.path(name).write_text("same\n")
    stage.begin()
    wait_until(lambda: len(stage.watch.records()) == 2)
    stage.write(1, 2, "a.log")
    stage.write(2, 3, "b.log")
    return (1, 2)


@case
def copied_and_emptied_again_while_nobody_watched(stage: Stage) -> Iterable[int]:
    stage.watched(0, 10)
    shutil.copyfile(stage.path(), stage.path("app.log.1"))
    os.truncate(stage.path(), 0)
    stage.write(10, 20)
    stage.read(*range(20))
    stage.end()
    stage.write(20, 25)
    stage.path("app.log.1").rename(stage.path("app.log.2"))
    shutil.copyfile(stage.path(), stage.path("app.log.1"))
    os.truncate(stage.path(), 0)
    stage.write(25, 30)
    stage.begin()
    return range(30)


@case
def emptied_while_nobody_watched_beside_a_copy_that_is_still_read(stage: Stage) -> Iterable[int]:
    """The older copy is met first, and leads to the newer one before the file itself is looked at."""
    stage.watched(0, 10)
    with stage.unwatched():
        stage.write(10, 15)
        shutil.copyfile(stage.path(), stage.path("app.log.1"))
        os.truncate(stage.path(), 0)
    stage.write(15, 25)
    stage.read(*range(25))
    stage.end()
    for turn in (25, 30):
        stage.write(turn, turn + 5)
        for number in (2, 1):
            if stage.path(f"app.log.{number}").exists():
                stage.path(f"app.log.{number}").rename(stage.path(f"app.log.{number + 1}"))
        shutil.copyfile(stage.path(), stage.path("app.log.1"))
        os.truncate(stage.path(), 0)
    stage.write(35, 40)
    stage.begin()
    return range(40)


@case
def a_copy_that_is_found_before_the_file_is_emptied(stage: Stage) -> Iterable[int]:
    stage.globs = (str(stage.folder / "*.log*"),)
    stage.watched(0, 10)
    with stage.unwatched():
        stage.write(10, 15)
        shutil.copyfile(stage.path(), stage.path("app.log.1"))
    stage.read(*range(15))
    stage.looked()
    os.truncate(stage.path(), 0)
    stage.write(15, 20)
    return range(20)


@case
def a_copy_in_the_making(stage: Stage) -> Iterable[int]:
    stage.globs = (str(stage.folder / "*.log*"),)
    stage.watched(0, 40)
    data = stage.path().read_bytes()
    with stage.path("app.log.1").open("wb", buffering=0) as copy:
        stage.looked()
        for begin in range(0, len(data), 700):
            copy.write(data[begin : begin + 700])
            stage.looked()
    os.truncate(stage.path(), 0)
    stage.write(40, 50)
    return range(50)


@case
def empty_then_written(stage: Stage) -> Iterable[int]:
    stage.path().touch()
    stage.begin()
    wait_until(lambda: stage.watch.service.health()["files"] == 1)
    stage.write(0, 3)
    return range(3)


@case
def empty_then_written_copied_and_emptied_between_two_looks(stage: Stage) -> Iterable[int]:
    stage.path().touch()
    stage.begin()
    stage.looked()
    with stage.unwatched():
        for copy, first in (("app.log.2", 0), ("app.log.1", 10)):
            stage.write(first, first + 10, mode="w")
            shutil.copyfile(stage.path(), stage.path(copy))
        stage.write(20, 25, mode="w")
    return range(25)


@case
def empty_then_written_copied_and_left_empty_between_two_looks(stage: Stage) -> Iterable[int]:
    stage.path().touch()
    stage.begin()
    stage.looked()
    with stage.unwatched():
        stage.write(0, 10)
        shutil.copyfile(stage.path(), stage.path("app.log.1"))
        os.truncate(stage.path(), 0)
    return range(10)


@case
def empty_replaced_by_another_empty(stage: Stage) -> Iterable[int]:
    stage.path().touch()
    stage.begin()
    wait_until(lambda: stage.watch.service.health()["files"] == 1)
    stage.path("new.tmp").touch()
    stage.path("new.tmp").rename(stage.path())
    stage.write(0, 3)
    return range(3)


@case
def a_line_finished_later(stage: Stage) -> Iterable[int]:
    stage.path().write_text(line(0) + line(1)[:-3])
    stage.begin()
    wait_until(lambda: len(stage.watch.records()) == 2)
    with stage.path().open("a") as file:
        file.write("=1\n" + line(2))
    return range(3)


@case
def a_line_finished_while_down(stage: Stage) -> Iterable[int]:
    stage.path().write_text(line(0) + line(1)[:-3])
    stage.begin()
    wait_until(lambda: len(stage.watch.records()) == 2)
    stage.end()
    with stage.path().open("a") as file:
        file.write("=1\n" + line(2))
    stage.begin()
    return range(3)


@case
def a_traceback_finished_while_down(stage: Stage) -> Iterable[int]:
    stage.path().write_text("2026-03-01 10:00:00,000 ERROR app: failed\nTraceback (most recent call last):\n")
    stage.begin()
    wait_until(lambda: len(stage.watch.records()) == 1)
    stage.end()
    with stage.path().open("a") as file:
        file.write('  File "a.py", line 1, in f\nValueError: no\n' + line(1))
    stage.begin()
    stage.read(1)
    assert [record.lines for record in stage.watch.in_file_order()] == [4, 1]
    return (1,)


def reuse_inode(stage: Stage, path: Path) -> None:
    """Make a new file at `path` that has the inode of the one that was there (or at least another life of the path)."""
    inode = path.stat().st_ino
    path.unlink()
    spare = []
    for number in range(2000):
        path.touch()
        if path.stat().st_ino == inode:
            break
        spare.append(path.rename(stage.path(f"spare{number}.tmp")))
    for other in spare:
        other.unlink()
    path.touch()


@case
def inode_reused(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        reuse_inode(stage, stage.path())
        stage.write(10, 15)
    return range(15)


@case
def inode_reused_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    reuse_inode(stage, stage.path())
    stage.write(10, 40)
    stage.begin()
    return range(40)


@case
def inode_reused_by_another_name_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    reuse_inode(stage, stage.path())
    stage.path().rename(stage.path("other.log"))
    stage.write(10, 40, "other.log")
    stage.begin()
    return range(40)


@case
def emptied(stage: Stage) -> Iterable[int]:
    stage.watched()
    os.truncate(stage.path(), 0)
    wait_until(lambda: any(source.truncations for source in stage.watch.service.sources()))
    stage.write(10, 15)
    return range(15)


@case
def emptied_and_shorter(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 13, mode="w")
    return range(13)


@case
def regrown_past_the_offset(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 40, mode="w")
    return range(40)


@case
def regrown_to_the_same_size(stage: Stage) -> Iterable[int]:
    stage.watched(10, 20)
    with stage.unwatched():
        stage.write(20, 30, mode="w")
    return range(10, 30)


@case
def regrown_with_the_same_head(stage: Stage) -> Iterable[int]:
    stage.path().write_text(HEAD + line(10))
    stage.begin()
    stage.read(10)
    with stage.unwatched():
        stage.path().write_text(HEAD + line(11) + line(12))
    return range(10, 13)


@case
def regrown_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    stage.write(10, 40, mode="w")
    stage.begin()
    return range(40)


@case
def emptied_and_shorter_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    stage.write(10, 12, mode="w")
    stage.begin()
    return range(12)


@case
def written_again_the_same(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.path().write_text(stage.path().read_text())
    stage.write(10, 12)
    return range(12)


@case
def hard_link(stage: Stage) -> Iterable[int]:
    stage.write(0, 3)
    stage.path("hard.log").hardlink_to(stage.path())
    stage.begin()
    stage.read(*range(3))
    stage.write(3, 5, "hard.log")
    return range(5)


@case
def hard_link_outlives_the_name(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path("hard.log").hardlink_to(stage.path())
    stage.path().unlink()
    stage.write(10, 12, "hard.log")
    return range(12)


@case
def symbolic_link(stage: Stage) -> Iterable[int]:
    stage.write(0, 3)
    stage.path("soft.log").symlink_to("app.log")
    stage.begin()
    stage.read(*range(3))
    stage.write(3, 5, "soft.log")
    return range(5)


def linked(stage: Stage) -> Path:
    """A link `current` that leads to a file outside the globs, and is watched."""
    stage.write(0, 3, "one.dat")
    link = stage.path("current.log")
    link.symlink_to("one.dat")
    stage.begin()
    stage.read(*range(3))
    return link


def turned(stage: Stage, link: Path) -> None:
    """The link leads to the next file."""
    stage.write(3, 6, "two.dat")
    link.unlink()
    link.symlink_to("two.dat")


@case
def symbolic_link_turned(stage: Stage) -> Iterable[int]:
    turned(stage, linked(stage))
    return range(6)


@case
def symbolic_link_turned_while_down(stage: Stage) -> Iterable[int]:
    link = linked(stage)
    stage.end()
    turned(stage, link)
    stage.begin()
    return range(6)


@case
def symbolic_link_turned_and_back(stage: Stage) -> Iterable[int]:
    link = linked(stage)
    turned(stage, link)
    stage.read(*range(6))
    link.unlink()
    link.symlink_to("one.dat")
    stage.write(6, 8, "one.dat")
    return range(8)


@case
def dangling_link(stage: Stage) -> Iterable[int]:
    stage.path("current.log").symlink_to("later.dat")
    stage.write(0, 1, "other.log")
    stage.begin()
    stage.read(0)
    stage.write(1, 3, "later.dat")
    return range(3)


@case
def moved_behind_a_link(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path().rename(stage.path("moved.dat"))
    stage.path().symlink_to("moved.dat")
    stage.write(10, 12)
    return range(12)


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
def hole_after_emptying(stage: Stage) -> Iterable[int]:
    stage.begin()
    with stage.path().open("wb", buffering=0) as file:
        file.write("".join(map(line, range(10))).encode())
        stage.read(*range(10))
        os.truncate(stage.path(), 0)
        file.write("".join(map(line, range(10, 15))).encode())
        stage.read(*range(10, 15))
    return range(15)


@case
def hole_at_the_beginning(stage: Stage) -> Iterable[int]:
    with stage.path().open("wb") as file:
        file.seek(100_000)
        file.write("".join(map(line, range(5))).encode())
    stage.begin()
    return range(5)


@case
def hole_in_the_middle(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.path().open("r+b") as file:
        file.seek(3_000_000)
        file.write("".join(map(line, range(10, 15))).encode())
    return range(15)


@case
def space_taken_in_advance(stage: Stage) -> Iterable[int]:
    with stage.path().open("w+b", buffering=0) as file:
        file.write("".join(map(line, range(5))).encode())
        end = file.tell()
        os.ftruncate(file.fileno(), 1 << 16)
        stage.begin()
        stage.read(*range(5))
        file.seek(end)
        file.write("".join(map(line, range(5, 10))).encode())
        stage.read(*range(5, 10))
        file.write("".join(map(line, range(10, 12))).encode())
    return range(12)


@case
def replaced_by_a_folder_and_back(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path().unlink()
    stage.path().mkdir()
    stage.write(10, 12, "other.log")
    stage.read(10, 11)
    stage.path().rmdir()
    stage.write(12, 15)
    stage.read(*range(12, 15))
    wait_until(lambda: not stage.watch.service.health()["errors"])
    return range(15)


@case
def replaced_by_a_pipe(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.path().unlink()
    os.mkfifo(stage.path())
    stage.write(10, 12, "other.log")
    return range(12)


@case
def deleted_while_open(stage: Stage) -> Iterable[int]:
    stage.begin()
    with stage.path().open("w") as file:
        file.write(line(0))
        file.flush()
        stage.read(0)
        stage.path().unlink()
        file.write(line(1))
        file.flush()
        stage.read(1)
    return range(2)


@case
def deleted_and_recreated(stage: Stage) -> Iterable[int]:
    stage.watched()
    with stage.unwatched():
        stage.write(10, 12)
        stage.path().unlink()
        stage.write(12, 15)
    return range(15)


@case
def another_inode_with_the_same_content(stage: Stage) -> Iterable[int]:
    stage.watched()
    shutil.copy(stage.path(), stage.path("copy.tmp"))
    stage.path("copy.tmp").rename(stage.path())
    stage.write(10, 12)
    return range(12)


@case
def another_inode_with_the_same_content_while_down(stage: Stage) -> Iterable[int]:
    stage.watched()
    stage.end()
    shutil.copy(stage.path(), stage.path("copy.tmp"))
    stage.path("copy.tmp").rename(stage.path())
    stage.write(10, 12)
    stage.begin()
    return range(12)


@case
def saved_by_an_editor(stage: Stage) -> Iterable[int]:
    stage.watched()
    hidden = stage.path(".app.log.swp")
    hidden.write_text(stage.path().read_text() + line(10) + line(11))
    hidden.rename(stage.path())
    return range(12)


@case
def replaced_by_another_whole_file(stage: Stage) -> Iterable[int]:
    stage.watched()
    for first in (10, 20, 30):
        stage.write(first, first + 10, ".app.log.tmp", mode="w").rename(stage.path())
        stage.read(*range(first, first + 10))
    return range(40)


@case
def written_elsewhere_and_moved_in(stage: Stage) -> Iterable[int]:
    stage.begin()
    stage.write(0, 5, "app.part").rename(stage.path())
    stage.read(*range(5))
    stage.write(5, 7)
    return range(7)


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


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_read_once(
    name: str, tmp_path: Path, start: Callable[..., Any], stop: Callable[[Any], None]
) -> None:
    """Whatever is done to the files, each line that could be read is stored once."""
    folder = tmp_path / "logs"
    folder.mkdir()
    stage = Stage(folder, start, stop)
    expected = list(CASES[name](stage))
    wait_until(lambda: len(stage.numbers()) >= len(expected))
    stage.watch.service.flush(5)
    assert stage.numbers() == expected


def test_the_inode_of_an_empty_file_says_nothing_of_the_next(
    start: Callable[..., Any], stop: Callable[[Any], None], tmp_path: Path
) -> None:
    """A file of which nothing was read is known by its path alone: another one with its inode has a name and an identity of its own."""
    idle, train = tmp_path / "idle_stderr.log", tmp_path / "train.log"
    idle.touch()
    watch = start((str(tmp_path / "*.log"),))
    wait_until(lambda: watch.service.health()["files"] == 1)
    stop(watch)
    idle.rename(train)  # the surest way to a file with this inode
    train.write_text(line(1))
    again = start((str(tmp_path / "*.log"),))
    wait_until(lambda: again.messages() == ["n=1"])
    assert [record.source for record in again.records()] == ["train"]
