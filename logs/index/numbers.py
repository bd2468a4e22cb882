"""Bounds of the numbers that stand behind names in texts: `took=1.5s`, `"status": 504`, `size: 3 MiB` in quotes.

The two numbers behind a request in quotes (`"GET / HTTP/1.1" 200 512`) are noted too, under names of their own.

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

from logs.index.required import Number
from logs.query.matching import ENDS, NAMED_WITHIN
from logs.query.quantities import BYTE_UNITS, TIME_UNITS, amount

BEHIND_REQUEST: Final = "HTTP/"
"""What stands before `status` and `bytes` in the names of the numbers behind a request."""
MARGIN: Final = 16
"""So many line ends stand before and behind a text."""
_MOST_NAMES: Final = 256
"""Names whose bounds are kept for a block: of more, those with most numbers."""
_SLOTS: Final = 1 << 16
"""Names with the same of so many places share their bounds."""
_MOST_SKIPPED: Final = 8
"""Blanks, quotes and other ends between the sign of a pair and its number."""
_MOST_BLANKS: Final = 64
"""Blanks between a name and the sign of its pair."""
_MOST_DIGITS: Final = 24
_EXACT: Final = 2.0**53
_EXACT_POWER: Final = 22
"""A whole number below the first, times or by a power of ten up to the second, is what a reader of texts gives; others differ in their last places."""
_INEXACT: Final = 1e-14
_MOST_POWER: Final = 250
_READ, _UNCLEAR, _CLOSELY = range(3)
_AT_ONCE: Final = 1 << 15
"""Pairs that are looked at together."""
_ONE_BY_ONE: Final = 4096
"""Values of a block that are read one by one, because they have several units or a huge exponent; the names of further ones are left open."""
_LONGEST: Final = 64
"""Bytes of such a value."""
_PLAIN, _MEASURED, _WRITTEN = 0, 2, 4
"""Rows of bounds: the least number without a unit, with one, and as it stands before one; the greatest is in the next row."""
_NUMBERS_A_NAME: Final = 6
_BYTES_A_NAME: Final = 2 + 8 * _NUMBERS_A_NAME

Signs = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_BLANKS: Final = b"\t\n\f\r "
_OTHER, _BLANK, _QUOTE, _END, _DIGIT, _SIGN, _ESCAPE = range(7)
_DIGITS: Final = b"0123456789"
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EIGHT: Final = np.dtype("V8")
_POWERS: Final = 10.0 ** np.arange(_MOST_POWER + 1)
_TOPS: Final = np.uint64(0x8080808080808080)
_REST: Final = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONES: Final = np.uint64(0x0101010101010101)
_BYTE: Final = np.uint64(8)
_SEVEN: Final = np.uint64(7)
_LAST: Final = np.uint64(56)


def _table(kinds: dict[int, bytes]) -> Signs:
    """By byte, the kind of sign that it is."""
    table = np.zeros(256, np.uint8)
    for kind, of_it in kinds.items():
        table[list(of_it)] = kind
    return table


def _flags(of_them: bytes) -> Flags:
    return _table({1: of_them}).astype(np.bool_)


def _only(of_them: bytes) -> bytes:
    """A translation in which all other bytes are 0."""
    return bytes(byte if byte in of_them else 0 for byte in range(256))


_KIND: Final = _table(
    {_BLANK: _BLANKS, _END: ENDS.encode(), _QUOTE: b"\"'", _DIGIT: _DIGITS, _SIGN: b"+-", _ESCAPE: b"\\"}
)
_IS_BLANK: Final = _flags(_BLANKS)
_IS_QUOTE: Final = _flags(b"\"'")
_IS_DIGIT: Final = _flags(_DIGITS)
_IS_LETTER: Final = _flags(_LETTERS + b"_")
_IN_NAMES: Final = _flags(_LETTERS + _DIGITS + b"_@/-")
_BEGINS_UNIT: Final = _flags(b"nu\xc2\xcemshdBkKMGTgt")
_BEHIND: Final = _flags(_BLANKS + ENDS.encode() + b"()[]{}")
"""What can stand behind a value."""
_OF_NAMES: Final = _only(_LETTERS + _DIGITS + b"_@/-")
_OF_UNITS: Final = _only(_LETTERS + b"%" + bytes(range(0x80, 0x100)))
_PART: Final = re.compile(rb"""[^\s,;"'()\[\]{}\\]*""")
_QUOTED_PART: Final = re.compile(rb"""[^"'\\\n]*""")


