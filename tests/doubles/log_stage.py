"""A folder of logs and a watch over it, for tests that rename, replace and empty files: numbered lines show what was read, and how often."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from tests.waiting import wait_until

HEAD: Final = "".join(
    f"2026-03-01 10:00:00,000 INFO head: the same in every file, line {number}\n" for number in range(30)
)


def line(number: int) -> str:
    """A line with a number."""
    return f"2026-03-01 10:{number // 60 % 60:02d}:{number % 60:02d},000 INFO seq: n={number}\n"


class Stage:
    """A folder of logs, and a watch over it that can be stopped, started and kept from looking.

    Its store stays open meanwhile, which is half of a restart: what a watch finds in one that was opened again is seen in `test_logs_tail.py`.
    """

    def __init__(self, folder: Path, start: Callable[..., Any]) -> None:
        self.folder = folder
        self.globs: tuple[str, ...] = (str(folder / "*.log"),)
        self.settings: dict[str, Any] = {}
        self._start = start
        self._store: Any = None
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
        self.watch = self._start(self.globs, opened=self._store, **self.settings)
        self._store = self.watch.store

    def end(self) -> None:
        """Stop the watch."""
        self.watch.service.stop()
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


Case = Callable[[Stage], Iterable[int]]
"""What is done to files; it returns the numbers that must be stored."""


class Cases(dict[str, Case]):
    """Cases by their names."""

    def __call__(self, scenario: Case) -> Case:
        """Add one, as a decorator."""
        self[scenario.__name__] = scenario
        return scenario

    def check(self, name: str, stage: Stage) -> None:
        """Each line that could be read is stored once."""
        expected = list(self[name](stage))
        wait_until(lambda: len(stage.numbers()) >= len(expected))
        stage.watch.service.flush(5)
        assert stage.numbers() == expected
