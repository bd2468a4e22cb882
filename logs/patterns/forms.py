"""Forms: the first lines of messages, with what a glance shows to be a value written as `0`. Many messages share one, and what is costly is done once for each.

Of several lines of a message the first counts; of a traceback of Python the one that names the exception, since all tracebacks begin alike.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from logs.patterns.skeleton import LONGEST

_MOST_KNOWN: Final = 50_000
_MANY: Final = 4_096
"""From so many on, looking all up at once pays for preparing it."""
_ZEROS: Final = bytes(48 if 48 <= byte < 58 else byte for byte in range(256))
_AT_ONCE: Final = 4_096
"""Messages whose bytes still fit into the cache."""
Numbers = npt.NDArray[np.int64]
_BLANK: Final = r"\s\v\x1c-\x1f\x{85}\pZ"
"""What Python's `\\s` means: with RE2's, a blank that is not of ASCII would belong to the word before it, and be lost with it."""
_PLACE: Final = rf"(?:[A-Za-z][\w+.-]*://|~?/|[A-Za-z]:\\)[^{_BLANK}\"'<>|,;()\[\]]+"
_BEFORE: Final = rf"^|[{_BLANK}(\[{{<\"'=,:;|`]"
_DIGITS: Final = rf"[^{_BLANK}()\[\]{{}}<>\"'`,;|=:]*[0-9][^{_BLANK}()\[\]{{}}<>\"'`,;|=:]*"


_TRACEBACK: Final = "Traceback (most recent call last):"
_RAISED: Final = rf"(?s)^{re.escape(_TRACEBACK)}.*\n((?:(?:[A-Za-z_]\w*\.)+\w+|[A-Z]\w*)(?:: [^\n]*)?)\r?(?:\n.*)?$"
"""The last line at its margin that begins with the name of a class, or of something in a module. Others belong to what an exception says."""

Messages: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray


def forms_of(messages: Messages) -> tuple[pa.Array, pa.Array]:
    """The head of each message, and its form."""
    heads = heads_of(messages)
    return heads, _replaced(_without_places(heads), _DIGITS, "0")


def heads_of(messages: Messages) -> pa.Array:
    """The line of each message that its pattern is of."""
    return _heads(shortened(messages))


def keys_of(messages: pa.Array) -> pa.Array:
    """The messages with every run of digits written as `0`. What has one key has one form; keys are found several times as fast, and there are a few more of them."""
    parts = [_keys(messages.slice(begin, _AT_ONCE)) for begin in range(0, len(messages), _AT_ONCE)]
    return pa.concat_arrays(parts) if parts else messages


def _keys(messages: pa.Array) -> pa.Array:
    offsets = np.frombuffer(messages.buffers()[1], np.int32)[messages.offset : messages.offset + len(messages) + 1]
    starts = offsets - offsets[0]
    if not starts[-1]:
        return messages
    data = np.frombuffer(messages.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    digit = data - np.uint8(48) < 10
    keep = np.ones(len(data), np.bool_)
    np.logical_and(digit[1:], digit[:-1], out=keep[1:])
    np.logical_not(keep[1:], out=keep[1:])
    keep[starts[:-1][starts[:-1] < len(data)]] = True
    texts = np.frombuffer(data.tobytes().translate(_ZEROS), np.uint8)[keep]
    ends = starts - np.searchsorted(np.flatnonzero(~keep), starts).astype(np.int32)
    return pa.StringArray.from_buffers(len(messages), pa.py_buffer(ends), pa.py_buffer(texts))


class Forms:
    """The different forms among `forms`: `texts`, how many have each (`counts`), the number of its first one (`first`), and for each the place of its own (`of`)."""

    def __init__(self, forms: pa.Array) -> None:
        encoded = forms.dictionary_encode()
        self.texts: list[str] = encoded.dictionary.to_pylist()
        self.of: Numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self.counts: Numbers = np.bincount(self.of, minlength=len(self.texts))
        self.first: Numbers = np.zeros(len(self.texts), np.int64)
        self.first[self.of[::-1]] = np.arange(len(self.of))[::-1]


class KnownForms:
    """Forms that were looked at, with what each led to: bounded, the oldest go first."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._table: tuple[pa.Array, Numbers] | None = None

    def keep(self, form: str, number: int) -> None:
        """Remember what a form leads to."""
        if len(self._numbers) >= _MOST_KNOWN:
            for old in list(self._numbers)[: _MOST_KNOWN // 2]:
                del self._numbers[old]
        self._numbers[form] = number
        self._table = None

    def of(self, forms: pa.Array) -> Numbers:
        """What each leads to, -1 where it is not known."""
        if len(forms) < _MANY:
            different = Forms(forms)
            known = np.array([self._numbers.get(form, -1) for form in different.texts], np.int64)
            found: Numbers = known[different.of]
            return found
        if self._table is None:
            self._table = pa.array(self._numbers, pa.string()), np.array([*self._numbers.values(), -1], np.int64)
        texts, numbers = self._table
        places = pc.fill_null(pc.index_in(forms, value_set=texts), len(texts))
        led_to: Numbers = numbers.take(places.to_numpy(zero_copy_only=False))
        return led_to


def shortened(messages: Messages) -> pa.Array:
    """What is looked at of the messages, in one piece: of tracebacks the exception, of long ones the beginning."""
    if isinstance(messages, pa.ChunkedArray):
        found = messages.combine_chunks() if messages.num_chunks != 1 else messages.chunk(0)
    else:
        found = messages if isinstance(messages, pa.Array) else pa.array(messages, pa.string())
    found = _where(found, pc.starts_with(found, _TRACEBACK), lambda some: _replaced(some, _RAISED, r"\1"))
    longest = pc.max(pc.binary_length(found)).as_py() or 0
    return found if longest <= LONGEST else pc.utf8_slice_codeunits(found, 0, LONGEST)


def _heads(messages: pa.Array) -> pa.Array:
    """First lines."""
    if b"\n" not in _bytes(messages):
        return messages
    return _where(messages, pc.match_substring(messages, "\n"), lambda some: _replaced(some, r"(?s)\r?\n.*", ""))


def _without_places(heads: pa.Array) -> pa.Array:
    """What looks like a path or an address written as `0`."""
    data = _bytes(heads)
    if b"/" in data:
        heads = _where(heads, pc.match_substring(heads, "/"), _places_replaced)
    return _where(heads, pc.match_substring(heads, ":\\"), _places_replaced) if b":\\" in data else heads


def _places_replaced(texts: pa.Array) -> pa.Array:
    """Most places stand behind a blank. Those are replaced without a group in the expression, which is several times as fast."""
    texts = _replaced(texts, f" {_PLACE}", " 0")
    others = pc.match_substring_regex(texts, f"(?:{_BEFORE}){_PLACE}")
    return _where(texts, others, lambda some: _replaced(some, f"({_BEFORE}){_PLACE}", r"\10"))


def _bytes(texts: pa.Array) -> bytes:
    """All bytes that the texts lie in: what is not there is in none of them."""
    data = texts.buffers()[2]
    return data.to_pybytes() if data is not None else b""


def _where(texts: pa.Array, mask: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The texts, with those of the mask changed: an expression costs more than finding out where it cannot match."""
    return pc.replace_with_mask(texts, mask, change(texts.filter(mask))) if pc.any(mask).as_py() else texts


def _replaced(texts: pa.Array, pattern: str, by: str) -> pa.Array:
    return pc.replace_substring_regex(texts, pattern, by)
