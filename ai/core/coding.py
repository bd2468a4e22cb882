"""Answers that an engine, or a proxy before it, compresses though it was asked not to."""

import zlib
from typing import Final

from ai.core.errors import BadOutput

_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""`zlib`'s window bits for each coding that Python reads by itself."""
_RAW: Final = -15
_FRAME: Final = 2
"""Bytes that tell whether there is a frame."""
_MOST_AT_ONCE: Final = 32 * 1024 * 1024


def codings_of(header: str) -> list[str]:
    """The codings of a `Content-Encoding`; empty for an answer as it is."""
    return [one for part in header.lower().split(",") if (one := part.strip()) and one != "identity"]


def is_accepted(codings: list[str], accept: str) -> bool:
    """Whether a client that sends this `Accept-Encoding` can read all of these."""
    known: dict[str, bool] = {}
    for part in accept.lower().split(","):
        name, _, weight = part.partition(";")
        known[name.strip()] = weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return all(known.get(one, known.get("*", False)) for one in codings)


class Unpacker:
    """Compressed bytes in pieces → what was compressed, several parts behind each other too.

    Args:
        codings: of the answer.

    Raises:
        BadOutput: (from the constructor) it cannot be read here; (from `feed`) it is not compressed as it says, or far too long.
    """

    def __init__(self, codings: list[str]) -> None:
        if len(codings) > 1 or codings[0] not in _WINDOWS:
            named = ", ".join(codings)[:60]
            raise BadOutput(
                f"its answer is compressed as {named}, which was not asked for and cannot be read",
                hint="Switch compression off in the server, or in the proxy before it.",
            )
        self._coding, self._bits = codings[0], _WINDOWS[codings[0]]
        self._inner = zlib.decompressobj(self._bits)
        self._head = b""
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """What a piece of it was."""
        data = self._head + data
        if not self._begun and len(data) < _FRAME:
            self._head = data
            return b""
        self._head, found = b"", []
        while data:
            try:
                found.append(self._inner.decompress(data, _MOST_AT_ONCE))
            except zlib.error as error:
                if self._begun or self._bits != _WINDOWS["deflate"]:
                    raise BadOutput(f"its answer is not compressed as it says ({self._coding})") from error
                self._bits = _RAW  # some leave out zlib's frame
                self._inner = zlib.decompressobj(self._bits)
                continue
            if self._inner.unconsumed_tail:
                raise BadOutput("its answer is far too long once it is unpacked")
            self._begun, data = True, self._inner.unused_data
            if self._inner.eof:
                self._inner = zlib.decompressobj(self._bits)
        return b"".join(found)
