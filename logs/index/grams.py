"""Filters of texts: small bitmaps that tell which texts are certainly not in a block of records, and bounds of the numbers there (`logs.index.numbers`).

What is noted of a text, with ASCII letters in lower case, in an alphabet of 64 signs:

- all its pieces of three and of four signs. Ordinary words have few different ones, so a word that is not in a block has one that is not.
- in a bitmap of their own, all pieces of eight letters and digits. A block with many numbers or identities has all pieces of four digits; these tell them apart.

A text of three characters or more that is in the block has all its pieces in the bitmaps; so a filter has false hits and no false misses.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from logs.index.digits import MARGIN
from logs.index.numbers import Bounds, may_have
from logs.index.required import Every, Literal, Need, Number, Some

SCHEME: Final = 9
"""Number of this way of noting texts: a filter of another one says nothing."""
_FINEST: Final = 22
"""A bitmap has at most two to the power of this bits: so many places a piece can have."""
_LEAST_BYTES: Final = 128
_ROOM: Final = 6
"""Bits for each piece, if there is room for them."""
_MOST_SHARE: Final = 0.0125
"""Share of the size of the texts that a bitmap takes at most."""
_LONG: Final = 8
"""Letters and digits of a long piece."""
_HEAD: Final = 8
_CHUNK: Final = 1 << 16
_FOLDED: Final = {"\u212a": "k", "\u017f": "s", "\u0130": "i"}
"""Letters beyond ASCII that some searches take for one of ASCII: they are noted as that."""
_OWN_SIGNS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789 _-./:=\",()[]{}@\n<>'%#*"
_WORD_SIGNS: Final = 36
"""The signs below are letters and digits."""
_OTHER: Final = 63
_END: Final = _OWN_SIGNS.index(b"\n")
"""The sign between two texts. It is in no piece that is looked for."""

Signs = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint32]
Test = Callable[[bytes], bool]
"""Whether what a query needs may be in the texts of a filter."""


def _alphabet() -> bytes:
    """The sign of each byte: frequent ones of ASCII have one of their own, capital letters that of the small ones. Bytes of other letters take any but the end's."""
    signs = bytearray(_OTHER if byte < 0x80 or byte % 64 == _END else byte % 64 for byte in range(256))
    for sign, byte in enumerate(_OWN_SIGNS):
        signs[byte] = sign
    for byte in range(0x41, 0x5B):
        signs[byte] = signs[byte + 32]
    return bytes(signs)


_SIGNS: Final = _alphabet()


class Texts(NamedTuple):
    """Some texts; nulls are passed over. `pairs`: whether conditions on fields look at them."""

    array: pa.Array
    pairs: bool = True


