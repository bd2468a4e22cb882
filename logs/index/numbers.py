"""Bounds of the numbers that stand behind names in texts: `took=1.5s`, `"status": 504`, `size: 3 MiB` in quotes.

The two numbers behind a request in quotes (`"GET / HTTP/1.1" 200 512 0.013`) are noted too, under names of their own, and what may be its duration.

For each name that has numbers: the least and the greatest of those without a unit, and of those with one, in its base unit and as they stand there. So a search for a number beyond them passes
over the block. A name counts by the last 16 bytes of its last step (`status` of `http.status`), and what may be no value counts too: the bounds of a name may be too wide,
and are never too narrow. What cannot be told in passing makes the bounds of its name open.

All is done with arrays over all texts of a batch: reading each record by itself would cost more than reading the log in did.
"""

import functools
import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from logs.index.digits import (
    BEHIND,
    BLANKS,
    CLOSELY,
    DIGIT,
    DIGITS,
    INEXACT,
    IS_DIGIT,
    KIND,
    LETTERS,
    MARGIN,
    MEASURED,
    OTHER,
    PLAIN,
    QUOTE,
    READ,
    SIGN,
    UNCLEAR,
    WRITTEN,
    Flags,
    Floats,
    Places,
    Signs,
    Words,
    begins_unit,
    behind_zero,
    beyond_ascii,
    flags,
    measures_at,
    numbers_at,
    only,
    only_of,
    tops_of,
    words_at,
)
from logs.index.required import Number
from logs.query.matching import ENDS, NAMED_WITHIN
from logs.query.quantities import amount

BEHIND_REQUEST: Final = "HTTP/"
"""What stands before `status`, `bytes` and `duration` in the names of the numbers behind a request."""
_MOST_NAMES: Final = 256
"""Names whose bounds are kept for a block: of more, those with most numbers."""
_SLOTS: Final = 1 << 16
"""Names with the same of so many places share their bounds."""
_MOST_SKIPPED: Final = 8
"""Blanks, quotes and other ends between the sign of a pair and its number."""
_MOST_BLANKS: Final = 64
"""Blanks between a name and the sign of its pair."""
_AT_ONCE: Final = 1 << 15
"""Pairs that are looked at together."""
_ONE_BY_ONE: Final = 4096
"""Values of a block that are read one by one, because they have several units or a huge exponent; the names of further ones are left open."""
_LONGEST: Final = 64
"""Bytes of such a value."""
_NUMBERS_A_NAME: Final = 6
_BYTES_A_NAME: Final = 2 + 8 * _NUMBERS_A_NAME


_IS_BLANK: Final = flags(BLANKS)
_IS_QUOTE: Final = flags(b"\"'")
_IS_LETTER: Final = flags(LETTERS + b"_")
_IN_NAMES: Final = flags(LETTERS + DIGITS + b"_@/-")
_IN_NUMBERS: Final = flags(DIGITS + b".")
_BEFORE_DURATION: Final = flags(b' "=')
_DURATION_ENDS: Final = bytes(
    sum(
        bit << place
        for place, bit in enumerate(byte in kind for kind in (DIGITS, DIGITS + b"num\xb5\xbc", b"s", b".", b'" ,\n'))
    )
    for byte in range(256)
)
"""Bits: a digit, what can stand before the `s` of a unit, that, a point, what can stand behind a duration."""
_DECIMALS: Final = range(3, 7)
"""Decimals of a duration without a unit."""
_UNITS_OF_DURATION: Final = (
    *((sign, 0, 2, factor) for sign, factor in ((0x6E, 1e-9), (0x75, 1e-6), (0x6D, 1e-3))),
    *((sign, before, 3, 1e-6) for sign, before in ((0xB5, 0xC2), (0xBC, 0xCE))),
)
"""What stands before the `s` of a unit, and before that; the bytes of the unit, and what it counts."""
_OF_NAMES: Final = only(LETTERS + DIGITS + b"_@/-")
_PART: Final = re.compile(rb"""[^\s,;"'()\[\]{}\\]*""")
_QUOTED_PART: Final = re.compile(rb"""[^"'\\\n]*""")


