"""Server-sent events, incrementally, from bytes cut anywhere (HTML standard, "event stream interpretation"), and what servers send in their place.

Our own rather than httpx-sse, which holds a CR back until more bytes come (an event would arrive late, and the last one never), keeps a byte order
mark, and sets no bound to the length of an event.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ai.core.errors import BadOutput

MAX_EVENT: Final = 4 * 1024 * 1024


_MAX_STRAY: Final = 2000
_MAX_TRIES: Final = 200
"""Lines that may end an object spread over many lines, at most."""
_FIELDS: Final = frozenset({b"data", b"event", b"id", b"retry"})


_MARKS: Final = b"\xef\xbb\xbf\x1e\0"
"""Bytes of marks that stand before a line: of the order of bytes, of JSON text sequences, and what keeps a connection alive."""
NO_REASON: Final = frozenset({"", "null", "none"})
"""What some servers write in every chunk but the last in place of a reason of the end."""


THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thinking_content", "thought", "thoughts")  # fmt: skip
"""Where servers have what a model thinks before it answers."""
_NAMES_THOUGHTS: Final = ("reason", "think", "thought")
_ABOUT_THOUGHTS: Final = ("reason", "signature", "id", "tokens", "effort", "type", "format")
"""In and at the end of such names that are not listed: what the second have is no thought, but the reason of an end, or a setting."""


class SseEvent(NamedTuple):
    """The name of an event (mostly empty) and its data, never empty."""

    name: str
    data: str


def messages_of(data: str | bytes) -> list[dict[str, Any]]:
    """What an event or a whole answer holds: one message, or several, in a list or one behind the other; encoded once more, or within an object that a gateway puts around it.

    Raises:
        ValueError: it is not JSON. Some write a tab or a line's end in a text as it is, which is taken.
        TypeError: it is no object.
    """
    try:
        told = json.loads(data, strict=False)
    except json.JSONDecodeError as error:
        told = _in_a_row(data, error)
    if isinstance(told, str) and told.lstrip().startswith(("{", "[")):
        told = json.loads(told, strict=False)
    found = told if isinstance(told, list) else [told] if told else []
    if not all(isinstance(one, dict) for one in found):
        raise TypeError(data)
    return [_unwrapped(one) for one in found]


def _in_a_row(data: str | bytes, error: json.JSONDecodeError) -> list[Any]:
    """Objects one behind the other, as a server writes them that forgets the end of an event between.

    Raises:
        ValueError: it is anything else.
    """
    text, found, at = (data if isinstance(data, str) else data.decode()).strip(), list[Any](), 0
    decoder = json.JSONDecoder(strict=False)
    while at < len(text):
        if text[at] != "{":
            raise error
        one, at = decoder.raw_decode(text, at)
        found.append(one)
        at += len(text[at:]) - len(text[at:].lstrip(", \t\r\n"))
    return found


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    if "choices" in message:
        return message
    inside = [one for one in message.values() if isinstance(one, dict) and isinstance(one.get("choices"), list)]
    return inside[0] if len(inside) == 1 else message


def said_text(said: object) -> str:
    """The text of a content: a string, or a list of parts. What is marked as a thought is none of it."""
    if isinstance(said, str):
        return said
    if isinstance(said, dict):
        said = [{**said, "text": said.get("text") or said.get("content")}]
    return "".join(_text_of(part) for part in said if not _is_thought(part)) if isinstance(said, list) else ""


def thought_text(said: Mapping[str, Any]) -> str:
    """The thoughts in a delta or a message: in a field of their own, whatever its name, in parts of the content, or in details.

    Some servers send the same text in two fields: the first counts.
    """
    names = [name for name in THOUGHTS if name in said]
    names += [name for name in said if name not in THOUGHTS and _names_thoughts(name)]
    named = next((text for name in names if (text := said_text(said[name]) or _thoughts(said[name]))), "")
    return named or _thoughts(said.get("content"))


def _names_thoughts(name: str) -> bool:
    return any(word in name for word in _NAMES_THOUGHTS) and not name.endswith(_ABOUT_THOUGHTS)


def _text_of(part: object) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    text = text.get("value") if isinstance(text, dict) else text
    return text if isinstance(text, str) else ""


def _is_thought(part: object) -> bool:
    return isinstance(part, dict) and str(part.get("type") or "").startswith(("reasoning", "thinking", "thought"))


def _thoughts(said: object) -> str:
    parts = [part for part in said if isinstance(part, dict)] if isinstance(said, list) else []
    return "".join(
        said_text(part.get("thinking") or part.get("reasoning")) or (_text_of(part) if _is_thought(part) else "")
        for part in parts
    )


class WholeCharacters:
    """Text in pieces → the same text, in which no piece ends within a character: JSON can write one as two halves, and servers cut between them."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """The next piece, without a half character at its end, which waits for its other half; a half without another is replaced."""
        text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = text.removesuffix(self._half) if self._half else text
        return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SseParser:
    """Feed bytes, get each event that became complete; ids and comments are left out.

    A line `error: …` (llama.cpp) is an event named `error`. Lines that are no fields at all are JSON without a frame: they are an
    event without a name as soon as they make a whole object.

    Raises:
        BadOutput: (from `feed`) an event longer than `MAX_EVENT` bytes.
    """

    def __init__(self, backend: str = "") -> None:
        self._backend = backend
        self._rest = bytearray()
        self._name = ""
        self._data: list[str] = []
        self._bare: list[str] = []
        self._tries = 0
        self._stray = ""
        self._size = 0
        self._begun = False
        self._skip_newline = False

    def feed(self, part: bytes) -> list[SseEvent]:
        """The events that end within what was fed so far."""
        self._rest += part
        if not self._begun and len(self._rest) >= 3:
            self._begun = True
            if self._rest.startswith(b"\xef\xbb\xbf"):
                del self._rest[:3]
        events: list[SseEvent] = []
        for line in self._lines():
            events += self._line(line)
        if self._size + len(self._rest) > MAX_EVENT:
            raise BadOutput(f"The server sent an event longer than {MAX_EVENT // 1024**2} MiB.", backend=self._backend)
        return events

    def end(self) -> list[SseEvent]:
        """What is left when the stream is over: some servers leave out the last line's end, or the empty line behind the last event."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [*(self._line(rest) if rest else []), *self._line(b"")]

    def words(self) -> str:
        """The first of what is neither an event nor JSON, such as a web page."""
        return "\n".join([self._stray, *self._bare])[:_MAX_STRAY].strip()

    def _line(self, line: bytes) -> list[SseEvent]:
        if line:
            return self._field(line)
        name, data = self._name, "\n".join(self._data)
        if self._data or name:
            self._name, self._data, self._size = "", [], sum(map(len, self._bare))
        return [SseEvent(name, data)] if data else []  # an event with empty data is none, by the standard

    def _lines(self) -> list[bytes]:
        """Complete lines; ends are LF, CR or CR LF, and a CR at the very end may still get its LF."""
        lines: list[bytes] = []
        begin = 0
        if self._skip_newline and self._rest:
            begin = 1 if self._rest[0] == 0x0A else 0
            self._skip_newline = False
        while True:
            ends = [at for at in (self._rest.find(b"\n", begin), self._rest.find(b"\r", begin)) if at >= 0]
            if not ends:
                break
            end = min(ends)
            lines.append(bytes(self._rest[begin:end]))
            begin = end + 1
            if self._rest[end] == 0x0D:
                if begin == len(self._rest):
                    self._skip_newline = True
                elif self._rest[begin] == 0x0A:
                    begin += 1
        del self._rest[:begin]
        return lines

    def _field(self, line: bytes) -> list[SseEvent]:
        line = line.lstrip(_MARKS)
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            # servers that leave out the empty line between events
            before = self._line(b"") if self._data and _begins(text) and _is_whole("\n".join(self._data)) else []
            self._data.append(text)
            self._size += len(value)
            return before
        if name == b"event":
            self._name = text.strip()
        elif name == b"error":
            return [SseEvent("error", text)] if text else []
        elif name and name not in _FIELDS:
            return self._without_frame(line)
        return []

    def _without_frame(self, line: bytes) -> list[SseEvent]:
        """JSON as it is, in one line or in many."""
        text = line.decode("utf-8", "replace")
        if not self._bare and not text.lstrip().startswith(("{", "[{")):
            self._stray = f"{self._stray}\n{text}"[:_MAX_STRAY]
            return []  # an unknown field, which the standard says to leave out
        self._bare.append(text)
        self._size += len(line)
        if not text.rstrip().endswith(("}", "]")) or self._tries > _MAX_TRIES:
            return []
        self._tries += 1
        whole = "\n".join(self._bare)
        if not _is_whole(whole):
            return []
        self._bare, self._tries, self._size = [], 0, sum(map(len, self._data))
        return [SseEvent("", whole)]


def _begins(text: str) -> bool:
    """Whether this may be the begin of an event's data, rather than go on with it."""
    return text.lstrip()[:5].casefold().startswith(("{", "[done"))


def _is_whole(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
