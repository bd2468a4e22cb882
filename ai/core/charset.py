"""JSON, and events with it, in the characters that a server or a program writes them in."""

import codecs
import re
from typing import Final

_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_UTF8: Final = frozenset({"utf-8", "ascii", "utf-8-sig"})
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7", "undefined"})
_MARK: Final = 2
"""Bytes that tell whether characters have two bytes."""


class Utf8:
    """Bytes in pieces → the same text in UTF-8.

    What is UTF-8 passes as it is, whatever it is said to be (many a library says ISO-8859-1 of everything); what is not is read as the charset that the
    `Content-Type` names, and UTF-16 by its mark, or by its zero bytes.

    Args:
        content_type: of the message; may be empty.

    Attributes:
        lost: there were bytes that are no UTF-8, and no other charset was named: they are passed on as they are.
    """

    def __init__(self, content_type: str = "") -> None:
        self._said = _named(content_type)
        self._head = b""
        self._reads: codecs.IncrementalDecoder | None = None
        """Of the other charset."""
        self._checks = codecs.getincrementaldecoder("utf-8")("strict")
        self._begun = False
        self.lost = False

    def feed(self, data: bytes) -> bytes:
        """The next piece."""
        if not self._begun:
            data = self._head + data
            if len(data) < _MARK:
                self._head = data
                return b""
            self._begun, self._head = True, b""
            wide = _wide(data, self._said)
            self._reads = codecs.getincrementaldecoder(wide)("replace") if wide else None
        if self._reads is not None:
            return self._reads.decode(data).encode("utf-8", "replace")
        return data if self.lost else self._narrow(data)

    def end(self) -> bytes:
        """What was held back."""
        head, self._head = self._head, b""
        said = self._narrow(head) if head else b""
        if self._reads is not None:
            return said + self._reads.decode(b"", final=True).encode("utf-8", "replace")
        waiting = self._checks.getstate()[0] if self._said else b""
        return said + waiting.decode(self._said or "utf-8", "replace").encode("utf-8", "replace")

    def _narrow(self, data: bytes) -> bytes:
        whole = self._checks.getstate()[0] + data  # with the first bytes of a character whose others come now
        try:
            text = self._checks.decode(data)
        except UnicodeDecodeError as error:
            if not self._said:
                self.lost = True
                return data
            self._reads = codecs.getincrementaldecoder(self._said)("replace")
            return whole[: error.start] + self._reads.decode(whole[error.start :]).encode("utf-8", "replace")
        return text.encode() if self._said else data


def in_utf8(body: bytes, content_type: str) -> bytes | None:
    """A whole message in UTF-8; None where it is not known what it is."""
    if body.isascii() and b"\0" not in body[:_MARK]:
        return body
    reader = Utf8(content_type)
    text = reader.feed(body) + reader.end()
    return None if reader.lost else text


def _named(content_type: str) -> str:
    """The codec of another charset than UTF-8 that it names; empty for none."""
    found = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(found.group(1)).name if found else "utf-8"
        "".encode(name)  # some codecs are none of texts
    except (LookupError, UnicodeError, ValueError):
        return ""
    return "" if name in _UTF8 or name in _NO_CHARSETS else name


def _wide(begin: bytes, said: str) -> str:
    """The codec where characters have more than one byte each; empty for none."""
    if begin[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return said if said.startswith("utf-32") else "utf-16"
    if said.startswith("utf-32"):
        return said
    zeros = [one == 0 for one in begin[:2]]
    if zeros == [True, False] or (said.startswith("utf-16") and zeros == [False, True]) or _is_little(begin):
        return "utf-16-be" if zeros[0] else "utf-16-le"
    return said if said.startswith("utf-16") else ""


def _is_little(begin: bytes) -> bool:
    return begin[1] == 0 and begin[:1] in {b"{", b"[", b"d", b"e", b":"}