def filter_of(texts: Iterable[Texts]) -> bytes:
    """The filter of some texts.

    Returns:
        The lengths of the two bitmaps, in four bytes each; the bitmap of the short pieces; that of the long ones; the bounds of the numbers. A bitmap has 128
        bytes at least, and both together at most a fortieth of the size of the texts; bounds have at most 13 kB.
    """
    four, long = np.zeros(1 << 24, np.bool_), np.zeros(1 << _FINEST, np.bool_)
    size, bounds = 0, Bounds()
    for some in texts:
        array = some.array.drop_null().cast(pa.large_string())
        whole = _joined(array)
        if some.pairs:
            bounds.note(whole)
        folded = _folded(array)
        signs = np.frombuffer((whole if folded is array else _joined(folded)).translate(_SIGNS), np.uint8)
        size += len(signs)
        for at in range(0, len(signs) - _LONG + 1, _CHUNK):
            _note(signs[at : at + _CHUNK + _LONG - 1], four, long)
    first, second = _packed(_short_pieces(four), size), _packed(long, size)
    lengths = b"".join(len(bitmap).to_bytes(_HEAD // 2, "little") for bitmap in (first, second))
    return lengths + first + second + bounds.packed()


def test_of(need: Need | None) -> Test | None:
    """A test of bitmaps; None where what is needed excludes none.

    >>> holds = test_of(Literal("Refused", case=False))
    >>> [holds(filter_of([Texts(pa.array([text]))])) for text in ("connection refused", "connection lost")]
    [True, False]
    """
    match need:
        case None:
            return None
        case Literal():
            parts = list(_needles(need))
            short, long = ({place for part in parts for place in of(part)} for of in (_short_places, _long_places))
            return _test_of_places(sorted(short), sorted(long))
        case Number():
            return _test_of_number(need)
        case Every(parts):
            tests = [test for part in parts if (test := test_of(part)) is not None]
            return (lambda bits: all(test(bits) for test in tests)) if tests else None
        case Some(parts):
            either = [test_of(part) for part in parts]
            known = [test for test in either if test is not None]
            return (lambda bits: any(test(bits) for test in known)) if len(known) == len(either) else None


def _test_of_places(short: list[int], long: list[int]) -> Test | None:
    if not short:
        return None

    def test(found: bytes) -> bool:
        middle, end = _ends(found)
        return _all_set(found, _HEAD, middle, short) and _all_set(found, middle, end, long)

    return test


def _test_of_number(number: Number) -> Test | None:
    known = may_have(number)
    return None if known is None else (lambda found: known(found[_ends(found)[1] :]))


def _ends(found: bytes) -> tuple[int, int]:
    """Where the bitmaps of a filter end."""
    first, second = (int.from_bytes(found[at : at + _HEAD // 2], "little") for at in (0, _HEAD // 2))
    return _HEAD + first, _HEAD + first + second


def _all_set(found: bytes, begin: int, end: int, places: list[int]) -> bool:
    """Whether the bitmap from `begin` to `end` has the bits of all these places."""
    bits = 8 * (end - begin)
    return all(found[begin + (bit >> 3)] >> (bit & 7) & 1 for place in places for bit in (place * bits >> _FINEST,))


def _needles(literal: Literal) -> Iterator[bytes]:
    """The parts of a text that are noted as they are, whoever searches."""
    part = bytearray()
    for char in literal.text:
        if (char.isascii() and char != "\n") or (
            char not in _FOLDED and (literal.case or unicodedata.category(char) == "Lo") and char.isprintable()
        ):
            part += char.encode()
        else:  # the end of a line, or a letter that may stand there as another one
            yield bytes(part)
            part.clear()
    yield bytes(part)


def _short_places(needle: bytes) -> list[int]:
    """The places of a text in the bitmap of short pieces."""
    signs = np.frombuffer(needle.translate(_SIGNS), np.uint8)
    if len(signs) < 4:
        three = [int(signs[0]) << 12 | int(signs[1]) << 6 | int(signs[2])] if len(signs) == 3 else []
        return [int(place) for place in _place_of_three(np.array(three, np.uint32))]
    return [int(place) for place in _place_of_four(_fours(signs))]


def _long_places(needle: bytes) -> list[int]:
    """Those in the bitmap of long pieces."""
    signs = np.frombuffer(needle.translate(_SIGNS), np.uint8)
    return [int(place) for place in _places_of_eight(signs, _fours(signs))] if len(signs) >= _LONG else []


def _note(signs: Signs, four: npt.NDArray[np.bool_], long: npt.NDArray[np.bool_]) -> None:
    """Note the pieces of four signs by their value, and those of eight by their place."""
    values = _fours(signs)
    four[values.astype(np.intp)] = True  # numpy is slower with numbers of another size
    long[_places_of_eight(signs, values).astype(np.intp)] = True


def _fours(signs: Signs) -> Numbers:
    """Each four signs as a number of 24 bits."""
    two = signs[:-1].astype(np.uint16) << 6 | signs[1:]
    four: Numbers = np.bitwise_or(two[:-2].astype(np.uint32) << 12, two[2:])
    return four


def _short_pieces(four: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The places of the pieces of four that are marked, and of three that begin them."""
    values = np.flatnonzero(four).astype(np.uint32)
    whole = (values >> 18 != _END) & (values >> 12 & 63 != _END) & (values >> 6 & 63 != _END)
    noted = np.zeros(1 << _FINEST, np.bool_)
    noted[_place_of_three(values[whole] >> 6)] = True
    noted[_place_of_four(values[whole & (values & 63 != _END)])] = True
    return noted


def _place_of_three(three: Numbers) -> Numbers:
    return _place(three * np.uint32(0x85EBCA77) + np.uint32(0x27D4EB2F))


def _place_of_four(four: Numbers) -> Numbers:
    return _place(four * np.uint32(0x9E3779B1))


def _places_of_eight(signs: Signs, four: Numbers) -> Numbers:
    """The places of all eight signs side by side that are letters and digits."""
    word = signs < _WORD_SIGNS
    for width in (1, 2, 4):
        word = word[:-width] & word[width:]
    at = np.flatnonzero(word)
    return _place((four[at] * np.uint32(0xC2B2AE3D) ^ four[at] >> 7) + four[at + 4] * np.uint32(0x165667B1))


def _place(number: Numbers) -> Numbers:
    """The place for a hash."""
    mixed = (number ^ number >> 15) * np.uint32(0x2C1B3C6D)
    place: Numbers = np.right_shift(mixed ^ mixed >> 12, 32 - _FINEST)
    return place


def _packed(noted: npt.NDArray[np.bool_], size: int) -> bytes:
    """A bitmap of these places, with no more bits than it needs: one stands for several places."""
    places = np.flatnonzero(noted)
    wanted, most = len(places) * _ROOM // 8, int(size * _MOST_SHARE)
    length = min(max(min(wanted, most), _LEAST_BYTES), 1 << _FINEST - 3)
    bits = np.zeros(8 * length, np.bool_)
    bits[places * (8 * length) >> _FINEST] = True
    return np.packbits(bits, bitorder="little").tobytes()


def _folded(array: pa.Array) -> pa.Array:
    """The texts with the letters that some searches take for others; the array itself where there are none."""
    for letter, plain in _FOLDED.items():
        if pc.any(pc.match_substring(array, letter)).as_py():
            array = pc.replace_substring(array, letter, plain)
    return array


def _joined(array: pa.Array) -> bytes:
    """The texts of an array, with ends around each text."""
    whole = pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array)
    joined = pc.binary_join(whole, pa.scalar("\n", pa.large_string()))[0].as_buffer()
    ends = b"\n" * MARGIN
    return ends + bytes(joined or b"") + ends
