"""Lines of one format as Arrow columns: the format's expression runs over all lines of a block at once, in RE2, and no line becomes a Python object.

Whatever RE2 or the columns could take differently from `BlockParser` (a continuation, a line that may hold a secret, a rare way to write a zone) goes to it,
line by line, together with the record before; so both ways give the same records.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from logs.core import levels
from logs.core.timestamps import TimeReader
from logs.parsing.formats import RegexFormat
from logs.parsing.formats.base import pid_number
from logs.parsing.reader.layout import LearnedFormat

Numbers = npt.NDArray[np.int64]
_CODES: Final = (b"\0", b"\r", b"\x1b", b"\x01", b"\x08", b"\x0f", b"-----BEGIN ")
"""What the line by line way rewrites, or reads over several lines."""
_MARK: Final = b"\xef\xbb\xbf"
_ZONE_AHEAD: Final = r"(?= ?(?:Z|[+-]\d|[A-Z]{3}))"
_ZONE_SHORT: Final = r"[+-]\d\d(?!\d)"
_BEYOND_RE2: Final = re.compile(r"\(\?[=!(>]|\(\?P=|\(\?<[=!]|[*+?}]\+|\\[ABZ]|(?<!\\)\$|(?<![\\\[])\^")
_BLANK: Final = r" \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block: `ends` is the offset behind each line's last byte, without its line end."""

    data: bytes
    starts: Numbers
    ends: Numbers

    @classmethod
    def of(cls, data: bytes) -> "Lines":
        """Split at line feeds; the last line may lack its own."""
        feeds = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        ends = feeds if data.endswith(b"\n") else np.append(feeds, len(data))
        return cls(data, np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1)), ends)

    def column(self) -> pa.StringArray:
        """Each with its line end, over the same bytes."""
        offsets = np.append(self.starts, len(self.data)).astype(np.int32)
        return pa.StringArray.from_buffers(len(self.starts), pa.py_buffer(offsets), pa.py_buffer(self.data))

    def pieces(self, begins: Numbers, ends: Numbers) -> pa.StringArray:
        """The bytes between some offsets, in ascending order and apart, as texts."""
        steps = np.zeros(len(self.data) + 1, np.int8)
        steps[begins] += 1
        steps[ends] -= 1
        inside = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
        kept = np.frombuffer(self.data, np.uint8)[inside]
        offsets = np.zeros(len(begins) + 1, np.int32)
        np.cumsum(ends - begins, out=offsets[1:])
        return pa.StringArray.from_buffers(len(begins), pa.py_buffer(offsets), pa.py_buffer(kept))


@dataclass(frozen=True, slots=True)
class HeaderColumns:
    """One-line records, one entry each. `number` is the line; `logger` and `pid` are None where the format has none."""

    number: Numbers
    ts: Numbers
    level: npt.NDArray[np.uint8]
    logger: pa.Array | None
    pid: pa.Array | None
    prefix: pa.Array
    message: pa.Array


class HeaderReader:
    """Reads the headers of one format.

    Args:
        fmt: whose expression RE2 can run, see `reader_of`.
        pattern: that expression, for RE2.
    """

    def __init__(self, fmt: RegexFormat, pattern: str) -> None:
        self.format = fmt
        self._pattern = pattern

    def found(self, lines: Lines) -> tuple[pa.StructArray, npt.NDArray[np.bool_]]:
        """The groups of each line, and which lines are surely headers."""
        groups = pc.extract_regex(lines.column(), self._pattern)
        headers = np.asarray(groups.is_valid())
        reach = _lengths(groups.field("head"))
        if groups.type.get_field_index("ahead") >= 0:
            reach += _lengths(groups.field("ahead"))
        headers &= (reach <= lines.ends - lines.starts) & (_lengths(groups.field("ts")) > 0)
        if groups.type.get_field_index("short") >= 0:
            headers &= _lengths(groups.field("short")) == 0
        if self.format.heads_each:
            at = lines.starts + _lengths(groups.field("head"))
            first = np.frombuffer(lines.data, np.uint8)[np.minimum(at, len(lines.data) - 1)]
            deep = headers & ((first == ord(" ")) | (first == ord("\t")) | (at >= lines.ends))
            headers &= ~(deep | np.append(deep[1:], [False]) | np.append([False], deep[:-1]))
        return groups, headers

    def columns(
        self, lines: Lines, groups: pa.StructArray, wanted: npt.NDArray[np.bool_], times: TimeReader
    ) -> HeaderColumns | None:
        """The wanted lines, all of them headers, taken apart; None when one has a time that is none."""
        number = np.flatnonzero(wanted)
        if len(number) < len(groups):
            groups = groups.filter(pa.array(wanted))
        ts = self._times(groups.field("ts"), times)
        if ts is None:
            return None
        prefix = groups.field("head")
        message = lines.pieces(lines.starts[number] + _lengths(prefix), lines.ends[number])
        names = {field.name for field in groups.type}
        logger = pid = None
        if "logger" in names:
            logger = _mapped(groups.field("logger"), lambda text: text or None, pa.string())
        if "pid" in names:
            pid = _mapped(groups.field("pid"), pid_number, pa.int32())
            pid = pid.dictionary_decode() if pid is not None else None
        if isinstance(self.format, LearnedFormat) and self.format.pid_in_header is not None:
            pid = _mapped(prefix, self.format.pid_of, pa.int32())
            pid = pid.dictionary_decode() if pid is not None else None
        level = self._levels(groups.field("level") if "level" in names else None, message)
        return HeaderColumns(number, ts, level, logger, pid, prefix, message)

    def _times(self, texts: pa.StringArray, times: TimeReader) -> Numbers | None:
        if self.format.time is TimeReader.iso:
            return times.iso_column(texts)
        read = self.format.time
        if read is None:
            return None
        encoded = texts.dictionary_encode()
        values = [read(times, text) for text in encoded.dictionary.to_pylist()]
        if None in values:
            return None
        taken: Numbers = np.array(values, np.int64)[np.asarray(encoded.indices)]
        return taken

    def _levels(self, words: pa.StringArray | None, messages: pa.StringArray) -> npt.NDArray[np.uint8]:
        fmt = self.format
        if words is None:
            found = np.zeros(len(messages), np.uint8)
        else:
            encoded = words.dictionary_encode()
            known = [fmt.level(word) if word else levels.UNKNOWN for word in encoded.dictionary.to_pylist()]
            found = np.array(known, np.uint8)[np.asarray(encoded.indices)]
        if fmt.default is not None:
            found[found == 0] = fmt.default
        elif not found.all():
            silent = found == 0
            found[silent] = levels.in_texts(messages.filter(pa.array(silent)).to_pylist())
        return found


