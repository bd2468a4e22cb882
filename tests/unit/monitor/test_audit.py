"""What the audit keeps of refused requests: who, what and why, and never so many rows that they fill the store."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from monitor.live.audit import BEYOND_S, MOST_AN_HOUR, WINDOW_S, Audit
from monitor.store.interface import Append

BEGIN_US = 1_800_000_000_000_000


class World:
    """A clock with what is due on it, and all that was recorded."""

    def __init__(self) -> None:
        self.now_us = BEGIN_US
        self.rows: list[dict[str, Any]] = []
        self.events: list[str] = []
        self._due: list[tuple[int, Callable[[], None]]] = []
        self.audit = Audit(self, self, lambda: "h", lambda: self.now_us, self.later)  # type: ignore[arg-type]

    def note(self, changes: Sequence[Append]) -> None:
        """Rows for the store."""
        self.rows += [row for change in changes for row in change.rows.to_pylist()]

    def tell(self, _name: str, _kind: str, message: str, **_more: Any) -> None:
        """An event."""
        self.events.append(message)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Keep what is due."""
        self._due.append((self.now_us + int(seconds * 1e6), call))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now_us + int(seconds * 1e6)
        while due := sorted((one for one in self._due if one[0] <= until), key=lambda one: one[0]):
            self._due.remove(due[0])
            self.now_us = due[0][0]
            due[0][1]()
        self.now_us = until

    def ask(self, target: str = "mailer", actor: str = "Eve") -> None:
        """A request that is refused."""
        self.audit.undone("service stop", target, actor=actor, outcome="refused: only operators can stop services")


@pytest.fixture
def world() -> World:
    """Nothing was refused yet."""
    return World()


def test_a_refusal_says_who_what_and_why(world: World) -> None:
    """At once, in the table and as an event."""
    world.ask()
    [row] = world.rows
    assert (row["actor"], row["action"], row["target"]) == ("Eve", "service stop", "mailer")
    assert row["outcome"] == "refused: only operators can stop services"
    assert json.loads(row["details"]) == {}
    assert world.events == ["service stop by Eve: refused: only operators can stop services"]


def test_equal_ones_are_counted(world: World) -> None:
    """A thousand within a minute are two rows, of which the second has the number; another visitor's are not among them."""
    for _ in range(1_000):
        world.ask()
        world.wait(WINDOW_S / 2_000)
    world.ask(actor="Bob")
    world.wait(WINDOW_S)
    assert [(row["actor"], row["outcome"].partition("services")[2]) for row in world.rows] == [
        ("Eve", ""),
        ("Bob", ""),
        ("Eve", " (999 times more)"),
    ]
    world.ask()
    assert len(world.rows) == 4


def test_requests_that_differ_are_bounded_too(world: World) -> None:
    """Of a day of them each hour has some rows; the others are counted, none is lost; a calm visitor is heard again afterwards."""
    asked = 0
    for _ in range(24 * 60):
        for _ in range(20):
            world.ask(target=f"service {asked}")
            asked += 1
        world.wait(60)
    assert len(world.rows) <= 24 * (MOST_AN_HOUR + 3_600 / BEYOND_S) + MOST_AN_HOUR
    world.audit.close()
    listed = [row for row in world.rows if row["action"] == "service stop"]
    beyond = sum(
        int(row["outcome"].split(", ")[1].split(" ")[0].replace(",", ""))
        for row in world.rows
        if row["action"] == "requests"
    )
    assert len(listed) + beyond == asked
    world.wait(7_200)
    world.ask(target="at last")
    assert world.rows[-1]["target"] == "at last"


def test_what_was_counted_is_told_at_the_end(world: World) -> None:
    """An agent that stops keeps the number."""
    for _ in range(5):
        world.ask()
    world.audit.close()
    world.wait(2 * WINDOW_S)
    assert [row["outcome"].partition("services")[2] for row in world.rows] == ["", " (4 times more)"]


def test_a_clock_that_is_set_back_does_not_silence_it(world: World) -> None:
    """Rows of a time that is still to come are not those of the last hour."""
    for number in range(MOST_AN_HOUR + 5):
        world.ask(target=f"service {number}")
    world.now_us -= 86_400_000_000
    world.ask(target="before")
    assert world.rows[-1]["target"] == "before"
