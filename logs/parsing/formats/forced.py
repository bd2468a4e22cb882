"""How people say that files are read, where the program's own guess is not what they want."""

import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec
from logs.core.moments import Order
from logs.parsing.formats import Registry
from logs.parsing.formats.base import Format

DETECT: Final = "detect"
"""Stands for the format that the file's own lines show: for files that a wider pattern would force."""
ORDERS: Final[dict[str, Order]] = {"day-first": "dmy", "month-first": "mdy", "year-first": "ymd"}
"""What may be said of dates such as 03/04/2026, beside a format or without one."""
RESERVED: Final = frozenset({DETECT, *ORDERS})
"""Words that no format may have for its name."""


class Forced(NamedTuple):
    """What somebody said about a file: its `formats` (none for plain text; None: find it out), and which of a date's numbers is the day (`order`)."""

    formats: list[Format] | None = None
    order: Order = ""
    line: str | None = None
    """The setting that says it."""


UNSAID: Final = Forced()


class ForcedFormats:
    """Which files are read in which way, whatever their lines look like. The first pattern that fits a path wins.

    Args:
        lines: `GLOB=FORMAT`, `GLOB=day-first` or both (`GLOB=FORMAT day-first`), where `*` in the glob is any text, slashes too.
    """

    def __init__(self, lines: Iterable[str], registry: Registry) -> None:
        self._rules: list[tuple[str, Forced]] = []
        self.errors: dict[str, str] = {}
        """Per line that says nothing usable, what is wrong with it."""
        for line in lines:
            pattern, _, said = line.rpartition("=")
            try:
                self._rules.append((str(Path(pattern.strip()).expanduser()), _said(said, registry, line)))
            except LogsError as error:
                self.errors[line] = f"{line!r}: {error.message}. {error.hint}"

    def of(self, path: str) -> Forced:
        """What was said about this file."""
        for pattern, forced in self._rules:
            if fnmatch.fnmatchcase(path, pattern):
                return forced
        return UNSAID


def _said(text: str, registry: Registry, line: str) -> Forced:
    """What stands behind the `=`.

    Raises:
        LogsError: it names a format that there is not, or more than one.
    """
    words = text.split()
    orders = [ORDERS[word] for word in words if word in ORDERS]
    names = [word for word in words if word not in ORDERS]
    if len(orders) > 1 or len(names) > 1:
        raise LogsError(
            f"{text.strip()!r} is more than one format",
            hint=f"Give one format, or {', '.join(ORDERS)}, or one of each.",
        )
    formats = None if not names or names == [DETECT] else registry.named(names[0])
    return Forced(formats, orders[0] if orders else "", line)


def files_of_format(lines: Iterable[str], name: str) -> list[str]:
    """The patterns of the files that `lines` (`GLOB=FORMAT`) give to the format called `name`."""
    pairs = [line.rpartition("=") for line in lines]
    return [pattern.strip() for pattern, _, said in pairs if name in said.split()]


def corrected(lines: Sequence[str], path: str, said: str, registry: Registry) -> list[str]:
    """`lines` with `said` of this file, in place of what they said of exactly this path before; before all others, so that it holds.

    What nothing else forces needs no line that says `detect`.

    Raises:
        LogsError: `said` is no format, or the path cannot be named.
    """
    if not path.startswith("/") or any(sign in path for sign in "*?[]\n="):
        raise LogsError(f"{path!r} cannot be named in a setting", hint="Write a pattern into logs.formats by hand.")
    line = f"{path}={said}"
    _said(said, registry, line)
    rest = [other for other in lines if other.rpartition("=")[0].strip() != path]
    if said.split() == [DETECT] and ForcedFormats(rest, registry).of(path) is UNSAID:
        return rest
    return [line, *rest]


def check_forced(lines: Iterable[str], own: Iterable[FormatSpec] = ()) -> None:
    """Before a person's lines are taken; `own` are the formats that people described.

    Raises:
        LogsError: one of them names a format that there is not.
    """
    errors = ForcedFormats(lines, Registry(own)).errors
    for error in errors.values():
        raise LogsError(error, hint="")
