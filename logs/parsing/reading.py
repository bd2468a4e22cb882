"""How a file is read, for people: where the parts of its lines stand, and what is done with lines that have none. Bytes of the file come in, sentences and marked lines go out."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from logs.core import levels
from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec
from logs.core.moments import SHAPES, MomentShape, Order
from logs.core.reading import Fact, Kind, LinePart, MarkedLine, Reading
from logs.core.timestamps import TimeReader, iso_text
from logs.parsing.charset import charset_of
from logs.parsing.chronology import says_zone
from logs.parsing.formats import PLAIN, Format, Header, RegexFormat, Registry
from logs.parsing.formats.forced import ForcedFormats
from logs.parsing.formats.user import UserFormat
from logs.parsing.parse import opened
from logs.parsing.parser import BlockParser
from logs.parsing.reader.layout import LearnedFormat

_MOST_LINES: Final = 200
_LONGEST: Final = 600
_HEAD: Final = 1 << 16
_SHOWN: Final = 5
_PLAIN: Final = 3
_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|[^\s",=:\[\]{}()<>][^\s",=\[\]{}()<>]*')
_GROUPS: Final[dict[str, Kind]] = {"ts": "time", "time": "time", "level": "level", "logger": "logger", "pid": "pid"}
_FIRST: Final[dict[Order, str]] = {"dmy": "day", "mdy": "month", "ymd": "year"}
ORDER_WORDS: Final[dict[Order, str]] = {"dmy": "day-first", "mdy": "month-first", "ymd": "year-first"}


def reading_of(parser: BlockParser, data: bytes) -> Reading:
    """How `parser` reads a file, shown with the whole lines of `data`, of which the newest count."""
    lines = [line for line in parser.lines_of(data) if line.strip()][-_MOST_LINES:] if data else []
    read = [(line[:_LONGEST], parser.header_of(line[:_LONGEST])) for line in lines]
    headed = [(line, *found) for line, found in read if found is not None]
    examples = tuple(_examples(headed, parser.times))
    shape = _date_shape([fmt for _, fmt, _ in headed], examples)
    orders = _orders(shape, examples)
    return Reading(
        parser.format_name or PLAIN,
        _by(parser),
        tuple(_facts(parser, examples, shape)),
        ORDER_WORDS.get(_order(parser, shape), ""),
        orders,
        len(read),
        len(headed),
        (*examples, *_continued(read)),
    )


def reading_of_file(
    path: Path, lines: Sequence[str] = (), own: Sequence[FormatSpec] = (), mask: Callable[[str], str] = str
) -> Reading:
    """How a file would be read that nobody follows, shown with its first lines.

    Args:
        path: of the file, packed or not.
        lines: the setting that says how files are read.
        own: the formats that people described.
        mask: hides secrets in a text.

    Raises:
        LogsError: the file cannot be read.
    """
    registry = Registry(own)
    forced = ForcedFormats(lines, registry).of(str(path.absolute()))
    try:
        mtime = path.stat().st_mtime_ns // 1000
        with opened(path) as stream:
            data = stream.read(_HEAD)
    except (OSError, EOFError) as error:
        raise LogsError(f"{path} cannot be read: {error}", hint="Give a log file that you can read.") from error
    parser = BlockParser(registry, TimeReader(lambda: mtime), mask, forced.formats, forced.order)
    parser.charset = charset_of(data)
    parser.learn(data)
    return reading_of(parser, data[: parser.charset.last_end(data) or len(data)])


def header_alone(line: str, own: Sequence[FormatSpec] = ()) -> Header | None:
    """What is read of a line as of a file that has no other; None where neither time nor level is found."""
    parser = BlockParser(Registry(own), TimeReader(lambda: time.time_ns() // 1000), str)
    parser.learn(f"{line}\n".encode())
    _, header = parser.header_of(line) or (None, None)
    return header if header is not None and (header.ts is not None or header.level != levels.UNKNOWN) else None


def _by(parser: BlockParser) -> Literal["known", "learned", "said", "plain"]:
    if parser.forced_name is not None:
        return "said"
    if parser.primary is None:
        return "plain"
    return "learned" if isinstance(parser.primary, LearnedFormat) else "known"


# --- lines with their parts marked


def _examples(headed: Sequence[tuple[str, Format, Header]], times: TimeReader) -> Iterator[MarkedLine]:
    """The newest line that shows most, and the newest of each other level."""
    marked = [_marked(line, fmt, header, times) for line, fmt, header in reversed(headed)]
    seen = set[str | None]()
    for one in sorted(marked, key=lambda one: -len(one.parts)):  # stable: the newest of equals first
        if one.level not in seen and len(seen) < _SHOWN:
            seen.add(one.level)
            yield one


def _continued(read: Sequence[tuple[str, tuple[Format, Header] | None]]) -> Iterator[MarkedLine]:
    """One line without a header, where there are some; where no line has one, the newest three, each a record."""
    plain = all(found is None for _, found in read)
    lines = [line for line, found in reversed(read) if found is None]
    if plain:
        lines = list(dict.fromkeys(line for line in lines if not line[0].isspace())) or lines
    for line in lines[: _PLAIN if plain else 1]:
        yield MarkedLine(line, (), None, None, None, None, line, first=plain)


def _marked(line: str, fmt: Format, header: Header, times: TimeReader) -> MarkedLine:
    return MarkedLine(
        line,
        tuple(sorted(_parts(line, fmt, header, times), key=lambda part: part.begin)),
        iso_text(header.ts) if header.ts is not None else None,
        levels.NAMES.get(header.level),
        header.logger,
        header.pid,
        header.message,
        first=True,
    )


def _parts(line: str, fmt: Format, header: Header, times: TimeReader) -> Iterator[LinePart]:
    """Where the parts stand: as the format's expression says it, else where the same values are written."""
    spans = _spans(line, fmt)
    if spans is None:
        yield from _written(line, header, times)
        return
    for name, (begin, end) in spans.items():
        if name in _GROUPS and 0 <= begin < end:
            yield LinePart(_GROUPS[name], begin, end)
    if isinstance(fmt, LearnedFormat) and fmt.pid_in_header is not None:
        match = fmt.pid_in_header.search(header.prefix)
        if match is not None:
            yield LinePart("pid", *match.span(1))


