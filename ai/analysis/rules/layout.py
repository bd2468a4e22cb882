"""How a posting is laid out: its lines, its sections, and the values that stand behind a label."""

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from ai.analysis.rules.lexicon.vocabulary import HEADINGS, LABELS


@dataclass(frozen=True, slots=True)
class Hit:
    """A value (of one field) and its span in the text it was found in; `exact` as in `Evidence`."""

    value: str | float
    start: int
    end: int
    exact: bool = True


Kind = Literal["unasked", "preferred", "offer", "tasks", "about", "required", "other"]
_KINDS: Final[tuple[Kind, ...]] = ("unasked", "preferred", "offer", "tasks", "about", "required", "other")
_MAX_LABELLED: Final = 200
_LEAD: Final = re.compile(r"[^\w(\"“«'’¿¡€£$₹@]*(?:\d{1,2}[.)]\s+)?[^\w(\"“«'’¿¡€£$₹@]*")
_BULLET: Final = re.compile(r"\s*(?:[-–—*•·‣▪◦●○✓✔✅👍👉➡+>]|\d{1,2}[.)]\s)")
_PLACE_SIGN: Final = re.compile(r"[📍🗺🌍🏢]\ufe0f?\s*")
_MAX_LABEL: Final = 40
_LABEL: Final = re.compile(r"[^\W\d_][^\n:|,;.]{1,34}:\s")
"""A word or a few before a colon, at the beginning of a line."""
_OPEN: Final = re.compile(
    r"(?:[,;&/(-]|\b(?:and|or|with|of|in|to|for|the|an?|und|oder|mit|von|der|die|das|et|ou|de|du|avec|y|o|e|con|en))\s*$",
    re.IGNORECASE,
)
"""A line that goes on in the next one."""
_PREFERRED: Final = re.compile(
    r"(?<!\w)(?:nice[- ](?:to[- ]have|extra)|preferred|preferably|(?:a|would be a|as a|is a|are a|real) (?:big |real |definite |strong )?(?:plus|bonus|asset|advantage)|bonus\b(?! of)|desirable|strongly desired|desired|"
    r"(?:is|are|also|very|most|always) welcome(?! to)|(?:gerne?|sind|ist|auch) willkommen|(?:son|es|será|serán) bienvenid\w+|(?:est|sont|serait|seraient) (?:les? )?bienvenue?s?|(?:is|zijn) welkom|(?:sono|è) benvenut\w+|would be (?:great|ideal|nice|lovely|an? \w+|useful|welcome|helpful)|(?:be )?an advantage|advantageous|ideally|not essential|by no means essential|optional|beneficial|helps\b|would make (?:me|us)|exposure to|"
    r"we(?:'|’)?d love (?:it )?if|it would be (?:great|nice|lovely|a bonus) if|wünschenswert|von vorteil|idealerweise|gern(?:e)? gesehen|pluspunkt\w*|(?:ein|wäre ein|sind ein) plus|wäre[n]? (?:toll|schön|gut|ideal|super)|kein muss|optional|nicht zwingend|"
    r"valorable\w*|se valora\w*|valoramos|deseable\w*|(?:ser[áa]|es) un plus|preferente\w*|"
    r"appréciée?s?|souhaitée?s?|(?:serait|est|constitue|seraient|sont) (?:un|des) (?:plus|atouts?|véritable)|un atout|atouts|idéalement|un plus|pas obligatoire|"
    r"desejável|desejáveis|diferencia\w+|valorizamos|preferencial\w*|(?:é|será) um plus|"
    r"(?:is|zijn) een (?:pré|plus|pluspunt)|een pré|pré\b|bij voorkeur|mooi meegenomen|"
    r"gradit[oaie]|titolo preferenziale|preferibilmente|è un plus|costituisce|meriterande|mile widzian\w+)",
    re.IGNORECASE,
)
_LIGHT_SPLIT: Final = re.compile(
    r",\s+(?=(?:and\s+)?(?:ideally|idealerweise|idéalement|preferably|preferiblemente|bij voorkeur|as would|bonus))",
    re.IGNORECASE,
)