def plain_lines(data: bytes) -> Lines | None:
    """The lines of a block whose text is its bytes; None where something is rewritten before it is read."""
    if data.startswith(_MARK) or any(code in data for code in _CODES):
        return None
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return None
    return Lines.of(data)


def reader_of(fmt: RegexFormat) -> HeaderReader | None:
    """How the format's headers are read as columns; None when it has no times, or RE2 cannot say the same."""
    pattern = re2_pattern(fmt.regex.pattern) if fmt.alone else None
    if pattern is None or "(?P<ts>" not in pattern:
        return None
    try:
        pc.extract_regex(pa.array(["x"]), pattern)
    except pa.ArrowInvalid:  # larger than RE2 takes
        return None
    return HeaderReader(fmt, pattern)


def re2_pattern(header: str) -> str | None:
    """An expression for RE2 whose group `head` is what `header` matches at the start of a line; None when there is none.

    A group `ahead` is what must follow, and `short` a zone that stands for nothing when a digit follows it.
    """
    body = header.replace(_ZONE_AHEAD, "").replace(_ZONE_SHORT, r"(?P<short>[+-]\d\d)")
    ahead = ""
    begin = _last_group(body)
    if begin is not None and body.startswith("(?=", begin):
        body, ahead = body[:begin], f"(?P<ahead>{body[begin + 3 : -1]})"
    if body.count("(?P<short>") > 1 or _BEYOND_RE2.search(_without_sets(body + ahead)):
        return None
    return _blanks(f"^(?P<head>{body}){ahead}")


def _last_group(pattern: str) -> int | None:
    """Where the group begins with which the expression ends."""
    if not pattern.endswith(")"):
        return None
    opened: list[int] = []
    at, last = 0, None
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "[":
            at = _set_end(pattern, at)
        elif char == "(":
            opened.append(at)
        elif char == ")":
            last = opened.pop()
        at += 1
    return last if not opened else None


def _set_end(pattern: str, at: int) -> int:
    """Where the set of characters that begins at `at` ends."""
    end = at + 1
    if pattern.startswith("^", end):
        end += 1
    if pattern.startswith("]", end):
        end += 1
    while pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return end


def _parts(pattern: str) -> list[tuple[bool, str]]:
    """The expression cut where a set of characters begins or ends; whether each part is one."""
    result, at, begin = [], 0, 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "[":
            end = _set_end(pattern, at) + 1
            result += [(False, pattern[begin:at]), (True, pattern[at:end])]
            begin = end
            at = end - 1
        at += 1
    return [*result, (False, pattern[begin:])]


def _without_sets(pattern: str) -> str:
    return "".join("x" if is_set else part for is_set, part in _parts(pattern))


def _blanks(pattern: str) -> str:
    r"""`\s` as Python means it: RE2 leaves the vertical tab out."""
    return "".join(
        part.replace(r"\s", _BLANK) if is_set else part.replace(r"\s", f"[{_BLANK}]").replace(r"\S", f"[^{_BLANK}]")
        for is_set, part in _parts(pattern)
    )


def _lengths(texts: pa.Array) -> Numbers:
    lengths: Numbers = np.asarray(pc.binary_length(texts).fill_null(0)).astype(np.int64)
    return lengths


def _mapped(texts: pa.StringArray, read: Callable[[str], Any], kind: pa.DataType) -> pa.DictionaryArray | None:
    """What `read` makes of each text, asked once a text, where None is NULL; None when all are."""
    encoded = texts.dictionary_encode()
    values = [read(text) for text in encoded.dictionary.to_pylist()]
    places = np.asarray(encoded.indices)
    known = np.array([value is not None for value in values], np.bool_)
    if not known.any():
        return None
    indices = pa.array((np.cumsum(known) - 1)[places], pa.int32(), mask=~known[places])
    # no NULL among the values themselves: such dictionaries cannot be put together
    return pa.DictionaryArray.from_arrays(indices, pa.array([value for value in values if value is not None], kind))
