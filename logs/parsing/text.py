"""From bytes to text that can be matched and shown: encodings, line ends, terminal codes, NULs."""

import os
import re
from typing import Final

from logs.core import fingerprint
from logs.parsing.charset import UTF8, Charset, charset_of

_ANSI: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\^_=>78cDEHM]|[()][A-Z0-9])|\x1b|[\x01-\x08\x0e\x0f]"
)
HOLE: Final = b"\0" * 4
"""As many NULs are no text."""
_HEAD: Final = 1024
_LOOKED_AT: Final = 1 << 20
_PIECES: Final = 8
_HOLE: Final = re.compile("\0{4,}")


def plain_text(data: bytes) -> str:
    """Decode UTF-8; what is not becomes U+FFFD, so do NULs, but for the holes of truncated files, which are nothing; CRLF becomes LF. The number of lines stays."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    if "\0" in text:
        text = _HOLE.sub("", text).replace("\0", "\ufffd")
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return text.removeprefix("\ufeff")


def whole_lines(data: bytes) -> str:
    """The same without the end of the last line. A last line that is but half a line end is a line, too."""
    text = plain_text(data)
    return text.removesuffix("\n") if data.endswith(b"\n") else text


def without_codes(text: str) -> str:
    """`text` without terminal colour and cursor codes; the number of lines stays."""
    if "\x1b" in text or "\x08" in text or "\x01" in text or "\x0f" in text:
        return _ANSI.sub("", text)
    return text


def last_progress(text: str) -> str:
    """Of lines that a progress bar overwrote with carriage returns, what stood there in the end; in one pass, however long a line is."""
    if "\r" not in text:
        return text
    return "\n".join(line[line.rfind("\r", 0, max(len(line) - 1, 0)) + 1 :] for line in text.split("\n"))


def is_text(fd: int) -> bool:
    """Whether an open file is text: its first bytes, and most of some pieces further on. Files of linkers begin as a hole, or with the texts of the program."""
    head = fingerprint.read_at(fd, _HEAD, 0)
    if not _begins_as_text(head):
        return False
    if charset_of(head) is not UTF8:
        return True
    step = min(os.fstat(fd).st_size, _LOOKED_AT) // _PIECES
    return step < _HEAD or sum(_binary(fingerprint.read_at(fd, _HEAD, step * n)) for n in range(1, _PIECES)) < 2


def _begins_as_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text: UTF-8 (or nearly), UTF-16, few control characters."""
    if charset_of(head) is not UTF8:
        return True
    body = head.strip(b"\0")
    text = body.decode("utf-8", "replace")
    return not _binary(body) and text.count("\ufffd") * 5 < len(text) + 4


def _binary(data: bytes) -> bool:
    """Whether bytes from anywhere in a file have as many control characters as no text has, in whatever encoding of single bytes."""
    # A truncated file that is written on begins with a hole, one that takes space in advance ends with one; another hole is one odd thing, however long
    body = _NULS.sub(b"\0", data.strip(b"\0"))
    return sum(body.count(code) for code in _CONTROLS) * 20 >= max(1, len(body))


_NULS: Final = re.compile(rb"\0{2,}")
_CONTROLS: Final = tuple(bytes([code]) for code in range(32) if code not in {7, 8, 9, 10, 12, 13, 15, 27})


def line_starts(charset: Charset, data: bytes, base: int) -> list[int]:
    """Where the lines of `data` begin, which stands at offset `base`; behind the hole, where one begins with a hole."""
    starts = charset.starts(data, base)
    if charset is UTF8 and HOLE in data:
        for number, start in enumerate(starts):
            if data.startswith(HOLE, start - base):
                starts[number] = start + len(data[start - base :]) - len(data[start - base :].lstrip(b"\0"))
    return starts