_APART: Final = re.compile(
    r",\s+(?:and|und|et|y|e|en|but|aber|mais|pero)\s+(?=(?:an?|some|any|eine?|une?|un[ao]?|experience|knowledge|familiarity|erste)\s)",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    r"(?<!\w)(?:you(?:'|’)?(?:ll|ve)?|must|need|needs|has|have|bringst?|du|sie|hast|haben|vous|tienes)(?!\w)",
    re.IGNORECASE,
)
"""A clause that asks for something: what is said of the noun behind it, "and a boat licence is an advantage", is not said of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its line end; `lead` is where its words begin, after bullets and signs."""

    start: int
    end: int
    lead: int
    bullet: bool


@dataclass(frozen=True, slots=True)
class Labelled:
    """A value behind a label: what field it is of, and where it stands."""

    field: str
    label: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A text's lines and labelled values, and for each place the kind of its section and whether it is only welcome."""

    text: str
    lines: tuple[Line, ...]
    labelled: tuple[Labelled, ...]
    starts: tuple[int, ...]
    kinds: bytes
    welcome: bytes

    def kind_at(self, position: int) -> Kind | None:
        """What the section at a place is about; None outside of any."""
        kind = self.kinds[min(position, len(self.kinds) - 1)]
        return _KINDS[kind - 1] if kind else None

    def is_preferred(self, position: int) -> bool:
        """Whether what stands there is only welcome, by its section or by its own clause."""
        return self.kind_at(position) == "preferred" or bool(self.welcome[min(position, len(self.welcome) - 1)])

    def values(self, field: str) -> Iterator[Labelled]:
        """The labelled values of a field, in order."""
        return (item for item in self.labelled if item.field == field)

    def line_at(self, position: int) -> Line:
        """The line that holds a place."""
        return self.lines[max(bisect_right(self.starts, position) - 1, 0)]


def lay_out(text: str) -> Layout:
    """Read the layout of a text."""
    lines = tuple(_lines(text))
    followers = _followers(lines)
    headings = [_heading(text, line, following) for line, following in zip(lines, followers, strict=True)]
    kinds, welcome = bytearray(len(text) + 1), bytearray(len(text) + 1)
    for start, end, kind in _blocks(text, lines, headings):
        _paint(kinds, start, end, _KINDS.index(kind) + 1)
    labelled: list[Labelled] = []
    for line, following, heading in zip(lines, followers, headings, strict=True):
        for start, end, kind in _inline_sections(text, line):
            _paint(kinds, start, end, _KINDS.index(kind) + 1)
        if len(labelled) < _MAX_LABELLED:
            labelled.extend(_labels_of(text, line, following, is_heading=heading is not None))
    for start, end in _preferred_clauses(text, lines):
        _paint(welcome, start, end, 1)
    return Layout(text, lines, tuple(labelled), tuple(line.start for line in lines), bytes(kinds), bytes(welcome))


def _paint(canvas: bytearray, start: int, end: int, value: int) -> None:
    stop = min(end, len(canvas))
    canvas[start:stop] = bytes([value]) * max(stop - start, 0)


def _followers(lines: tuple[Line, ...]) -> list[Line | None]:
    """For each line the next one that is not blank."""
    out: list[Line | None] = []
    following: Line | None = None
    for line in reversed(lines):
        out.append(following)
        following = line if line.lead < line.end else following
    return out[::-1]


def _blocks(text: str, lines: tuple[Line, ...], headings: list[Kind | None]) -> Iterator[tuple[int, int, Kind]]:
    """The lines under each heading: until the next heading, or until a list under it ends, by a blank line or a label of its own."""
    current: tuple[int, Kind] | None = None
    listed = blank = False
    before = ""
    for line, heading in zip(lines, headings, strict=True):
        empty = line.lead >= line.end
        words = text[line.start : line.end]
        apart = blank or _LABEL.match(text, line.lead, line.end) or _is_sentence(words, before)
        ended = listed and not line.bullet and not empty and apart
        if current is not None and (heading is not None or ended):
            yield current[0], line.start, current[1]
            current = None
        if heading is not None:
            current, listed = (line.end, heading), False
        listed = listed or line.bullet
        blank, before = empty, words
    if current is not None:
        yield current[0], len(text) + 1, current[1]