def _spans(line: str, fmt: Format) -> dict[str, tuple[int, int]] | None:
    """Where the named groups of a format's expression stand; None for a format without one."""
    match = None
    if isinstance(fmt, RegexFormat) and not fmt.wraps:
        match = fmt.regex.match(line)
    elif isinstance(fmt, UserFormat):
        return fmt.spans(line)
    return None if match is None else {name: match.span(name) for name in match.re.groupindex}


def _written(line: str, header: Header, times: TimeReader) -> Iterator[LinePart]:
    """Where the time, the level, the logger and the pid stand as words or quoted texts, each once."""
    wanted: dict[Kind, object] = {
        "time": header.ts,
        "level": header.level or None,
        "logger": header.logger,
        "pid": header.pid,
    }
    for token in _TOKEN.finditer(line):
        group = 1 if token[1] is not None else 0
        text, span = token[group], token.span(group)
        for kind, value in list(wanted.items()):
            if value is not None and _says(kind, text, value, times):
                del wanted[kind]
                yield LinePart(kind, *span)
                break


def _says(kind: Kind, text: str, value: object, times: TimeReader) -> bool:
    if kind == "time":
        return text[:1].isdigit() and len(text) >= 8 and times.any(text) == value
    if kind == "level":
        return len(text) <= 10 and levels.of_word(text) == value
    return text == str(value)


# --- sentences


def _facts(parser: BlockParser, examples: Sequence[MarkedLine], shape: MomentShape | None) -> Iterator[Fact]:
    yield Fact("Format", _format_words(parser))
    best = examples[0] if examples else None
    yield Fact("Time", _time_words(parser, best, shape))
    for kind, name, without in (
        ("level", "Level", "The lines have no place for it."),
        ("logger", "Logger", ""),
        ("pid", "PID", ""),
    ):
        text = _place_words(kind, examples)
        if text or without:
            yield Fact(name, text or without)
    yield Fact("Other lines", _joining_words(parser))


def _format_words(parser: BlockParser) -> str:
    name = parser.format_name or PLAIN
    match _by(parser):
        case "said":
            return f"{name}, as a setting says"
        case "learned":
            return "learned from the file's own lines"
        case "plain":
            return "plain text: no line shows a time or a level"
        case _:
            return f"{name}, a known format"


