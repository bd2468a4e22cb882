"""Which file is which: files that are alike, linked, emptied, replaced, deleted and brought back, on real files with the real service."""

# ruff: noqa: D103 - the name of a case says what is done to the files

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.doubles.log_stage import HEAD, Cases, Stage, line
from tests.waiting import wait_until

case: Final = Cases()


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


@pytest.mark.parametrize("name", case)
def test_every_line_is_read_once(name: str, stage: Stage) -> None:
    """Whatever is done to the files, each line that could be read is stored once."""
    case.check(name, stage)


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