def _units() -> tuple[Words, Floats, Places]:
    """Units as words, in order, what they count and the row of their bounds."""
    found = {unit: (factor, _MEASURED) for unit, factor in (TIME_UNITS | BYTE_UNITS).items()} | {"%": (1.0, _PLAIN)}
    named = sorted((int.from_bytes(unit.encode(), "little"), *known) for unit, known in found.items())
    words, factors, rows = zip(*named, strict=True)
    return np.array(words, np.uint64), np.array(factors, np.float64), np.array(rows, np.int64)


_UNITS, _FACTORS, _ROWS = _units()


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
        """Note what may be a status, three digits behind a quote and a blank, and the number behind that."""
        at = np.flatnonzero(signs[:-MARGIN] == 0x22)
        at = at[(signs.take(at + 1) == 0x20) & _IS_DIGIT.take(signs.take(at + 2))] + 2
        at = at[_IS_DIGIT.take(signs.take(at + 1)) & _IS_DIGIT.take(signs.take(at + 2))]
        at = at[~_IS_DIGIT.take(signs.take(at + 3))]
        sent = at[(signs.take(at + 3) == 0x20) & _IS_DIGIT.take(signs.take(at + 4))] + 4
        for name, begin in (("status", at), ("bytes", sent)):
            slot = _slot_of(f"{BEHIND_REQUEST}{name}")
            if slot is None or not len(begin):
                continue
            value, _, exact, kind = _numbers(text, signs, begin)
            if kind.any():
                self._open(np.array([slot], np.int64))
            width = value * (~exact * _INEXACT)
            self._note(np.zeros(len(begin), np.int64), np.full(len(begin), slot), value - width, value + width)

    def _note_pairs(self, text: bytes, signs: Signs, at: Places) -> None:
        at, begin, quoted = _begins(signs, at)
        slots, named, lost = _slots_before(text, signs, at)
        self._lost = self._lost or lost
        first = _KIND.take(signs.take(begin))
        clear = (first == _DIGIT) | (first == _SIGN)
        self._open(slots[named & ~clear])
        start = begin + (first == _SIGN)
        numeric = np.flatnonzero(named & clear & _IS_DIGIT.take(signs.take(start)))
        if len(numeric):
            self._note_numbers(text, signs, _Pairs(slots[numeric], begin[numeric], start[numeric], quoted[numeric]))

    def _note_numbers(self, text: bytes, signs: Signs, pairs: "_Pairs") -> None:
        value, end, exact, kind = _numbers(text, signs, pairs.start)
        minus = np.flatnonzero(signs.take(pairs.begin) == 0x2D)
        value[minus] = -value[minus]
        factor, row, last, known = _measures(text, signs, end, pairs.quoted & (signs.take(end) == 0x20))
        behind = signs.take(last)
        closely = (kind == _CLOSELY) | ((row == _MEASURED) & _IS_DIGIT.take(behind))
        unclear = ((kind == _UNCLEAR) | (behind == 0x5C)) & ~closely
        good = np.flatnonzero(known & _BEHIND.take(behind) & ~closely & ~unclear)
        self._open(pairs.slots[unclear])
        self._note_spaced(text, signs, pairs, (value, end, kind))
        value, width = value[good], ~exact[good] * _INEXACT
        of_unit = np.flatnonzero(row[good] == _MEASURED)
        written, span = value[of_unit], np.abs(value[of_unit]) * width[of_unit]
        self._note(np.full(len(of_unit), _WRITTEN), pairs.slots[good[of_unit]], written - span, written + span)
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
        at = np.flatnonzero(~pairs.quoted & (signs.take(end) == 0x20) & _BEGINS_UNIT.take(signs.take(end + 1)))
        if not len(at):
            return
        factor, row, _, known = _measures(text, signs, end[at], np.ones(len(at), np.bool_))
        measured = np.flatnonzero(known & (row == _MEASURED))
        at, found = at[measured], value[at[measured]] * factor[measured]
        self._open(pairs.slots[at[kind[at] != _READ]])
        width = np.abs(found) * _INEXACT
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
            for row, written in ((_MEASURED, False), (_WRITTEN, True)):
                read = amount(said, written=written)
                if read is not None and math.isfinite(read.number):
                    rows.append(row if read.dimension else _PLAIN)
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
        low, high = bounds[_PLAIN : _PLAIN + 2]
        of_unit = _MEASURED if need.measured else _WRITTEN
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
    at = at[np.flatnonzero(_KIND.take(signs.take(at + 1)))]
    two = _IS_DIGIT.take(signs.take(at - 1)) & _IS_DIGIT.take(signs.take(at - 2)) & ~_IN_NAMES.take(signs.take(at - 3))
    return at[np.flatnonzero(~two)]