class Bounds:
    """The bounds of the numbers in some texts."""

    def __init__(self) -> None:
        self._bounds = np.empty((_NUMBERS_A_NAME, _SLOTS))
        self._bounds[0::2], self._bounds[1::2] = np.inf, -np.inf
        self._times = np.zeros(_SLOTS, np.int64)
        self._lost = False
        self._left = _ONE_BY_ONE

    def note(self, text: bytes) -> None:
        """Note the pairs of a text, before and behind which are line ends as many as `MARGIN`."""
        signs = np.frombuffer(text, np.uint8)
        found = np.flatnonzero((signs == 0x3D) | (signs == 0x3A))
        for first in range(0, len(found), _AT_ONCE):
            self._note_pairs(text, signs, _without_times(signs, found[first : first + _AT_ONCE]))
        behind = np.flatnonzero((signs[:-1] == 0x20) & (signs[1:] - np.uint8(0x30) < 10))
        letters = (_IS_LETTER.take(signs.take(behind - back)) for back in range(1, NAMED_WITHIN + 1))
        behind = behind[functools.reduce(np.bitwise_or, letters) & _IN_NAMES.take(signs.take(behind - 1))]
        for first in range(0, len(behind), _AT_ONCE):
            self._note_pairs(text, signs, behind[first : first + _AT_ONCE])
        self._note_requests(text, signs)

    def _note_requests(self, text: bytes, signs: Signs) -> None:
        """Note what may be a status, three digits or a dash behind a quote and a blank, the number behind that, and durations."""
        at = np.flatnonzero(signs[:-MARGIN] == 0x22)
        at = at[signs.take(at + 1) == 0x20] + 2
        told = signs.take(at)
        unknown = at[told == 0x2D] + 1
        at = at[IS_DIGIT.take(told)]
        if len(at) or len(unknown):
            self._note_durations(text, signs)
        at = at[IS_DIGIT.take(signs.take(at + 1)) & IS_DIGIT.take(signs.take(at + 2))]
        at = at[~IS_DIGIT.take(signs.take(at + 3))]
        behind = np.concatenate((at + 3, unknown))
        sent = behind[(signs.take(behind) == 0x20) & IS_DIGIT.take(signs.take(behind + 1))] + 1
        for name, begin in (("status", at), ("bytes", sent)):
            slot = _slot_of(f"{BEHIND_REQUEST}{name}")
            if slot is None or not len(begin):
                continue
            value, _, exact, kind = numbers_at(text, signs, begin)
            if kind.any():
                self._open(np.array([slot], np.int64))
            width = value * (~exact * INEXACT)
            self._note_one(PLAIN, slot, value, width)

    def _note_durations(self, text: bytes, signs: Signs) -> None:
        """Note what may be the duration of a request: numbers with a unit of time or three to six decimals, which end as a duration does there."""
        slot = _slot_of(f"{BEHIND_REQUEST}duration") or 0
        kinds = np.frombuffer(text.translate(_DURATION_ENDS), np.uint8)
        last, first = len(kinds) - 1, _DECIMALS[-1]
        back = [kinds[first - places : last - places] for places in range(first + 1)]
        digits, decimals = back[0] & back[1] & back[2], np.zeros(last - first, np.uint8)
        for places in _DECIMALS:
            decimals |= digits & back[places] >> 3
            digits &= back[places]
        found = (decimals | back[0] >> 2 & back[1] >> 1) & kinds[first + 1 :] >> 4 & 1
        at = np.flatnonzero(found.view(np.bool_)) + first
        plain = IS_DIGIT.take(signs.take(at))
        unit, factor, of_unit = ~plain * 1, np.ones(len(at)), np.flatnonzero(~plain)
        one, two = signs.take(at[of_unit] - 1), signs.take(at[of_unit] - 2)
        for sign, further, length, counts in _UNITS_OF_DURATION:
            of_it = of_unit[(one == sign) & ((two == further) | (further == 0))]
            unit[of_it], factor[of_it] = length, counts
        end = at + 1 - unit
        of_number = IS_DIGIT.take(signs.take(end - 1))
        end, plain, factor = end[of_number], plain[of_number], factor[of_number]
        start: Places = end - 1
        steps = 0
        while (more := _IN_NUMBERS.take(signs.take(start - 1))).any() and steps < _LONGEST:
            start, steps = start - more, steps + 1
        begins = IS_DIGIT.take(signs.take(start)) & _BEFORE_DURATION.take(signs.take(start - 1))
        start, end, plain, factor = start[begins], end[begins], plain[begins], factor[begins]
        value, stop, exact, kind = numbers_at(text, signs, start)
        whole = (stop == end) | (kind != READ)
        if steps == _LONGEST or (kind[whole] != READ).any():
            self._open(np.array([slot], np.int64))
        value, plain, factor, width = value[whole], plain[whole], factor[whole], ~exact[whole] * INEXACT
        for row, chosen, counted in (
            (PLAIN, plain, value),
            (MEASURED, ~plain, value * factor),
            (WRITTEN, ~plain, value),
        ):
            found = counted[chosen]
            self._note_one(row, slot, found, found * width[chosen])

    def _note_pairs(self, text: bytes, signs: Signs, at: Places) -> None:
        at, begin, quoted = _begins(signs, at)
        slots, named, lost = _slots_before(text, signs, at)
        self._lost = self._lost or lost
        first = KIND.take(signs.take(begin))
        clear = (first == DIGIT) | (first == SIGN)
        self._open(slots[named & ~clear])
        start = begin + (first == SIGN)
        numeric = np.flatnonzero(named & clear & IS_DIGIT.take(signs.take(start)))
        if len(numeric):
            self._note_numbers(text, signs, _Pairs(slots[numeric], begin[numeric], start[numeric], quoted[numeric]))

    def _note_numbers(self, text: bytes, signs: Signs, pairs: "_Pairs") -> None:
        value, end, exact, kind = numbers_at(text, signs, pairs.start)
        minus = np.flatnonzero(signs.take(pairs.begin) == 0x2D)
        value[minus] = -value[minus]
        factor, row, last, known = measures_at(text, signs, end, pairs.quoted & (signs.take(end) == 0x20))
        behind = signs.take(last)
        closely = (kind == CLOSELY) | ((row == MEASURED) & IS_DIGIT.take(behind))
        unclear = ((kind == UNCLEAR) | (behind == 0x5C)) & ~closely
        good = np.flatnonzero(known & BEHIND.take(behind) & ~closely & ~unclear)
        self._open(pairs.slots[unclear])
        self._note_spaced(text, signs, pairs, (value, end, kind))
        value, width = value[good], ~exact[good] * INEXACT
        of_unit = np.flatnonzero(row[good] == MEASURED)
        written, span = value[of_unit], np.abs(value[of_unit]) * width[of_unit]
        self._note(np.full(len(of_unit), WRITTEN), pairs.slots[good[of_unit]], written - span, written + span)
        value = value * factor[good]
        width = np.abs(value) * width
        self._note(row[good], pairs.slots[good], value - width, value + width)
        closely_at = np.flatnonzero(closely)
        if len(closely_at):
            self._open(pairs.slots[closely_at[self._left :]])
            self._read(text, pairs, closely_at[: self._left])
            self._left = max(0, self._left - len(closely_at))

    def _note_spaced(
        self, text: bytes, signs: Signs, pairs: "_Pairs", read: tuple[Floats, Places, npt.NDArray[np.int8]]
    ) -> None:
        """Note numbers with units that stand behind blanks, beside the same numbers without them: which of them counts, a query says."""
        value, end, kind = read
        at = np.flatnonzero(~pairs.quoted & (signs.take(end) == 0x20) & begins_unit(signs, end + 1))
        if not len(at):
            return
        factor, row, _, known = measures_at(text, signs, end[at], np.ones(len(at), np.bool_))
        # a letter beyond ASCII ends a unit, for the expressions that read values
        self._open(pairs.slots[at[~known & beyond_ascii(words_at(text, end[at] + 1))]])
        measured = np.flatnonzero(known & (row == MEASURED))
        at, found = at[measured], value[at[measured]] * factor[measured]
        self._open(pairs.slots[at[kind[at] != READ]])
        width = np.abs(found) * INEXACT
        self._note(row[measured], pairs.slots[at], found - width, found + width)

    def _read(self, text: bytes, pairs: "_Pairs", which: Places) -> None:
        """Read values one by one, as a query does."""
        lost: list[int] = []
        rows: list[int] = []
        slots: list[int] = []
        numbers: list[float] = []
        found = (pairs.slots[which].tolist(), pairs.begin[which].tolist(), pairs.quoted[which].tolist())
        for slot, begin, quoted in zip(*found, strict=True):
            part = (_QUOTED_PART if quoted else _PART).match(text, begin, begin + _LONGEST)
            value = part[0] if part else b""
            if len(value) == _LONGEST or text[begin + len(value)] == 0x5C:
                lost.append(slot)
                continue
            said = value.decode("utf-8", "replace").strip(ENDS)
            for row, written in ((MEASURED, False), (WRITTEN, True)):
                read = amount(said, written=written)
                if read is not None and math.isfinite(read.number):
                    rows.append(row if read.dimension else PLAIN)
                    slots.append(slot)
                    numbers.append(read.number)
        self._open(np.array(lost, np.int64))
        values = np.array(numbers, np.float64)
        self._note(np.array(rows, np.int64), np.array(slots, np.int64), values, values)

    def _note(self, row: Places, slots: Places, least: Floats, greatest: Floats) -> None:
        flat = self._bounds.reshape(-1)
        np.minimum.at(flat, row * _SLOTS + slots, least)
        np.maximum.at(flat, (row + 1) * _SLOTS + slots, greatest)
        np.add.at(self._times, slots, 1)

    def _note_one(self, row: int, slot: int, values: Floats, width: Floats) -> None:
        """Note values of one name."""
        if len(values):
            self._bounds[row, slot] = min(self._bounds[row, slot], (values - width).min())
            self._bounds[row + 1, slot] = max(self._bounds[row + 1, slot], (values + width).max())
            self._times[slot] += len(values)

    def _open(self, slots: Places) -> None:
        """Nothing is known of the numbers of these names."""
        self._bounds[0::2, slots], self._bounds[1::2, slots] = -np.inf, np.inf
        self._times[slots] += 1

    def packed(self) -> bytes:
        """Whether all names are here, in one byte; the places of names in two bytes each; their bounds: three pairs of floating-point numbers each."""
        used = np.flatnonzero(self._times)
        whole = len(used) <= _MOST_NAMES and not self._lost
        if self._lost:
            used = used[:0]
        elif not whole:
            often = np.argsort(-self._times[used], kind="stable")[:_MOST_NAMES]
            used = np.sort(used[often])
        return bytes([whole]) + used.astype("<u2").tobytes() + self._bounds[:, used].T.astype("<f8").tobytes()


