"""How a file is read: the format of its headers, what was learned beside it, and whether lines without a header belong to the record before them."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from logs.core import levels
from logs.core.moments import SHAPES, Order, order_of
from logs.core.timestamps import SECOND, TimeReader
from logs.parsing.formats import ANY, Detection, Format, Header, RegexFormat, Registry
from logs.parsing.formats.blocks import IndentedJsonFormat
from logs.parsing.formats.reports import REPORT
from logs.parsing.grouping import surely_begins
from logs.parsing.reader.layout import Layout, LearnedFormat
from logs.parsing.reader.learn import MOST, layouts
from logs.parsing.reader.stamp import shows_stack, stamped

_LENGTH = 1000
_FIELDED = frozenset({"json", "logfmt"})
_RULE = re.compile(r"([-=*#_~+])\1{2,200}")
_CLASS = re.compile(r"[\w\-]+(?:[.$/:@]+[\w<>\-]+)+|[A-Z]\w*[a-z]\w*[A-Z]\w*")
_WORD = re.compile(r"\w")
_RUNNER = "tai64n"
"""What only runners write, before whatever a program says."""
_FIRST = 100
_MANY = 8
_RUN = 2
"""So many lines of those that stand together without a header count against headers that say a level only, where few of these have any behind them."""
_OTHERS = 3
"""So many lines of another kind show how that is written."""


class Shape(msgspec.Struct, frozen=True):
    """`place` is that of the known format in the registry, -1 for none; of `layouts` the first is the file's format when `learned`."""

    place: int = -1
    layouts: tuple[Layout, ...] = ()
    learned: bool = False
    headed: bool = False
    blank_first: bool = False
    """Whether a blank line before a header belongs to its record."""
    rule: str = ""
    """The line of signs that stands before each header, where the program draws one, and belongs to that record."""
    two_lines: bool = False
    """Whether the level, or the message, of each record stands in a line of its own behind the header."""
    indent: int = 0
    """How deep records begin that have no header."""
    outline: int = 0
    """How deep records begin where lines before them, less deep, say what they belong to."""
    order: Order = ""
    """Which of a date's numbers is the day, in formats that do not say it themselves."""
    stamp: Layout | None = None
    """What a runner writes before each line of another program's output; `layouts` and `place` are then how that reads."""


class Kept(msgspec.Struct, frozen=True):
    """A shape as it is kept while nobody reads the file. `formats`: the mark of the registry that its place is one of."""

    shape: Shape
    formats: str


def keep(shape: Shape, registry: Registry) -> str:
    """The shape as a text for `kept`."""
    return msgspec.json.encode(Kept(shape, registry.mark)).decode()


def kept(text: str, registry: Registry) -> Shape | None:
    """The shape in a text of `keep`; None where this version cannot read it, or knows other formats, so that the file is to be looked at again."""
    try:
        found = msgspec.json.decode(text, type=Kept)
    except msgspec.DecodeError:
        return None
    if found.formats == registry.mark:
        return found.shape
    return msgspec.structs.replace(found.shape, place=-1) if found.shape.learned else None


