"""What stands before the time of a header, learned from the lines that have one: fields, with the level among them."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from logs.parsing.reader.behind import FIELDS, changes, level_column
from logs.parsing.reader.fields import (
    CLOSES,
    WORD,
    Field,
    Slot,
    field_pattern,
    fields,
    gap_pattern,
    level_pattern,
    signs_tell,
    slot_of,
)

OPENERS: Final = "[({<"
_NONE: Final = r"-(?=[\s|;,:])"
_BLANKS: Final = r"[ \t]+"
_LINE: Final = re.compile(r":\d+")
_ANGLED: Final = re.compile(r"[A-Za-z_]\S*")
_OPENING: Final = frozenset(OPENERS)
_MARKED: Final = re.compile(r"[^\w\s\x00-\x7f]{1,3}")
_MARK: Final = Slot("", before=False, behind=False, style="mark")
"""Signs, one of which may stand for a level where others do."""
CATEGORY: Final = "|[A-Z]{3,12})"
_LETTER: Final = "|[A-Za-z])"
"""Letters that stand for no level that is known, among those that do."""
_SIGN: Final = r"|[^\x00-\x7f]{1,3})"
"""The same of signs."""


class Found(NamedTuple):
    """A time in a line."""

    line: str
    begin: int
    end: int


def _lead(hit: Found) -> tuple[list[Field], str] | None:
    """The fields before the time and what stands between the last of them and the time; None when that is more than a header has."""
    before = hit.line[: hit.begin]
    found = fields(before, 0, FIELDS)
    end = found[-1].end if found else 0
    rest = before[end:]
    # the line's number behind a file's name is no field of its own
    if re.search(r"\w", rest) or sum(1 for field in found if not field.opens and not _LINE.fullmatch(field.gap + field.text)) > 4:  # fmt: skip
        return None
    return found, rest


def signed(hits: Sequence[Found]) -> bool:
    """Whether signs in brackets before the times are levels: `[+]`, `[-]`, `[!]`; where the only one is `[-]`, something has no name."""
    return signs_tell([lead[0] for hit in hits if (lead := _lead(hit)) is not None])


def _slot(field: Field, *, signs: bool) -> Slot | None:
    """How the field holds a level; None when it holds none."""
    slot = slot_of(field)
    return None if slot is not None and slot.style == "sign" and not signs else slot


def signature_of(hit: Found, *, signs: bool) -> str | None:
    """The expression that describes what stands before the time; None when it is too much. `signs`: those in brackets are levels."""
    lead = _lead(hit)
    if lead is None:
        return None
    parts: list[str] = []
    levelled, graded = False, any(_slot(field, signs=signs) for field in lead[0])
    for before, field in zip([None, *lead[0]], lead[0], strict=False):
        slot = _slot(field, signs=signs) or (_MARK if not graded and _MARKED.fullmatch(field.text) else None)
        parts.append(_gap(before, field.gap))
        if slot is not None and not levelled:
            levelled = True
            parts.append(f"<{slot.place}>")
        else:
            parts.append(_lead_field(field))
    return "".join(parts) + _last_gap(lead)


def _gap(before: Field | None, gap: str) -> str:
    """The expression for what stands behind a field: blanks that fill the column of a word are none behind the longest, `INFO    |`, `CRITICAL|`."""
    return (
        r"[ \t]*" + gap_pattern(gap.lstrip())
        if before is not None and not before.opens and gap.strip()
        else gap_pattern(gap)
    )


def _lead_field(field: Field) -> str:
    """The expression for a field before the time; Python's names of functions without one, as `<module>`, are words, and a hyphen stands for none."""
    if not field.opens and field.text.isdigit():
        return rf"(?:\d+|{_NONE})"
    if not field.opens or (field.opens == "<" and _ANGLED.fullmatch(field.text)):
        return rf"(?:{WORD}|<[^<>\s]+>|{_NONE})"
    return field_pattern(field)


def _last_gap(lead: tuple[list[Field], str]) -> str:
    """The expression for what stands right before the time: blanks that fill a column may be none before its bracket."""
    found, gap = lead
    pattern = _gap(found[-1] if found else None, gap)
    return r"[ \t]*" + pattern.removeprefix(r"[ \t]+") if gap.lstrip(" \t")[:1] in _OPENING else pattern


def lead_pattern(hits: list[Found], tails: Sequence[str]) -> tuple[str, bool]:
    """The expression before the time, and whether it has the level: a word behind the time says more than a mark before it, or a word that all
    lines have there.
    """
    leads = [lead for hit in hits if (lead := _lead(hit)) is not None]
    slots = partial(_slot, signs=signed(hits))
    graded = (lead for lead in leads if any(map(slots, lead[0])))
    first = next(graded, leads[0] if leads else ([], ""))
    parts: list[str] = []
    levelled = False
    ahead = [{f[0][number].text for f in leads} for number, field in enumerate(first[0]) if slots(field)]
    marked = {slot.style for field in first[0] if (slot := slots(field))} == {"mark"}
    constant = bool(ahead) and all(len(texts) == 1 for texts in ahead)
    several = any(len(texts) > 1 for texts in ahead) and len(hits) > 2  # then a letter that all lines have is none
    if marked or (len(hits) > 2 and constant):
        rows = [fields(tail.lstrip("])}>"), 0, FIELDS) for tail in tails]
        behind = level_column(rows, len(tails))
        # letters that change say more than a word that all lines have before the time
        weak = {"mark"} if constant and len(hits) > 1 and (marked or changes(rows, behind)) else {"mark", "letter"}
        levelled = behind is not None and not weak.issuperset(behind.styles)
    for number, field in enumerate(first[0]):
        slot = slots(field)
        gap = _gap(first[0][number - 1] if number else None, field.gap)
        parts.append(gap if number else r"[ \t]*" if gap == r"[ \t]+" else gap)
        # a small letter that all lines have is a name: `{"t": 1774084333.5, …`
        one = slot is not None and len({lead[number].text for lead, _ in leads}) == 1
        named = slot is not None and one and (slot.style == "small" or (several and slot.style == "letter"))
        if slot is not None and not levelled and not named:
            levelled = True
            styles = {other.style for hit in hits if (lead := _lead(hit)) and (other := slots(lead[0][number]))}
            known = level_pattern(slot.place, tuple(sorted(styles)))
            if gap != (bare := gap.removesuffix(_BLANKS)) and bare:
                parts[-1] = (
                    rf"{bare}[ \t]*"  # blanks that fill the level's column behind a sign are none before the longest
                )
            alone = next(iter(styles)) if len(styles) == 1 and not any(slot.place[1:]) else ""
            also = {"upper": CATEGORY, "letter": _LETTER, "mark": _SIGN}.get(alone, "")
            if also and slot.opens:
                also = rf"|{re.escape(slot.opens)}[ \t]*{also[1:-1]}[ \t]*{re.escape(CLOSES[slot.opens])})"
            parts.append(f"(?:{known}{also}" if also else known)
        else:
            # the digits before the first colon of `main@16:28:40` are all its hour's
            parts.append(
                _lead_field(field) + r"(?<!\d)" * (number == len(first[0]) - 1 and not first[1] and not field.opens)
            )
    return "".join(parts) + _last_gap(first), "(?P<level>" in "".join(parts)
