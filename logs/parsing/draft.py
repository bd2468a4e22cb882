"""A format drafted from a few lines: what the reader learns of them, written down so that a person can change it."""

import re
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec, Sample
from logs.core.levels import NAMES
from logs.core.timestamps import TimeReader, iso_text
from logs.parsing.formats.base import Header
from logs.parsing.formats.user import UserFormat
from logs.parsing.grouping import surely_begins
from logs.parsing.reader.learn import layouts

_MOST: Final = 20
_TOKEN: Final = re.compile(r"\s+|\d+|[^\W\d_]+|[^\w\s]|_")
_WORD: Final = re.compile(r"\w+")
_SPECIAL: Final = re.compile(r"[\\.^$*+?{}\[\]|()]")
_NAMES: Final = {"ts": "time"}
"""What the groups of a learned expression are called in a format."""


def draft_format(lines: Sequence[str], name: str, times: TimeReader | None = None) -> FormatSpec:
    """A format that reads these lines as well as can be told from them alone; the lines that it reads become its samples.

    Raises:
        LogsError: there are no lines, or they have neither a time nor a level in common.
    """
    times = times or TimeReader(lambda: time.time_ns() // 1000)
    given = [line for line in lines if line.strip()][:_MOST]
    if not given:
        raise LogsError("there is no line to learn from", hint="Give three lines of the log, as different as possible.")
    for layout in layouts(given, times, surely_begins):
        regex = re.compile(layout.header, re.ASCII)
        matches = [match for line in given if (match := regex.match(line)) and match.end() < len(line)]
        pattern = _pattern(matches)
        if pattern is None:
            continue
        spec = FormatSpec(pattern, name, day_first=layout.order == "dmy")
        fmt = UserFormat(spec)
        read = [(line, found) for line in given if (found := fmt.read(line, times))]
        if len(read) * 2 > len(matches):
            return msgspec.structs.replace(spec, sample=tuple(_sample(line, header) for line, header in read[:3]))
    raise LogsError(
        "these lines have neither a time nor a level in a common place",
        hint="Write the pattern by hand: name what it finds, such as (?P<time>…) and (?P<level>…).",
    )


def preview_format(spec: FormatSpec, lines: Sequence[str], times: TimeReader | None = None) -> list[dict[str, Any]]:
    """What the format makes of each line: `line`, whether it `matches`, and `ts` (ISO 8601), `level`, `logger`, `pid`, `message` and `fields` as far as they are known."""
    times = times or TimeReader(lambda: time.time_ns() // 1000)
    fmt = UserFormat(spec)
    return [line_shown(line, fmt.read(line, times)) for line in lines]


def line_shown(line: str, header: Header | None) -> dict[str, Any]:
    """A line's parts as values that can be printed; a line without a header is its own message."""
    if header is None:
        return {"line": line, "matches": False, "ts": None, "level": None, "logger": None, "pid": None, "message": line, "fields": None}  # fmt: skip
    return {
        "line": line,
        "matches": True,
        "ts": iso_text(header.ts) if header.ts is not None else None,
        "level": NAMES.get(header.level),
        "logger": header.logger,
        "pid": header.pid,
        "message": header.message,
        "fields": msgspec.json.decode(header.fields) if header.fields else None,
    }


def _sample(line: str, header: Header) -> Sample:
    return Sample(
        line,
        iso_text(header.ts) if header.ts is not None else None,
        NAMES.get(header.level),
        header.logger,
        header.pid,
        header.message,
    )


def _pattern(matches: Sequence[re.Match[str]]) -> str | None:
    """An expression that a person can read, for the headers that a learned one matched; None where these have no parts with a name."""
    if not matches:
        return None
    first = matches[0]
    names = [name for name, number in first.re.groupindex.items() if first.span(number) != (-1, -1)]
    names.sort(key=first.start)
    matches = [match for match in matches if all(0 <= match.start(name) <= match.end() for name in names)]
    if not names or not matches:
        return None
    parts: list[str] = []
    ends = [match.start() for match in matches]
    for name in names:
        if any(match.start(name) < end for match, end in zip(matches, ends, strict=True)):
            return None
        parts.append(
            _between([match.string[end : match.start(name)] for match, end in zip(matches, ends, strict=True)])
        )
        parts.append(f"(?P<{_NAMES.get(name, name)}>{_text([match[name] for match in matches])})")
        ends = [match.end(name) for match in matches]
    tails = [match.string[end : match.end()] for match, end in zip(matches, ends, strict=True)]
    return f"{''.join(parts)}{_between(tails)}(?P<message>.*)"


def _text(texts: Sequence[str]) -> str:
    """An expression for a part: a place for its digits, its signs as they are; for words any word."""
    if any(text[:1].isdigit() or " " in text for text in texts):
        return _between(texts, otherwise=".+?", clock=True)
    return r"\w+" if all(_WORD.fullmatch(text) for text in texts) else r"\S+"


def _between(texts: Sequence[str], otherwise: str = ".*?", *, clock: bool = False) -> str:
    """An expression for texts that are put together alike: of blanks, numbers, words and signs; `otherwise` where they are not.

    The numbers of a `clock` have as many digits as those seen, and its words may be other ones: names of months.
    """
    rows = [_TOKEN.findall(text) for text in texts]
    if len({tuple(_kind(token) for token in row) for row in rows}) > 1:
        return otherwise
    return "".join(_token([row[place] for row in rows], clock=clock) for place in range(len(rows[0])))


def _kind(token: str) -> str:
    return "0" if token.isdigit() else "a" if token[0].isalpha() else " " if token.isspace() else token


def _token(texts: Sequence[str], *, clock: bool) -> str:
    first, widths = texts[0], {len(text) for text in texts}
    if first.isspace():
        return first if set(texts) == {" "} else r"\s+"
    if first.isdigit():
        if clock and len(widths) == 1 and len(first) in {2, 4}:
            return r"\d\d" if len(first) == 2 else r"\d{4}"
        return r"\d{1,2}" if clock and widths <= {1, 2} else r"\d+"
    if len(set(texts)) == 1 and not (clock and len(first) > 2):
        return _SPECIAL.sub(r"\\\g<0>", first)
    return r"\w+"
