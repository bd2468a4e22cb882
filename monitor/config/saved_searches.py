"""The searches of logs that people saved under names: `searches.toml` in the data directory, which may be edited by hand, too."""

import threading
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from logs import LogFilter, LogsError
from monitor.api_models.logs import SavedSearch
from monitor.config.toml_file import read_file, write_table
from monitor.core.errors import ConfigError

_KIND: Final = "search"
_MOST: Final = 500
_LONGEST: Final = 80


class SavedSearches:
    """Reads and writes the file; safe from any thread.

    Args:
        path: of the file; made when the first search is saved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def read(self) -> tuple[list[SavedSearch], list[str]]:
        """The searches, by name without regard to case, and what is wrong with those that cannot be used."""
        try:
            tables = read_file(self.path).get(_KIND, [])
        except ConfigError as error:
            return [], [f"{error.message}; {error.hint}"]
        found: dict[str, SavedSearch] = {}
        wrong: list[str] = []
        for number, table in enumerate(tables if isinstance(tables, list) else [tables], 1):
            try:
                one = SavedSearch.model_validate(table)
                check_search(one)
            except ValidationError as error:
                first = error.errors()[0]
                wrong.append(f"search {number}: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}")
            except (ConfigError, LogsError) as error:
                wrong.append(f"search {number}: {error.message}")
            else:
                if one.name.casefold() in found:
                    wrong.append(f"search {number}: another is named {one.name}, too")
                found.setdefault(one.name.casefold(), one)
        return [found[name] for name in sorted(found)], wrong

    def save(self, search: SavedSearch, *, was: str | None = None, replace: bool = False) -> None:
        """Keep a search.

        Args:
            search: what to keep.
            was: the name that it had; None for a new one.
            replace: whether it may take the place of another with its name.

        Raises:
            ConfigError: the name is none or is taken, there is none named `was`, or the file cannot be written.
            LogsError: the query is wrong.
        """
        check_search(search)
        with self._lock:
            names = self._names()
            old = None if was is None else names.get(was.casefold())
            if was is not None and old is None:
                raise self._missing(was)
            taken = names.get(search.name.casefold())
            if taken is not None and taken != old and not replace:
                raise ConfigError(
                    f"there is a search named {taken}", hint="choose another name, or delete that one first"
                )
            if taken is None and old is None and len(names) >= _MOST:
                raise ConfigError(f"there are {_MOST} saved searches already", hint="delete one that is not used")
            if taken is not None and old is not None and taken != old:
                write_table(self.path, _KIND, taken, None)
            table = search.model_dump(exclude_defaults=True)
            write_table(self.path, _KIND, old or taken or search.name, table)

    def remove(self, name: str) -> None:
        """Forget a search.

        Raises:
            ConfigError: there is none of this name, or the file cannot be written.
        """
        with self._lock:
            known = self._names().get(name.casefold())
            if known is None:
                raise self._missing(name)
            write_table(self.path, _KIND, known, None)

    def _names(self) -> dict[str, str]:
        """The names in the file, also of searches that cannot be used, by what they are without regard to case.

        Raises:
            ConfigError: the file is not TOML: nothing of it may be lost by writing it anew.
        """
        tables = read_file(self.path).get(_KIND, [])
        names = [str(table.get("name", "")) for table in tables if isinstance(table, dict)]
        return {name.casefold(): name for name in reversed(names)}

    def _missing(self, name: str) -> ConfigError:
        return ConfigError(
            f"there is no saved search named {name[:_LONGEST]!r}", hint="`watchkeeper logs saved` lists them"
        )


def check_search(search: SavedSearch) -> None:
    """Check what a search says.

    Raises:
        ConfigError: the name is none, or it asks for nothing.
        LogsError: the query is wrong.
    """
    name = search.name
    if not name.strip() or name != name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise ConfigError(
            f"{name[:_LONGEST]!r} is no name for a search",
            hint=f"use 1 to {_LONGEST} letters, digits, signs and blanks, with no blank at the ends",
        )
    params = search.params()
    if not params:
        raise ConfigError("this search asks for nothing", hint="search for something, then save it")
    LogFilter.parse({key: str(value) for key, value in params.items()}, 0)
