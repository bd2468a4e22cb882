"""Formats that a person named for files, where the program's own guess is not what they want."""

import fnmatch
from collections.abc import Iterable
from pathlib import Path

from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec
from logs.parsing.formats import Registry
from logs.parsing.formats.base import Format


class ForcedFormats:
    """Which files are read in which format, whatever their lines look like. The first pattern that fits a path wins.

    Args:
        lines: `GLOB=FORMAT`, where `*` in the glob is any text, slashes too.
    """

    def __init__(self, lines: Iterable[str], registry: Registry) -> None:
        self._rules: list[tuple[str, list[Format]]] = []
        self.errors: dict[str, str] = {}
        """Per line that says nothing usable, what is wrong with it."""
        for line in lines:
            pattern, _, name = line.rpartition("=")
            try:
                self._rules.append((str(Path(pattern.strip()).expanduser()), registry.named(name.strip())))
            except LogsError as error:
                self.errors[line] = f"{line!r}: {error.message}. {error.hint}"

    def of(self, path: str) -> list[Format] | None:
        """The formats to try for this file, none for plain text; None: nothing was said, find it out."""
        for pattern, formats in self._rules:
            if fnmatch.fnmatchcase(path, pattern):
                return formats
        return None


def files_of_format(lines: Iterable[str], name: str) -> list[str]:
    """The patterns of the files that `lines` (`GLOB=FORMAT`) give to the format called `name`."""
    pairs = [line.rpartition("=") for line in lines]
    return [pattern.strip() for pattern, _, named in pairs if named.strip() == name]


def check_forced(lines: Iterable[str], own: Iterable[FormatSpec] = ()) -> None:
    """Before a person's lines are taken; `own` are the formats that people described.

    Raises:
        LogsError: one of them names a format that there is not.
    """
    errors = ForcedFormats(lines, Registry(own)).errors
    for error in errors.values():
        raise LogsError(error, hint="")