def _begins(signs: Signs, at: Places) -> tuple[Places, Places, Flags]:
    """Of the signs of pairs, those behind which a number may stand; where it begins; whether it is in quotes."""
    begin, quoted = at + 1, np.zeros(len(at), np.bool_)
    found: list[tuple[Places, Places, Flags]] = []
    for _ in range(_MOST_SKIPPED):
        kind = _KIND.take(signs.take(begin))
        ready, on = np.flatnonzero(kind >= _DIGIT), np.flatnonzero((kind != _OTHER) & (kind < _DIGIT))
        found.append((at[ready], begin[ready], quoted[ready]))
        at, begin, quoted = at[on], begin[on] + 1, quoted[on] | (kind[on] == _QUOTE)
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
    high = _of(_words(text, end - 7), _OF_NAMES)
    kept = _behind_zero(high)
    high, low, length = high & kept, np.zeros(len(end), np.uint64), _count(kept)
    longer = np.flatnonzero(length == 8)
    before = _of(_words(text, end[longer] - 15), _OF_NAMES)
    kept = _behind_zero(before)
    low[longer], length[longer] = before & kept, 8 + _count(kept)
    named = (length > 0) & ~_IS_DIGIT.take(signs.take(end - length + 1))
    return _slots(low, high), named, blanks == _MOST_BLANKS


def _words(text: bytes, at: Places) -> Words:
    """Eight bytes from each of some places on, the first the lowest."""
    eight: Words = np.ndarray((len(text) - 7,), _EIGHT, text, 0, (1,))[at].view("<u8")
    return eight


def _of(words: Words, kind: bytes) -> Words:
    """Words in which all bytes but those of a kind are 0."""
    return np.frombuffer(words.tobytes().translate(kind), "<u8")


def _behind_zero(word: Words) -> Words:
    """A mask of the bytes behind the last one that is 0; bytes are of ASCII."""
    zero = ~(word + _REST) & _TOPS
    for width in (8, 16, 32):
        zero = zero | zero >> np.uint64(width)
    mask: Words = ~((zero >> _SEVEN) * np.uint64(0xFF))
    return mask


def _count(mask: Words) -> Places:
    """How many bytes have their highest bit."""
    return (((mask & _TOPS) >> _SEVEN) * _ONES >> _LAST).astype(np.int64)


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


