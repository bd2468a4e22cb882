"""The text in what somebody gave as a posting: any bytes yield a text, and what was done to them is said."""

import codecs
import re
from typing import Final

from ai.shapes.posting import MAX_POSTING

MAX_BYTES: Final = 4 * MAX_POSTING
"""Bytes worth reading: every character of the longest posting in its longest spelling."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")


def text_of(raw: bytes) -> tuple[str, list[str]]:
    """The text of a posting, and notes on what was done: another encoding, characters that are no text, an end that was cut off.

    UTF-8 first, UTF-16 and UTF-32 by their marks or by their zero bytes, Windows-1252 for what else has no control characters.
    """
    notes: list[str] = []
    encoding = _encoding(raw)
    text = raw.decode(encoding, "replace")
    if encoding not in {"utf-8", "utf-8-sig"}:
        notes.append(f"Read as {encoding}.")
    strange = len(_CONTROL.findall(text))
    if strange:
        text = _CONTROL.sub("", text)
        notes.append(f"{strange:,} characters that are no text were left out.")
        if strange > len(text) / 20:
            notes.append("This looks like binary data rather than text, so the result may mean little.")
    if len(text) > MAX_POSTING:
        notes.append(f"Only the first {MAX_POSTING:,} of {len(text):,} characters or more were read.")
        text = text[:MAX_POSTING]
    if not text.strip():
        notes.append("There is no text.")
    return text, notes


def _encoding(raw: bytes) -> str:
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    head = raw[:2000]
    if len(head) >= 4 and head[1::2].count(0) > len(head) / 3 and not head[::2].count(0) > len(head) / 8:
        return "utf-16-le"
    if len(head) >= 4 and head[::2].count(0) > len(head) / 3 and not head[1::2].count(0) > len(head) / 8:
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)  # a character cut in two at the end is no error
    except UnicodeDecodeError:
        plain = sum(byte in b"\t\n\r" or byte >= 0x20 for byte in head)
        return "cp1252" if plain >= 0.98 * len(head) else "utf-8"
    return "utf-8"