def may_have(need: Number) -> Callable[[bytes], bool] | None:
    r"""A test of packed bounds: whether such a number may be there; None where they never tell.

    >>> bounds = Bounds()
    >>> bounds.note(b"\n" * MARGIN + b"served, took=3ms code=200" + b"\n" * MARGIN)
    >>> [may_have(Number(*asked))(bounds.packed()) for asked in (("took", ">", 2.0, True), ("took", ">", 2.0), ("code", ">=", 500.0))]
    [False, True, False]
    """
    slot = _slot_of(need.name)
    if slot is None:
        return None
    number, bare = need.number, need.bare

    def reaches(least: float, greatest: float) -> bool:
        match need.operator:
            case ">":
                return greatest > number
            case ">=":
                return greatest >= number
            case "<":
                return least < number
            case "<=":
                return least <= number
            case _:
                return least <= number <= greatest

    def test(packed: bytes) -> bool:
        names = (len(packed) - 1) // _BYTES_A_NAME
        slots = np.frombuffer(packed, "<u2", names, 1)
        at = int(np.searchsorted(slots, slot))
        if at == names or slots[at] != slot:
            return not packed[0]
        start = 1 + 2 * names + 8 * _NUMBERS_A_NAME * at
        bounds = np.frombuffer(packed, "<f8", _NUMBERS_A_NAME, start).tolist()
        low, high = bounds[PLAIN : PLAIN + 2]
        of_unit = MEASURED if need.measured else WRITTEN
        return reaches(low * bare, high * bare) or reaches(*bounds[of_unit : of_unit + 2])

    return test


