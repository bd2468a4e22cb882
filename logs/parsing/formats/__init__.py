"""The known log formats, and how one is chosen for a file."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import Final, TypeGuard

from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec
from logs.core.timestamps import TimeReader
from logs.parsing.formats.arrays import ArrayFormat
from logs.parsing.formats.base import Format, Header, LineColumns, RegexFormat
from logs.parsing.formats.blocks import WrappingFormat, block_formats, labelling_formats, wrapping_formats
from logs.parsing.formats.reports import REPORT
from logs.parsing.formats.servers import server_formats
from logs.parsing.formats.structured import structured_formats
from logs.parsing.formats.text import CANDIDATE, text_formats
from logs.parsing.formats.user import UserFormat

__all__ = ["ANY", "PLAIN", "Detection", "Format", "Header", "LineColumns", "RegexFormat", "Registry"]

PLAIN = "plain"
"""The name of what no format recognises."""
_SAMPLE = 100
_GROUP: Final = re.compile(r"\(\?P<\w+>")
_NAMING: Final = re.compile(r"\(\?\(|\(\?P=|\\[1-9]")
"""Where an expression asks for a group of its own."""
ANY = frozenset({"generic", "time", "level"})
"""Formats that take any time or level."""


@cache
def _known() -> tuple[Format, ...]:
    """The formats of all registries: they hold no state of a file, and compile two hundred regular expressions once a process."""
    return (
        *structured_formats(), ArrayFormat(), *wrapping_formats(), *block_formats(), *server_formats(), *text_formats(), *labelling_formats(), REPORT,
    )  # fmt: skip


class _Starting:
    """The formats of lines that begin alike: `plain` says in one go whether any expression of theirs matches; `apart` are those that read without, or in another way."""

    def __init__(self, formats: list[tuple[int, Format]]) -> None:
        self.all = formats
        self.apart = [(place, fmt) for place, fmt in formats if not _is_plain(fmt)]

    @cached_property
    def plain(self) -> re.Pattern[str]:
        """The expressions of all that read by one, without names; it never matches where none does."""
        headers = [fmt.header for _, fmt in self.all if _is_plain(fmt)]
        return re.compile("|".join(f"(?:{_GROUP.sub('(?:', header)})" for header in headers) or "(?!)", re.ASCII)


def _is_plain(fmt: Format) -> TypeGuard[RegexFormat]:
    """Whether a format reads no line that its expression does not match, and that one can stand beside others without the names of its groups."""
    return (
        isinstance(fmt, RegexFormat)
        and (type(fmt).read is RegexFormat.read or isinstance(fmt, WrappingFormat))
        and not _NAMING.search(fmt.header)
    )


class Registry:
    """All formats, in the order in which they are asked. One is made for a parser; it holds no state of a file.

    Args:
        own: formats that people described; a file is read by one of them only where it is named for it.
    """

    def __init__(self, own: Iterable[FormatSpec] = ()) -> None:
        self._own = {spec.name: UserFormat(spec) for spec in own}
        self._formats = _known()
        self._by_start: dict[str, _Starting] = {}

    @cached_property
    def mark(self) -> str:
        """The same for all registries whose known formats stand in the same places."""
        known = [f"{fmt.name} {fmt.header if isinstance(fmt, RegexFormat) else ''}" for fmt in self._formats]
        return hashlib.blake2b("\n".join(known).encode(), digest_size=8).hexdigest()

    def names(self) -> list[str]:
        """The names that can be forced."""
        return sorted({fmt.name for fmt in self._formats} | {PLAIN, *self._own})

    def named(self, name: str) -> list[Format]:
        """The formats called `name`; none for `plain`.

        Raises:
            LogsError: there is no such format.
        """
        if name in self._own:
            return [self._own[name]]
        found = [fmt for fmt in self._formats if fmt.name == name]
        if not found and name != PLAIN:
            raise LogsError(f"there is no log format {name!r}", hint=f"Known: {', '.join(self.names())}.")
        return found

    def at(self, place: int) -> Format | None:
        """The format in this place of the registry; None where there is none."""
        return self._formats[place] if 0 <= place < len(self._formats) else None

    def place(self, wanted: Format | None) -> int:
        """Where one of these formats stands; -1 for none."""
        return next((number for number, fmt in enumerate(self._formats) if fmt is wanted), -1)

    def first(self, line: str, times: TimeReader, *, but: Format | None = None) -> tuple[Format, Header] | None:
        """The first format that reads `line`, and what it read."""
        if CANDIDATE.match(line) is None:
            return None
        for _, fmt in self._asked(line):
            if fmt is not but:
                header = fmt.read(line, times)
                if header is not None:
                    return fmt, header
        return None

    def _asked(self, line: str) -> list[tuple[int, Format]]:
        """The formats, with their places, of which a line may be."""
        first = line[0]
        found = self._by_start.get(first)
        if found is None:
            found = _Starting(
                [(place, fmt) for place, fmt in enumerate(self._formats) if fmt.starts is None or first in fmt.starts]
            )
            if len(self._by_start) < 256:
                self._by_start[first] = found
        return found.all if found.plain.match(line) else found.apart

    def detection(self) -> "Detection":
        """Finds the format of a file."""
        return Detection(self)

    def reading(self, line: str, times: TimeReader) -> list[int]:
        """The places of all formats that read `line`."""
        if not line or CANDIDATE.match(line) is None:
            return []
        return [place for place, fmt in self._asked(line) if fmt.read(line, times) is not None]


class Detection:
    """Which format the first lines of a file are of, as more and more of them are seen."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._counts: Counter[int] = Counter()
        self._lines = 0

    @property
    def wants(self) -> int:
        """How many more lines would help."""
        return _SAMPLE - self._lines

    @property
    def most(self) -> int:
        """How many lines are read by the format that reads most."""
        return max(self._counts.values(), default=0)

    def add(self, lines: Sequence[str], times: TimeReader) -> None:
        """Look at these lines, or as many of them as help."""
        for line in [line for line in lines if line.strip()][: self.wants]:
            self._counts.update(self._registry.reading(line, times))
            self._lines += 1

    def best(self) -> Format | None:
        """The format that reads most lines; earlier ones win a tie, and one that knows what it reads wins over those that take any time or level, if it
        reads at least a fifth. None: plain text.
        """
        fits = [(count, -place, fmt) for place, count in self._counts.items() if (fmt := self._registry.at(place))]
        knowing = [fit for fit in fits if fit[2].name not in ANY and fit[0] * 5 >= self._lines]
        return max(knowing or fits, key=lambda fit: fit[:2])[2] if fits else None
