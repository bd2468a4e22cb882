"""Learns what a runner writes before each line of another program's output: a time, a label, or both (`docker logs -t`, `ts`, foreman, mpirun)."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import structs

from logs.core import levels
from logs.core.moments import ELAPSED, SHAPES
from logs.core.timestamps import ISO as ISO_PATTERN
from logs.core.timestamps import Lacking, TimeReader
from logs.parsing.formats.base import Format, Header, RegexFormat
from logs.parsing.reader.fields import Field, fields, slot_of
from logs.parsing.reader.layout import ISO, Layout, LearnedFormat

_FEWEST: Final = 4
"""So many lines say what all have in common; and so often, as a mean, comes the label of each of several programs."""
_REACH: Final = 60
"""In how many characters of a line its stamp's time begins."""
_LABEL: Final = re.compile(
    r"(?:\d+\|)?[\w.\-/@]+(?:\[[\w.\-]+\])? *[|:>] |\[[^\]\n]{1,60}\](?:<std\w+>)?:? ?|\([^()\n]{1,60}\) "
)
"""The name of one of several programs, and what closes it."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGITS: Final = re.compile(r"\d+")
_STACKS: Final = (b"Traceback (most recent call last)", b"\tat ", b"    at ")
_STACK_LINES: Final = tuple(sign.decode() for sign in _STACKS)
_CLOSERS: Final = " \t|:>])"
_AROUND: Final = " \t|:>[]()"
_DEEP: Final = (" ", "\t")


class StampedFormat(LearnedFormat):
    """Lines of another program behind a stamp.

    Args:
        layout: of the stamp.
        inner: the main format of those lines.
    """

    wraps = True

    def __init__(self, layout: Layout, inner: Format | None) -> None:
        super().__init__(layout)
        self._inner = inner

    @property
    def dated(self) -> bool:
        """See `Format.dated`."""
        return self.layout.shape is not None or (self._inner is not None and self._inner.dated)

    @property
    def lacks(self) -> Lacking:
        """What its times do not say."""
        return (
            self._inner.lacks if self.layout.shape is None and isinstance(self._inner, RegexFormat) else super().lacks
        )

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        match = self.regex.match(line)
        header = super().read(line, times) if match is not None else None
        if match is None or header is None:
            return None
        lane = match["lane"] if "lane" in match.re.groupindex else ""
        name = lane.strip(_AROUND) or None
        return header._replace(level=levels.in_text(header.message), lane=lane, logger=name)


def headed_stack(data: bytes, reads: Callable[[bytes], bool]) -> int | None:
    """Where a line of a stack begins that has what records begin with; None where no first one of its kind does.

    Args:
        data: a block of a file.
        reads: whether a line has a header.
    """
    for sign in _STACKS:
        at = data.find(sign)
        begin = data.rfind(b"\n", 0, max(at, 0)) + 1
        if data[begin : max(at, 0)].strip() and reads(data[begin : at + 200].partition(b"\n")[0]):
            return begin
    return None


def stamped(lines: Sequence[str], found: Layout | None) -> tuple[Layout, list[str]] | None:
    """The layout of the stamps, and the lines without them. None where there are none, or where no line shows that they stand before each line, and not
    before each record: one that begins with blanks behind its stamp.

    Args:
        lines: the first lines of a file.
        found: the layout of most of them.
    """
    lines = [line for line in lines if line.strip()]
    if len(lines) < _FEWEST:
        return None
    layout = _timed(lines, found) or _labelled(lines)
    if layout is None:
        return None
    regex = re.compile(layout.header, re.ASCII)
    behind = [line[match.end() :] for line in lines if (match := regex.match(line))]
    if len(behind) < len(lines):
        return None
    firsts = [(text, first[0]) for text in behind if text.startswith(_DEEP) and (first := fields(text, 0, 1))]
    columns = {end for text, field in firsts if slot_of(field) is not None and (end := _end(text, field))[1]}
    # it begins with blanks and goes on with a record, where neither a level nor another word of its column follows: a verbosity
    goes_on = any(slot_of(field) is None and _end(text, field) not in columns for text, field in firsts)
    return (layout, behind) if goes_on else None


def shows_stack(texts: Sequence[str]) -> bool:
    """Whether there is a stack among lines without their stamps: then they are one record, whatever the others are."""
    return any(text.startswith(_STACK_LINES) for text in texts)


def _end(text: str, field: Field) -> tuple[int, str]:
    """Where the first field ends, and the sign behind it."""
    return field.end, text[field.end : field.end + 1].strip()


def _timed(lines: Sequence[str], found: Layout | None) -> Layout | None:
    """The layout of stamps with a time; None where not each line has one in the same place."""
    if found is None or found.shape is None:
        return None
    shape = SHAPES["ymd" if found.shape == ISO else found.shape]
    finder = re.compile(ELAPSED, re.ASCII) if found.elapsed else shape.finder
    times = [match for line in lines if (match := finder.search(line, 0, _REACH + 40)) and match.start() <= _REACH]
    if len(times) < len(lines):
        return None
    lead = _common([match.string[: match.start()] for match in times], whole=True)
    label = _common([match.string[match.end() :] for match in times])
    if lead is None or label is None:
        return None
    stamp = ELAPSED if found.elapsed else ISO_PATTERN if found.shape == ISO else shape.pattern
    return structs.replace(
        found, header=f"{lead}(?P<ts>{stamp}){label}", pid=None, categories=False, ending=None, blanks=False
    )


def _labelled(lines: Sequence[str]) -> Layout | None:
    """The layout of stamps without a time."""
    label = _common(lines)
    return Layout(label, None) if label is not None and re.search(r"\w", label.replace(r"\d+", "0")) else None


def _common(texts: Sequence[str], *, whole: bool = False) -> str | None:
    """The expression for how all texts begin that are not blank, or for all of each; None where they do not begin alike. One of several labels is a `lane`."""
    said = [_DIGITS.sub("0", text) for text in texts if text.strip()]
    if not said:
        return ""
    first, last = min(said), max(said)
    alike = first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
    if whole:
        return _literal(alike) if alike == last else None
    alike = alike[: max(alike.rfind(sign) for sign in _CLOSERS) + 1]
    begin = _literal(alike) + _label([text[len(alike) :] for text in said])
    return f"(?:{begin}|{_literal(alike.rstrip())}$)" if alike.rstrip() != alike else begin


def _label(texts: Sequence[str]) -> str:
    """The expression for a label, where each text begins with one of a few."""
    labels = [match.group() for text in texts if (match := _LABEL.match(text))]
    names = set(labels)
    few = len(names) * _FEWEST <= len(labels) == len(texts)
    # one of several programs may be called `system`
    return f"(?P<lane>{_LABEL.pattern})" if few and sum(map(_levelled, names)) * 2 < len(names) else ""


def _literal(text: str) -> str:
    """An expression for this text, whatever its numbers are."""
    return re.escape(text).replace("0", r"\d+")


def _levelled(label: str) -> bool:
    """Whether a label says how grave a line is, and not who wrote it."""
    return any(levels.style(word) for word in _WORD.findall(label))