def _time_words(parser: BlockParser, best: MarkedLine | None, shape: MomentShape | None) -> str:
    part = _part(best, "time")
    if best is None or part is None:
        undated = "Lines have none: the time of the line before counts, or when the line was read."
        return undated if best is None or best.ts is None else "From a field of the record."
    text = best.line[part.begin : part.end]
    said = [f"{text}, {_stands(best, part)}"]
    order = _order(parser, shape)
    if shape is not None and order:
        decided = "as a setting says" if parser.order_said else "decided once for the whole file"
        said.append(f"the {_FIRST[order]} comes first, {decided}")
    if parser.lacks == "year":
        said.append("without a year: the newest one that is not in the future counts")
    elif parser.lacks == "day":
        said.append("without a date: it moves to the next day when the clock goes back")
    if parser.lacks == "start":
        said.append(
            "since the program started: the last one is when the file was written, a new line's is when it was read"
        )
        return "; ".join(said) + "."
    said.append(_zone_words(text))
    return "; ".join(said) + "."


def _zone_words(text: str) -> str:
    if says_zone(text):
        return "it says its time zone"
    return f"without a time zone: local time of this machine ({time.strftime('%Z')})"


def _place_words(kind: str, examples: Sequence[MarkedLine]) -> str:
    """Which texts were read as this part, and where they stand."""
    found = [(one, part) for one in examples if (part := _part(one, kind)) is not None]
    if not found:
        return ""
    texts = list(dict.fromkeys(_text(one, kind) for one, _ in found))
    places = Counter(_stands(one, part) for one, part in found)
    return f"{', '.join(texts[:_SHOWN])}, {places.most_common(1)[0][0]}."


def _stands(one: MarkedLine, part: LinePart) -> str:
    """Where a part stands, by what is before it."""
    before = [other for other in one.parts if other.end <= part.begin]
    if before:
        return f"behind the {before[-1].kind if before[-1].kind != 'pid' else 'PID'}"
    return (
        "at the beginning of the line"
        if not one.line[: part.begin].strip(" \t[(<{\"'")
        else f"from character {part.begin + 1} on"
    )


def _part(one: MarkedLine | None, kind: str) -> LinePart | None:
    return next((part for part in one.parts if part.kind == kind), None) if one is not None else None


def _text(one: MarkedLine, kind: str) -> str:
    part = _part(one, kind)
    return one.line[part.begin : part.end] if part is not None else ""


def _joining_words(parser: BlockParser) -> str:
    shape = parser.shape
    said = []
    if shape.two_lines:
        said.append("The line behind a header belongs to its record.")
    if parser.primary is not None and parser.primary.wraps:
        said.append(
            "The message is another program's line, read in its own format; lines that were cut are put together."
        )
    if parser.mixed == 1:
        said.append("A line without the time at its end goes on in the next one with the same name.")
    if shape.headed:
        said.append("A line without a header belongs to the record before it.")
    else:
        said.append("Stack traces and indented lines belong to the record before them; any other line is a record.")
    if shape.blank_first:
        said.append("A blank line begins a record.")
    return " ".join(said)


# --- which number of a date is the day


def _date_shape(formats: Sequence[Format], examples: Sequence[MarkedLine]) -> MomentShape | None:
    """The layout of the file's dates where they do not say themselves which number is the day."""
    for fmt in formats:
        shape = SHAPES.get(fmt.layout.shape or "") if isinstance(fmt, LearnedFormat) else None
        if shape is not None and shape.ambiguous:
            return shape
    texts = [_text(one, "time") for one in examples]
    return next((s for s in SHAPES.values() if s.ambiguous and any(map(s.regex.fullmatch, texts))), None)


def _order(parser: BlockParser, shape: MomentShape | None) -> Order:
    if shape is None:
        return ""
    primary = parser.primary
    if isinstance(primary, LearnedFormat) and primary.layout.order:
        return primary.layout.order
    return parser.shape.order or "mdy"


def _orders(shape: MomentShape | None, examples: Sequence[MarkedLine]) -> tuple[str, ...]:
    """The orders in which all these dates are possible."""
    if shape is None:
        return ()
    found = [match for one in examples if (match := shape.regex.fullmatch(_text(one, "time")))]
    short = bool(found) and all(len(match.groupdict().get("k") or "") == 2 for match in found)
    usual: tuple[Order, ...] = ("dmy", "mdy", "ymd") if short else ("dmy", "mdy")
    return tuple(ORDER_WORDS[order] for order in usual if all(shape.read(match[0], order) for match in found))