def _numbers(text: bytes, signs: Signs, start: Places) -> tuple[Floats, Places, Flags, npt.NDArray[np.int8]]:
    """The numbers that begin at some places, where they end, whether they are exact, and whether they must be looked at more closely, or are unclear."""
    value, digits = _digits(text, start)
    end, scale = start + digits, np.zeros(len(start), np.int64)
    parted = np.flatnonzero(signs.take(end) == 0x2E)
    parted = parted[_IS_DIGIT.take(signs.take(end[parted] + 1))]
    behind, length = _digits(text, end[parted] + 1)
    value[parted] = value[parted] * _POWERS[length] + behind
    end[parted] += length + 1
    scale[parted] = -length
    kind = np.zeros(len(start), np.int8)
    kind[np.flatnonzero((digits == _MOST_DIGITS) | _IS_DIGIT.take(signs.take(end)))] = _UNCLEAR
    powered = np.flatnonzero((signs.take(end) | 0x20) == 0x65)
    sign = signs.take(end[powered] + 1)
    begin = end[powered] + 1 + (_KIND.take(sign) == _SIGN)
    power, length = _digits(text, begin)
    further = np.flatnonzero((length > 0) & (length <= 3))  # else there is no exponent, and what follows is no unit
    powered, sign = powered[further], sign[further]
    scale[powered] += np.where(sign == 0x2D, -power[further], power[further]).astype(np.int64)
    end[powered] = begin[further] + length[further]
    exact = value < _EXACT
    scaled = np.flatnonzero(scale)
    times = scale[scaled]
    exact[scaled] &= np.abs(times) <= _EXACT_POWER
    kind[scaled[np.flatnonzero((np.abs(times) > _MOST_POWER) & (kind[scaled] == _READ))]] = _CLOSELY
    tens = _POWERS[np.minimum(np.abs(times), _MOST_POWER)]
    value[scaled] = np.where(times < 0, value[scaled] / tens, value[scaled] * tens)
    return value, end, exact, kind


def _digits(text: bytes, at: Places, more: int = _MOST_DIGITS - 8) -> tuple[Floats, Places]:
    """The numbers that the digits at some places are, and how many they are: all eight of a word at once."""
    word = _words(text, at) ^ np.uint64(0x3030303030303030)
    other = (((word & _REST) + np.uint64(0x7676767676767676)) | word) & _TOPS
    length = _count((other & (~other + np.uint64(1))) - np.uint64(1))
    word = word << (np.uint64(64) - _BYTE * length.astype(np.uint64))
    word = word * np.uint64(10) + (word >> _BYTE)
    pairs = np.uint64(0x000000FF000000FF)
    word = (word & pairs) * np.uint64(0x000F424000000064) + (word >> np.uint64(16) & pairs) * np.uint64(
        0x0000271000000001
    )
    value = (word >> np.uint64(32)).astype(np.float64)
    full = np.flatnonzero(length == 8)
    if more and len(full):
        behind, further = _digits(text, at[full] + 8, more - 8)
        value[full] = value[full] * _POWERS[further] + behind
        length[full] += further
    return value, length


def _measures(text: bytes, signs: Signs, end: Places, spaced: Flags) -> tuple[Floats, Places, Places, Flags]:
    """What the numbers that end at some places are in, with the row of their bounds; where their units end; whether there is none or a known one. `spaced`: a blank may stand before it."""
    factor, row, known = np.ones(len(end)), np.full(len(end), _PLAIN, np.int64), np.ones(len(end), np.bool_)
    last = end.copy()
    some = np.flatnonzero(spaced | ~_BEHIND.take(signs.take(end)))
    begin = end[some] + spaced[some]
    word = _of(_words(text, begin), _OF_UNITS)
    zero = ~(((word & _REST) + _REST) | word) & _TOPS
    before = (zero & (~zero + np.uint64(1))) - np.uint64(1)
    word, length = word & before, _count(before)
    place = np.minimum(np.searchsorted(_UNITS, word), len(_UNITS) - 1)
    same, none = _UNITS[place] == word, length == 0
    factor[some] = np.where(same, _FACTORS[place], 1.0)
    row[some] = np.where(same, _ROWS[place], _PLAIN)
    last[some] = np.where(none & (signs.take(begin) != 0x5C), end[some], begin + length)
    known[some] = same | none
    return factor, row, last, known