class Learner:
    """Finds the shape of a file, as more and more of its first lines are seen.

    Args:
        registry: the known formats.
        said: which of a date's numbers is the day, where somebody knows it.
    """

    def __init__(self, registry: Registry, said: Order = "") -> None:
        self._registry, self._said = registry, said
        self._detection: Detection = registry.detection()
        self._lines: list[str] = []

    @property
    def wants(self) -> int:
        """How many more lines would help."""
        return self._detection.wants

    def add(self, lines: Sequence[str], times: TimeReader) -> None:
        """Look at these lines too, or as many of them as help."""
        self._detection.add(lines, times)
        self._lines.extend(line[:_LENGTH] for line in lines[: MOST - len(self._lines)])

    def again(self, lines: Sequence[str], times: TimeReader) -> Shape:
        """The shape of the first lines and some later ones."""
        return shape_of([*self._lines[:_FIRST], *lines], self._registry, times, self._said)

    def shape(self, times: TimeReader) -> Shape:
        """The shape of the lines seen so far."""
        lines = self._lines
        known = _as_named(self._detection.best(), lines)
        if known is not None and known.wraps and not self._wraps(known, times):
            known = None
        if isinstance(known, IndentedJsonFormat) and self._prints_objects(times):
            known = None
        place = self._registry.place(known)
        depths = Counter(len(line) - len(line.lstrip(" ")) for line in lines if line.strip())
        indent = _indent(lines, depths)
        if self._is_report(times):
            return Shape(self._registry.place(REPORT), headed=True, order=self._said)
        if known is not None and not isinstance(known, RegexFormat):
            beside = self._beside(known, times)
            formats: list[Format] = [known, *(LearnedFormat(layout) for layout in beside)]
            headed, blank_first = _headed(formats, lines, times), _blank_first([known], lines, times)
            order = self._said or (_fielded_order(lines, times) if known.name in _FIELDED else "")
            return Shape(place, beside, headed=headed, blank_first=blank_first, order=order)
        found = [] if known is not None and known.wraps else layouts(lines, times, surely_begins, self._said)
        if known is None or not ((known.wraps or known.heads_each) and _reads_all(known, lines)):
            behind_stamps = self._behind_stamps(found[0] if found else None, times)
            if behind_stamps is not None:
                return behind_stamps
        if known is not None and known.wraps:
            return Shape(place, self._beside(known, times), order=self._said)
        learned = [LearnedFormat(layout) for layout in found]
        seconds = len(learned) > 1 and learned[0].dated and _second_lines(learned, lines)
        if seconds:
            found, learned = found[:1], learned[:1]
        first = bool(learned) and (known is None or _better(learned, known, lines, times))
        formats = [*learned]
        if known is not None and not first:
            formats = [known] if known.follows is not None else [known, *learned]
        headed = _headed(formats, lines, times)
        return Shape(
            place,
            tuple(found),
            first,
            headed,
            _blank_first(formats, lines, times),
            _rule(formats, lines, times),
            seconds or _two_lines(formats, lines, times),
            0 if found or known else indent,
            _outline(formats, lines),
            self._said or _order(found),
        )

    def _behind_stamps(self, found: Layout | None, times: TimeReader) -> Shape | None:
        """The shape of lines behind stamps, where these lines show records with headers of their own."""
        stamps = stamped(self._lines, found)
        if stamps is None:
            return None
        shape = shape_of(stamps[1], self._registry, times, self._said)
        told = shape.headed and (shape.place >= 0 or any(map(_tells, shape.layouts)))
        if shape.stamp is not None or not (told or shows_stack(stamps[1])):
            return None
        return msgspec.structs.replace(shape, stamp=stamps[0])

    def _beside(self, known: Format, times: TimeReader) -> tuple[Layout, ...]:
        """The layouts with a time of what another logger writes into a file of records with named fields; those of the lines that a known format wraps."""
        if known.wraps:
            wrapped = [header.message for line in self._lines if (header := known.read(line, times))]
            return tuple(layout for layout in layouts(wrapped, times, surely_begins, self._said) if _tells(layout))
        if known.name not in _FIELDED:
            return ()
        others = [line for line in self._lines if line.strip() and known.read(line, times) is None]
        if len(others) < _OTHERS or len(others) * 10 < len(self._lines):
            return ()
        return tuple(layout for layout in layouts(others, times, surely_begins, self._said) if layout.shape is not None)

    def _wraps(self, known: Format, times: TimeReader) -> bool:
        """Whether what a format takes for the names of wrapped programs are names: no levels, and no fields of a header that, learned from the whole lines, stands on more of them."""
        wrapped = [header for line in self._lines if (header := known.read(line, times)) is not None]
        names = {header.logger for header in wrapped if header.logger}
        if len(names) > 1 and all(levels.of_word(name) for name in names):
            return False
        if len(wrapped) == sum(1 for line in self._lines if line.strip()):
            return True
        found = layouts(self._lines, times, surely_begins, self._said)[:1]
        return not any(
            sum(1 for line in self._lines if re.match(one.header, line, re.ASCII)) > len(wrapped)
            for one in found
            if _tells(one)
        )

    def _prints_objects(self, times: TimeReader) -> bool:
        """Whether objects over several lines are what records print: more lines have headers than there are objects."""
        objects = sum(1 for line in self._lines if line.rstrip() == "{")
        return any(
            sum(1 for line in self._lines if re.match(one.header, line, re.ASCII)) > objects
            for one in layouts(self._lines, times, surely_begins, self._said)[:1]
            if _tells(one)
        )

    def _is_report(self, times: TimeReader) -> bool:
        """Whether these lines are a report of tests: its results are more than the lines that anything else reads."""
        hits = REPORT.covers(self._lines, times)
        if hits <= self._detection.most:
            return False
        found = layouts(self._lines, times, surely_begins, self._said)
        return not found or hits > sum(1 for line in self._lines if re.match(found[0].header, line, re.ASCII))