class _Pairs(NamedTuple):
    """Pairs of names and numbers: the places of the names; where the numbers begin; where they do without their signs; whether they are in quotes."""

    slots: Places
    begin: Places
    start: Places
    quoted: Flags


def _without_times(signs: Signs, at: Places) -> Places:
    """The signs of pairs without those behind just two digits: most of these are in times, and no name begins with a digit."""
    at = at[np.flatnonzero(KIND.take(signs.take(at + 1)))]
    two = IS_DIGIT.take(signs.take(at - 1)) & IS_DIGIT.take(signs.take(at - 2)) & ~_IN_NAMES.take(signs.take(at - 3))
    return at[np.flatnonzero(~two)]


def _begins(signs: Signs, at: Places) -> tuple[Places, Places, Flags]:
    """Of the signs of pairs, those behind which a number may stand; where it begins; whether it is in quotes."""
    begin, quoted = at + 1, np.zeros(len(at), np.bool_)
    found: list[tuple[Places, Places, Flags]] = []
    for _ in range(_MOST_SKIPPED):
        kind = KIND.take(signs.take(begin))
        ready, on = np.flatnonzero(kind >= DIGIT), np.flatnonzero((kind != OTHER) & (kind < DIGIT))
        found.append((at[ready], begin[ready], quoted[ready]))
        at, begin, quoted = at[on], begin[on] + 1, quoted[on] | (kind[on] == QUOTE)
        if not len(on):
            break
    found.append((at, begin, quoted))  # too far away: unclear
    ats, begins, flags = zip(*found, strict=True)
    return np.concatenate(ats), np.concatenate(begins), np.concatenate(flags)