def _is_sentence(line: str, before: str) -> bool:
    """Whether a line is a sentence of its own, of three words or more, and not the rest of the line before it."""
    return (
        line[:1].isupper()
        and line.rstrip().endswith((".", "!", "?"))
        and len(line.split()) > 2
        and _OPEN.search(before[-20:]) is None
    )


def _lines(text: str) -> Iterator[Line]:
    at = 0
    for piece in text.split("\n"):
        lead = _LEAD.match(piece)
        skip = lead.end() if lead is not None else 0
        yield Line(at, at + len(piece), at + min(skip, len(piece)), bullet=_BULLET.match(piece) is not None)
        at += len(piece) + 1


def _heading(text: str, line: Line, following: Line | None) -> Kind | None:
    """The kind of a line that is a heading over the following ones; "other" for one of unknown meaning."""
    words = text[line.lead : line.end].strip(" *_#=:-–—?!.…")
    whole = text[line.lead : line.end].rstrip(" *_#=")
    if not words or len(words) > 70 or len(words.split()) > 9 or following is None:
        return None
    closed = whole.endswith((":", "?", "…"))
    if whole.endswith((".", ",", ";", "!")) or (line.bullet and not closed) or (":" in words and not closed):
        return None
    kind = heading_kind(words)
    if kind is not None and (closed or len(words.split()) <= 5) and not re.search(r"\d{3}|[|·]", words):
        return kind
    return "other" if closed and len(words.split()) <= 6 else None


def heading_kind(words: str) -> Kind | None:
    """What a heading of these words is about, None when it names no part known here."""
    for kind, pattern in _headings():
        if pattern.search(words):
            return kind
    return None


@lru_cache(maxsize=1)
def _headings() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(rf"(?<!\w)(?:{_bounded(HEADINGS[kind])})", re.IGNORECASE)) for kind in _KINDS[:-1])


def _bounded(words: str) -> str:
    return words.replace("$", r"(?!\w)")


def _ended(words: str) -> str:
    return words.replace("$", r"(?!\w)(?=\s*(?:\(|$))")


@lru_cache(maxsize=1)
def _label_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (name, re.compile(rf"(?:{_ended(words)})[^\n:|]{{0,18}}", re.IGNORECASE)) for name, words in LABELS.items()
    )


def label_field(words: str) -> str | None:
    """The field that a label of these words introduces."""
    bare = words.strip(" *_#\"'“”()[].…·")
    if not 2 <= len(bare) <= _MAX_LABEL or len(bare.split()) > 5:
        return None
    return next((name for name, pattern in _label_patterns() if pattern.fullmatch(bare)), None)


def _labels_of(text: str, line: Line, following: Line | None, *, is_heading: bool) -> Iterator[Labelled]:
    """Labelled values of a line: "Label: value", "Label | value", several cells, or the label alone above its value."""
    sign = _PLACE_SIGN.search(text, line.start, min(line.lead + 2, line.end))
    if sign is not None and sign.end() < line.end:
        end = _value_end(text, sign.end(), line.end)
        yield Labelled("locations", line.start, sign.end(), end)
    cuts = [
        line.lead,
        *(
            m.end()
            for m in re.finditer(r"(?:\s[|·•]\s|[.;!?)]\s+|\s[-–—]\s|,\s(?=[^\s,:]+\s?:))", text[line.lead : line.end])
        ),
    ]
    starts = [line.lead, *(line.lead + cut for cut in cuts[1:])]
    found: list[tuple[str, int, int]] = []
    for start in starts:
        match = re.compile(r"[*_\s]*(?P<l>[^\s:|*_][^\n:|]{0,40}?)[*_]*\s?(?::|\|(?!\|))[*_]*\s*(?=\S)").match(
            text, start, line.end
        )
        if match is not None and (name := label_field(match["l"])):
            found.append((name, match.start("l"), match.end()))
    for index, (name, label, start) in enumerate(found):
        limit = found[index + 1][1] if index + 1 < len(found) else line.end
        end = _value_end(text, start, limit)
        if start < end:
            yield Labelled(name, label, start, end)
    if found or is_heading or following is None:
        return
    words = text[line.lead : line.end]
    if not re.search(r"\d", words) and len(words.split()) <= 4 and (name := label_field(words.rstrip(" :"))):
        yield Labelled(name, line.lead, following.lead, following.end)
        return
    bare = re.match(
        r"(?:time type|locations?|remote type|job location|workplace type)\s+(?=[A-Z])", words, re.IGNORECASE
    )
    if bare is not None and len(words.split()) <= 6 and (name := label_field(bare.group().strip())):
        yield Labelled(name, line.lead, line.lead + bare.end(), line.end)