def shape_of(lines: Sequence[str], registry: Registry, times: TimeReader, said: Order = "") -> Shape:
    """The shape of these lines."""
    learner = Learner(registry, said)
    learner.add(lines, times)
    return learner.shape(times)


def _as_named(known: Format | None, lines: Sequence[str]) -> Format | None:
    """The format without a logger, where its headers may have one and most of these have none that a careful reader would take for one: what stands before
    nothing but a blank is one where it has dots, or is written like a class.
    """
    if not isinstance(known, RegexFormat) or known.unnamed is None:
        return known
    matches = [match for line in lines if (match := known.regex.match(line))]
    named = sum(
        1
        for match in matches
        if match["logger"] and (not match[0][match.end("logger") :].isspace() or _CLASS.fullmatch(match["logger"]))
    )
    return known.unnamed if len(matches) >= _OTHERS and named * 10 < len(matches) * 8 else known


def _indent(lines: Sequence[str], depths: Counter[int]) -> int:
    """How deep records begin: as deep as most lines do, where none or few begin less deep and the first is not among these."""
    if not depths:
        return 0
    depth, count = depths.most_common(1)[0]
    first = next((line for line in lines if line.strip()), "")
    if 0 not in depths:
        return depth
    return depth if count * 10 >= depths.total() * 8 and len(first) - len(first.lstrip(" ")) == depth else 0


def _outline(formats: Sequence[Format], lines: Sequence[str]) -> int:
    """How deep nearly all records begin, where the first has its outline above it; 0 where they have none."""
    learned = formats[0] if formats else None
    if not isinstance(learned, LearnedFormat) or not learned.dated:
        return 0
    depths = [len(line) - len(line.lstrip(" ")) for line in lines if learned.regex.match(line)]
    first = next((number for number, line in enumerate(lines) if learned.regex.match(line)), 0)
    depth = depths[0] if depths else 0
    named = (
        all(re.match(rf" {{{step}}}[\w.\-]+: \S", lines[first - depth + step]) for step in range(depth))
        if first >= depth
        else False
    )
    return depth if depth and named and depths.count(depth) * 10 >= len(depths) * 8 else 0


def _order(found: Sequence[Layout]) -> Order:
    """Which number of the file's dates is the day, as its first lines together say it."""
    return next((layout.order for layout in found if (s := SHAPES.get(layout.shape or "")) and s.ambiguous), "")


def _fielded_order(lines: Sequence[str], times: TimeReader) -> Order:
    """The same of lines of named fields, whose dates stand somewhere in them."""
    shape = SHAPES["numbers"]
    texts = [match.group() for line in lines if (match := shape.finder.search(line, 0, _LENGTH))]
    if len(texts) * 2 < len(lines):
        return ""
    near = datetime.fromtimestamp(times.reference / SECOND, UTC)
    return order_of(shape, texts, (near.year, near.month, near.day))


def _two_lines(formats: Sequence[Format], lines: Sequence[str], times: TimeReader) -> bool:
    """Whether nearly every dated header has no word of a message, or is followed by a line that begins with a level and has no time."""
    dated = (
        [
            (n, header)
            for n, line in enumerate(lines[:-1])
            if (header := formats[0].read(line, times)) and header.ts is not None
        ]
        if formats
        else []
    )
    if len(dated) > 1 and sum(1 for _, header in dated if not _WORD.search(header.message)) * 10 >= len(dated) * 8:
        return True
    if sum(1 for _, header in dated if header.level) * 2 > len(dated):
        return False  # who says the level beside the time has no second line for it
    return len(dated) > 1 and sum(1 for n, _ in dated if levels.announced(lines[n + 1])) * 10 >= len(dated) * 8


def _second_lines(learned: Sequence[LearnedFormat], lines: Sequence[str]) -> bool:
    """Whether what has a level and no time is always the line behind one that has a time: the second line of its record."""
    undated = [
        number
        for number, line in enumerate(lines)
        if any(fmt.regex.match(line) for fmt in learned[1:] if not fmt.dated)
    ]
    heads = [learned[0].regex.match(lines[number - 1]) if number else None for number in undated]
    return len(undated) > 1 and all(head is not None and head.groupdict().get("level") is None for head in heads)


