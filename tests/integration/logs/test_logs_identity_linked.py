"""Which file is which: hard and symbolic links that are made, turned and left dangling, on real files with the real service."""

# ruff: noqa: D103 - the name of a case says what is done to the files

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.doubles.log_stage import Cases, Stage

case: Final = Cases()


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


@pytest.mark.parametrize("name", case)
def test_every_line_is_read_once(name: str, stage: Stage) -> None:
    """Whatever is done to the links, each line that could be read is stored once."""
    case.check(name, stage)