def _value_end(text: str, start: int, limit: int) -> int:
    cell = re.search(r"\s*(?:\||\s·\s|\s•\s|(?<!St)(?<!bzw)(?<!Co)\.\s+(?=[A-ZÄÖÜÉÀ¿])|;\s)", text[start:limit])
    end = start + cell.start() if cell is not None else limit
    return start + len(text[start:end].rstrip(" *_|·•-–—;"))


def _inline_sections(text: str, line: Line) -> Iterator[tuple[int, int, Kind]]:
    """Parts of one line that begin with a heading of their own: "Must have: Java. Nice to have: Go."."""
    pattern = re.compile(
        r"(?:(?<=^)|(?<=[.;!?)|·•])\s+|(?<=\|)\s*)(?P<h>[^\W\d][^.:;|!?\n]{1,45}?)(?:\s?[.…]{3,}\s?:?\s*|\s?(?::|\|)\s*|(?P<dash>\s[-–—]\s))(?=\S)"
    )
    body = text[line.lead : line.end]
    marks: list[tuple[int, int, Kind]] = []
    for match in pattern.finditer(body):
        words = match["h"].strip(" *_")
        if len(words.split()) > 6 or (
            label_field(words) and label_field(words) != "title" and heading_kind(words) != "preferred"
        ):
            kind: Kind | None = "other"
        else:
            kind = heading_kind(words)
        if match["dash"] and (match.start() or kind not in {"required", "preferred"}):
            continue
        if kind is not None:
            marks.append((line.lead + match.start("h"), line.lead + match.end(), kind))
    for index, (_, start, kind) in enumerate(marks):
        end = marks[index + 1][0] if index + 1 < len(marks) else line.end
        if kind != "other" or len(marks) > 1:
            yield start, end + 1, kind


def _preferred_clauses(text: str, lines: tuple[Line, ...]) -> Iterator[tuple[int, int]]:
    """Clauses that say of what they name that it is only welcome."""
    for line in lines:
        for sentence in re.finditer(r"[^.;!?]+(?:\.(?=\w)[^.;!?]*)*[.;!?]?", text[line.start : line.end]):
            base = line.start + sentence.start()
            pieces = [0, *(m.start() for m in _LIGHT_SPLIT.finditer(sentence.group())), len(sentence.group())]
            for begin, end in itertools.pairwise(pieces):
                part = sentence.group()[begin:end]
                cue = _PREFERRED.search(part)
                if cue is None or re.search(r"(?:deseable|desirable) no\b", part):
                    continue
                required = re.search(
                    r"(?:required|a must(?:[- ]have)?|ein Muss|essential|indispensable|erforderlich|zwingend|notwendig|setzen[^,]*voraus|exigé\w*|nécessaire|imprescindible|obligator\w+|indispens\w+|vereist|richiest\w+|obrigatóri\w+)\b[^,;]*[,;]?\s*(?:and|und|et|y|e|en)?\s*",
                    part[: cue.start()], re.IGNORECASE,
                )  # fmt: skip
                skip = (
                    required.end()
                    if required is not None
                    and not re.search(r"(?:no means|not|nicht|pas)\s+$", part[: required.start()])
                    else 0
                )
                apart = list(_APART.finditer(part, skip, cue.start()))
                if apart and _ASKS.search(part[skip : apart[-1].start()]):
                    skip = apart[-1].end()
                yield base + begin + skip, base + end