def _better(learned: Sequence[LearnedFormat], known: RegexFormat, lines: Sequence[str], times: TimeReader) -> bool:
    """Whether what was learned reads more of the lines, or more in them, than a known format does."""
    mine = [
        header for line in lines if (header := next((one for fmt in learned if (one := fmt.read(line, times))), None))
    ]
    theirs = [header for line in lines if (header := known.read(line, times))]
    if known.name in ANY:
        return len(mine) * 10 >= len(theirs) * 9
    if known.name == _RUNNER or known.follows is not None or (_dated(theirs) and not _dated(mine)):
        return False
    return len(mine) > len(theirs) * 1.1 + 1 or (
        len(mine) * 10 >= len(theirs) * 9
        and (
            _levelled(mine) > _levelled(theirs) * 1.1
            or _dated(mine) > _dated(theirs) * 1.1 + (1 if _dated(theirs) else 0)
            or (_levelled(mine) == _levelled(theirs) and _known(mine) > _known(theirs) * 1.1)
            or (
                _levelled(mine) >= _levelled(theirs)
                and not known.heads_each
                and sum(_placed(fmt, lines) for fmt in learned) > _placed(known, lines) * 1.1 + 1
            )
        )
    )


def _tells(layout: Layout) -> bool:
    """Whether headers of this layout say a time or a level."""
    return layout.shape is not None or "(?P<level>" in layout.header


def _reads_all(known: RegexFormat, lines: Sequence[str]) -> bool:
    """Whether nearly each line has the header of a known format."""
    return sum(1 for line in lines if known.regex.match(line)) * 10 >= len(lines) * 9


def _dated(headers: Sequence[Header]) -> int:
    return sum(1 for header in headers if header.ts is not None)


def _levelled(headers: Sequence[Header]) -> int:
    return sum(1 for header in headers if header.level)


def _placed(fmt: RegexFormat, lines: Sequence[str]) -> int:
    """How many lines have their level where the format says that it stands, not somewhere in their message."""
    return sum(1 for line in lines if (match := fmt.regex.match(line)) and match.groupdict().get("level"))


def _known(headers: Sequence[Header]) -> int:
    return sum(1 for header in headers if header.pid is not None)


def _blank_first(formats: Sequence[Format], lines: Sequence[str], times: TimeReader) -> bool:
    """Whether the program writes a blank line, and then the record: the file (or what follows a page's beginning) begins with one, and so does nearly
    each record.
    """
    page = bool(lines) and lines[0].lower().startswith(("<!doctype", "<html"))
    if not lines or (lines[0].strip() and not page):
        return False
    headers = [number for number, line in enumerate(lines) if any(fmt.read(line, times) for fmt in formats)]
    after_one = [n for n in headers if n and not lines[n - 1].strip() and (n == 1 or lines[n - 2].strip())]
    if page and not set(headers[:2]) & set(after_one[:1]):  # behind the row that names the columns
        return False
    return bool(after_one) and len(after_one) * 10 >= (len(headers) - page) * 8


def _rule(formats: Sequence[Format], lines: Sequence[str], times: TimeReader) -> str:
    """The line of signs with which the file begins, where one stands before nearly each header; else empty."""
    first = next((line for line in lines if line.strip()), "")
    if not _RULE.fullmatch(first):
        return ""
    headers = [number for number, line in enumerate(lines) if any(fmt.read(line, times) for fmt in formats)]
    ruled = sum(1 for number in headers if number and lines[number - 1] == first)
    return first if ruled > 1 and ruled * 10 >= len(headers) * 8 else ""


def _headed(formats: Sequence[Format], lines: Sequence[str], times: TimeReader) -> bool:
    """Whether so many lines have headers that one without belongs to the record before it; what stands before the first of them is a banner."""
    headers = others = run = runs = capped = 0
    dated = ordinary = False
    for line in lines:
        header = next((header for fmt in formats if (header := fmt.read(line, times))), None)
        if header is not None:
            headers, run = headers + 1, 0
            dated = dated or header.ts is not None
            ordinary = ordinary or header.level < levels.WARN
        elif headers and surely_begins(line):
            run += 1
            others += 1
            runs += run == 1
            capped += run <= _RUN
    if not dated and not ordinary and others > 1:
        return False  # where only trouble has a header, the lines without one are what the program says otherwise
    if dated:
        return headers > 0 and headers * 10 >= (headers + others) * 3
    few = headers >= _MANY and runs * 2 <= headers  # most headers have no other line behind them
    return headers > 2 and headers * 6 >= (headers + (capped if few else others)) * 3
