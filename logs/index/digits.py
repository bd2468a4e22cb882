"""Numbers and units at many places of a text at once: with arrays, eight bytes as one word.

Before and behind a text stand line ends as many as `MARGIN`, so that words near its ends can be read.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from logs.query.matching import ENDS
from logs.query.quantities import BYTE_UNITS, TIME_UNITS

MARGIN: Final = 16
"""So many line ends stand before and behind a text."""
_MOST_DIGITS: Final = 24
_EXACT: Final = 2.0**53
_EXACT_POWER: Final = 22
"""A whole number below the first, times or by a power of ten up to the second, is what a reader of texts gives; others differ in their last places."""
INEXACT: Final = 1e-14
_MOST_POWER: Final = 250
READ, UNCLEAR, CLOSELY = range(3)
PLAIN, MEASURED, WRITTEN = 0, 2, 4
"""Rows of bounds: the least number without a unit, with one, and as it stands before one; the greatest is in the next row."""

Signs = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BLANKS: Final = b"\t\n\f\r "
OTHER, BLANK, QUOTE, END, DIGIT, SIGN, ESCAPE = range(7)
DIGITS: Final = b"0123456789"
LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
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


def flags(of_them: bytes) -> Flags:
    """By byte, whether it is one of these."""
    return _table({1: of_them}).astype(np.bool_)


def only(of_them: bytes) -> bytes:
    """A translation in which all other bytes are 0."""
    return bytes(byte if byte in of_them else 0 for byte in range(256))


KIND: Final = _table({BLANK: BLANKS, END: ENDS.encode(), QUOTE: b"\"'", DIGIT: DIGITS, SIGN: b"+-", ESCAPE: b"\\"})
IS_DIGIT: Final = flags(DIGITS)
BEHIND: Final = flags(BLANKS + ENDS.encode() + b"()[]{}")
"""What can stand behind a value."""
_OF_UNITS: Final = only(LETTERS + b"%" + bytes(range(0x80, 0x100)))


def _units() -> tuple[Words, Floats, Places]:
    """Units as words, in order, what they count and the row of their bounds."""
    found = {unit: (factor, MEASURED) for unit, factor in (TIME_UNITS | BYTE_UNITS).items()} | {"%": (1.0, PLAIN)}
    named = sorted((int.from_bytes(unit.encode(), "little"), *known) for unit, known in found.items())
    words, factors, rows = zip(*named, strict=True)
    return np.array(words, np.uint64), np.array(factors, np.float64), np.array(rows, np.int64)


_UNITS, _FACTORS, _ROWS = _units()


def _beginnings() -> tuple[Flags, Flags]:
    """By two bytes, whether a unit can begin with them, and whether they can be its second and third, or what stands behind it."""
    letters = frozenset(LETTERS)
    others = [byte for byte in range(256) if byte not in letters]
    first, second = np.zeros((2, 256, 256), np.bool_)
    second[others] = True
    for unit in (one.encode() for one in TIME_UNITS | BYTE_UNITS):
        first[unit[0], unit[1] if len(unit) > 1 else others] = True
        if len(unit) > 1:
            second[unit[1], unit[2] if len(unit) > 2 else others] = True
    return first.reshape(-1), second.reshape(-1)


_FIRST, _SECOND = _beginnings()


def begins_unit(signs: Signs, at: Places) -> Flags:
    """Whether what stands at some places may be a unit: most words behind a number are none."""
    first, second, third = (signs.take(at + places).astype(np.intp) for places in range(3))
    may: Flags = _FIRST.take(first << 8 | second) & _SECOND.take(second << 8 | third)
    return may


def words_at(text: bytes, at: Places) -> Words:
    """Eight bytes from each of some places on, the first the lowest."""
    eight: Words = np.ndarray((len(text) - 7,), _EIGHT, text, 0, (1,))[at].view("<u8")
    return eight


def only_of(words: Words, kind: bytes) -> Words:
    """Words in which all bytes but those of a kind are 0."""
    return np.frombuffer(words.tobytes().translate(kind), "<u8")


def behind_zero(word: Words) -> Words:
    """A mask of the bytes behind the last one that is 0; bytes are of ASCII."""
    zero = ~(word + _REST) & _TOPS
    for width in (8, 16, 32):
        zero = zero | zero >> np.uint64(width)
    mask: Words = ~((zero >> _SEVEN) * np.uint64(0xFF))
    return mask


def tops_of(mask: Words) -> Places:
    """How many bytes have their highest bit."""
    return (((mask & _TOPS) >> _SEVEN) * _ONES >> _LAST).astype(np.int64)


def beyond_ascii(word: Words) -> Flags:
    """Whether a word has a byte that is not of ASCII."""
    beyond: Flags = np.not_equal(word & _TOPS, 0)
    return beyond


def numbers_at(text: bytes, signs: Signs, start: Places) -> tuple[Floats, Places, Flags, npt.NDArray[np.int8]]:
    """The numbers that begin at some places, where they end, whether they are exact, and whether they must be looked at more closely, or are unclear."""
    value, digits = _digits(text, start)
    end, scale = start + digits, np.zeros(len(start), np.int64)
    parted = np.flatnonzero(signs.take(end) == 0x2E)
    parted = parted[IS_DIGIT.take(signs.take(end[parted] + 1))]
    behind, length = _digits(text, end[parted] + 1)
    value[parted] = value[parted] * _POWERS[length] + behind
    end[parted] += length + 1
    scale[parted] = -length
    kind = np.zeros(len(start), np.int8)
    kind[np.flatnonzero((digits == _MOST_DIGITS) | IS_DIGIT.take(signs.take(end)))] = UNCLEAR
    powered = np.flatnonzero((signs.take(end) | 0x20) == 0x65)
    sign = signs.take(end[powered] + 1)
    begin = end[powered] + 1 + (KIND.take(sign) == SIGN)
    power, length = _digits(text, begin)
    further = np.flatnonzero((length > 0) & (length <= 3))  # else there is no exponent, and what follows is no unit
    powered, sign = powered[further], sign[further]
    scale[powered] += np.where(sign == 0x2D, -power[further], power[further]).astype(np.int64)
    end[powered] = begin[further] + length[further]
    exact = value < _EXACT
    scaled = np.flatnonzero(scale)
    times = scale[scaled]
    exact[scaled] &= np.abs(times) <= _EXACT_POWER
    kind[scaled[np.flatnonzero((np.abs(times) > _MOST_POWER) & (kind[scaled] == READ))]] = CLOSELY
    tens = _POWERS[np.minimum(np.abs(times), _MOST_POWER)]
    value[scaled] = np.where(times < 0, value[scaled] / tens, value[scaled] * tens)
    return value, end, exact, kind


def _digits(text: bytes, at: Places, more: int = _MOST_DIGITS - 8) -> tuple[Floats, Places]:
    """The numbers that the digits at some places are, and how many they are: all eight of a word at once."""
    word = words_at(text, at) ^ np.uint64(0x3030303030303030)
    other = (((word & _REST) + np.uint64(0x7676767676767676)) | word) & _TOPS
    length = tops_of((other & (~other + np.uint64(1))) - np.uint64(1))
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


def measures_at(text: bytes, signs: Signs, end: Places, spaced: Flags) -> tuple[Floats, Places, Places, Flags]:
    """What the numbers that end at some places are in, with the row of their bounds; where their units end; whether there is none or a known one. `spaced`: a blank may stand before it."""
    factor, row, known = np.ones(len(end)), np.full(len(end), PLAIN, np.int64), np.ones(len(end), np.bool_)
    last = end.copy()
    some = np.flatnonzero(spaced | ~BEHIND.take(signs.take(end)))
    begin = end[some] + spaced[some]
    word = only_of(words_at(text, begin), _OF_UNITS)
    zero = ~(((word & _REST) + _REST) | word) & _TOPS
    before = (zero & (~zero + np.uint64(1))) - np.uint64(1)
    word, length = word & before, tops_of(before)
    place = np.minimum(np.searchsorted(_UNITS, word), len(_UNITS) - 1)
    same, none = _UNITS[place] == word, length == 0
    factor[some] = np.where(same, _FACTORS[place], 1.0)
    row[some] = np.where(same, _ROWS[place], PLAIN)
    last[some] = np.where(none & (signs.take(begin) != 0x5C), end[some], begin + length)
    known[some] = same | none
    return factor, row, last, known
