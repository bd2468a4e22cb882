"""All services that the agent knows, and what they say of each other."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from monitor.config.services import ServiceSettings
from monitor.core.errors import MonitorError
from monitor.services.folder import ServiceFolder
from monitor.services.link import Wish
from monitor.services.unit import Unit

_DIGITS: Final = re.compile(r"([0-9]+)")


def as_counted(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value.

    >>> sorted(["w-10", "w-2", "a"], key=as_counted)
    ['a', 'w-2', 'w-10']
    """
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _DIGITS.split(name)]


class UnknownService(MonitorError):
    """There is no such service."""

    exit_code = 2


class Units:
    """The services by name.

    Args:
        base: the folder of their folders.
        clock: seconds since the epoch.
    """

    def __init__(self, base: Path, clock: Callable[[], float]) -> None:
        self._base, self._clock = base, clock
        self._units: dict[str, Unit] = {}

    def __iter__(self) -> Iterator[Unit]:
        return iter(list(self._units.values()))

    @property
    def names(self) -> set[str]:
        """The names of all."""
        return set(self._units)

    def find(self, name: str) -> Unit | None:
        """The service of a name, None without one."""
        return self._units.get(name)

    def of_output(self, path: str) -> Unit | None:
        """The service that an output file belongs to; None for any other file. From any thread."""
        folder = Path(path).parent
        unit = self._units.get(folder.name)
        return unit if unit is not None and folder == unit.folder.path else None

    def get(self, name: str) -> Unit:
        """The service of a name.

        Raises:
            UnknownService: there is none.
        """
        unit = self._units.get(name)
        if unit is None:
            raise UnknownService(f"there is no service {name[:80]}", hint="`watchkeeper service list` lists them")
        return unit

    def add(self, unit: Unit) -> None:
        """Know one more."""
        self._units[unit.name] = unit

    def remove(self, unit: Unit) -> None:
        """Forget one, and that it waits."""
        unit.requested = False
        unit.keep_waiting()
        self._units.pop(unit.name, None)

    def keep_waiting(self) -> None:
        """Write down which of them wait for others."""
        for unit in self:
            unit.keep_waiting()

    def take(self, services: Iterable[ServiceSettings]) -> None:
        """Use these settings, for services that are known and for new ones."""
        for service in services:
            unit = self._units.get(service.name)
            if unit is None:
                self.add(Unit(ServiceFolder(self._base / service.name), service))
            else:
                unit.settings = service

    def request(self, unit: Unit, wish: Wish) -> list[tuple[Unit, Wish]]:
        """Ask for a start of a service and of all that it depends on. Answers those that have a shim, and the wish that it has to hear: only the shim
        knows whether the service is still up.
        """
        unit.folder.keep_stopped(False)
        if unit.settings is None:
            return []
        unit.requested, unit.trouble, unit.lost, unit.wish = True, "", False, None
        unit.plan(self._clock())
        if unit.is_up:
            unit.wish = wish
            return [(unit, wish)]
        others = [self._units[name] for name in unit.settings.depends_on]
        return [
            asked for other in others if not other.satisfied for asked in self.request(other, Wish("start", wish.by))
        ]

    def waits(self, unit: Unit) -> str:
        """What a service waits for, in words; empty if it may start."""
        needs = unit.settings.depends_on if unit.settings else []
        waiting = [other for name in needs if (other := self._units.get(name)) is not None and not other.satisfied]
        waiting += [
            other
            for other in self
            if other.leaving and other.settings is None and other.link is not None and unit.is_renamed(other)
        ]
        return ", ".join(f"waits for {other.name} ({other.word})" for other in waiting)

    def needing(self, unit: Unit) -> list[str]:
        """The names of the services that depend on one."""
        return sorted(other.name for other in self if other.settings and unit.name in other.settings.depends_on)
