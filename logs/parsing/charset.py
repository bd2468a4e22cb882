"""How a file writes its text: UTF-8, or UTF-16 where its first bytes say so (Windows writes that); where lines end in it.

Positions stay offsets in the file, whatever its encoding: only the text of lines is translated.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True)
class Charset:
    """One encoding. Data handed to its methods begins at a character."""

    name: str
    end: bytes = b"\n"
    """A line end."""

    def last_end(self, data: bytes, before: int | None = None) -> int:
        """The offset behind the last line end (of those that end before `before`); 0 when there is none."""
        width, limit = len(self.end), len(data) if before is None else before
        while (found := data.rfind(self.end, 0, limit)) >= 0:
            if found % width == 0:
                return found + width
            limit = found + width - 1
        return 0

    def first_end(self, data: bytes, begin: int = 0) -> int:
        """The offset behind the first line end at or behind `begin`; 0 when there is none."""
        width = len(self.end)
        while (found := data.find(self.end, begin)) >= 0:
            if found % width == 0:
                return found + width
            begin = found + 1
        return 0

    def ended(self, data: bytes) -> bool:
        """Whether `data` ends with a line end."""
        return len(data) % len(self.end) == 0 and data.endswith(self.end)

    def starts(self, data: bytes, base: int) -> list[int]:
        """The offsets in the file at which the lines of `data` begin, which itself begins at `base`."""
        width = len(self.end)
        kind = np.dtype(np.uint8) if width == 1 else np.dtype(np.uint16).newbyteorder("<" if self.end[0] else ">")
        ends = np.flatnonzero(np.frombuffer(data, kind, len(data) // width) == ord("\n"))
        starts = np.empty(len(ends) + 1, np.int64)
        starts[0] = base
        np.multiply(ends + 1, width, out=starts[1:])
        starts[1:] += base
        if self.ended(data):
            starts = starts[:-1]
        result: list[int] = starts.tolist()
        return result

    def utf8(self, data: bytes) -> bytes:
        """`data` as UTF-8, without a mark."""
        return data if len(self.end) == 1 else data.decode(self.name, "replace").encode("utf-8", "replace")


UTF8: Final = Charset("utf-8")
UTF16_LE: Final = Charset("utf-16-le", b"\n\0")
UTF16_BE: Final = Charset("utf-16-be", b"\0\n")


HEAD: Final = 512
"""How many of a file's first bytes tell its encoding."""
_LEAST: Final = 8


def charset_of(head: bytes) -> Charset:
    """The encoding of a file that begins with `head`; where no mark says it, of each two bytes of UTF-16 one is nearly always 0."""
    if head.startswith(b"\xff\xfe"):
        return UTF16_LE
    if head.startswith(b"\xfe\xff"):
        return UTF16_BE
    sample = head[:HEAD] if len(head) % 2 == 0 else head[: min(HEAD, len(head) - 1)]
    if len(sample) < _LEAST or b"\0" not in sample:
        return UTF8
    first, second = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if first * 20 <= half and second * 10 >= half * 7:
        return UTF16_LE
    return UTF16_BE if second * 20 <= half and first * 10 >= half * 7 else UTF8