def _slots_before(text: bytes, signs: Signs, at: Places) -> tuple[Places, Flags, bool]:
    """The places of the names before the signs of pairs; whether there is a name that can be asked for; whether a name is too far away."""
    end, blanks = at - 1, 0
    while (back := _IS_BLANK.take(signs.take(end)) & (end >= MARGIN)).any() and blanks < _MOST_BLANKS:
        end, blanks = end - back, blanks + 1
    end = end - _IS_QUOTE.take(signs.take(end))
    high = only_of(words_at(text, end - 7), _OF_NAMES)
    kept = behind_zero(high)
    high, low, length = high & kept, np.zeros(len(end), np.uint64), tops_of(kept)
    longer = np.flatnonzero(length == 8)
    before = only_of(words_at(text, end[longer] - 15), _OF_NAMES)
    kept = behind_zero(before)
    low[longer], length[longer] = before & kept, 8 + tops_of(kept)
    named = (length > 0) & ~IS_DIGIT.take(signs.take(end - length + 1))
    return _slots(low, high), named, blanks == _MOST_BLANKS


def _slots(low: Words, high: Words) -> Places:
    mixed = (high ^ low * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
    mixed = (mixed ^ mixed >> np.uint64(32)) * np.uint64(0xD6E8FEB86659FD93)
    return (mixed >> np.uint64(48)).astype(np.int64)


def _slot_of(name: str) -> int | None:
    """The place of a name; None of one that is not noted."""
    step = name.rpartition(".")[2].encode("utf-8", "replace")[-16:]
    if not step or step[:1].isdigit() or 0 in step.translate(_OF_NAMES):
        return None
    low, high = np.frombuffer(step.rjust(16, b"\0"), "<u8").reshape(2, 1)
    return int(_slots(low, high)[0])
