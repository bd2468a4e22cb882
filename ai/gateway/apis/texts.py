"""What was asked and answered, as text that a person reads: for the programs' owner, if keeping it is switched on."""

import json
from typing import Any, Final

from ai.backends.openai.sse import SseParser, WholeCharacters, thought_text
from ai.core.errors import BadOutput

_MOST_BODY: Final = 8 * 1024 * 1024
"""Bytes of a request or of a whole answer that are read for their text."""
_SAID: Final = ("content", "text", "response")


def prompt_text(body: bytes, limit: int) -> tuple[str, bool]:
    """The text of a request of either API, at most `limit` characters, and whether that is less than all of it.

    Messages stand below each other, each behind the name of its role. What is no text (pictures, sounds, vectors) is named, not kept.
    """
    if len(body) > _MOST_BODY:
        return "", True
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return "", bool(body)
    if not isinstance(asked, dict):
        return "", True
    parts = [f"system: {_text(asked['system'])}"] if asked.get("system") else []
    messages = asked.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            calls = message.get("tool_calls")
            said = [_text(message.get("content")), json.dumps(calls, ensure_ascii=False) if calls else ""]
            parts.append(f"{message.get('role') or 'user'}: {' '.join(filter(None, said))}")
    parts += [_text(asked[name]) for name in ("prompt", "input") if asked.get(name)]
    return shortened("\n\n".join(parts), limit)


class AnswerText:
    """Collects the text of an answer as it passes: of a stream of events, of lines of JSON, or of a whole answer.

    Args:
        limit: characters that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parser = SseParser()
        self._parts: list[str] = []
        self._calls: dict[Any, str] = {}
        self._size = self._read = 0
        self._thinks = self._cut = False

    def feed(self, data: bytes) -> None:
        """A part of the body."""
        self._read += len(data)
        if self._cut or self._read > _MOST_BODY:
            self._cut = True
            return
        try:
            for event in self._parser.feed(data):  # a line of JSON without a frame is an event, too
                self._take(event.data)
        except BadOutput:
            self._cut = True

    def text(self) -> tuple[str, bool]:
        """What was said, and whether that is less than all of it."""
        if not self._cut:
            for event in self._parser.end():
                self._take(event.data)
        said = "".join(self._parts) + "".join(f"\n\ncalls {call}" for call in self._calls.values())
        text, cut = shortened(said, self._limit)
        return text, cut or self._cut

    def _take(self, data: str) -> None:
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            return  # `[DONE]`
        if not isinstance(told, dict):
            return
        choices = told.get("choices")
        for choice in choices[:1] if isinstance(choices, list) else [told]:
            if isinstance(choice, dict) and choice.get("index") in {0, None}:
                self._piece(choice)

    def _piece(self, choice: dict[str, Any]) -> None:
        part = choice.get("delta") or choice.get("message") or choice
        if not isinstance(part, dict):
            return
        if thought := thought_text(part):
            self._add(thought, thinks=True)
        if said := next((text for name in _SAID if (text := _text(part.get(name)))), ""):
            self._add(said, thinks=False)
        calls = part.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else []):
            self._call(call, place)

    def _call(self, call: Any, place: int) -> None:
        """A tool that the model wants to be called, perhaps in pieces."""
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            key, given = call.get("index", place), function.get("arguments")
            more = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False) if given else ""
            self._calls[key] = (self._calls.get(key, "") + str(function.get("name") or "") + " " * bool(function.get("name")) + more)[: self._limit]  # fmt: skip

    def _add(self, said: str, *, thinks: bool) -> None:
        if self._size > self._limit:
            self._cut = True
            return
        if thinks != self._thinks:
            self._parts.append("<think>" if thinks else "</think>\n")
            self._thinks = thinks
        self._parts.append(said)
        self._size += len(said)


def shortened(text: str, limit: int) -> tuple[str, bool]:
    """At most so many characters, none of them half, and whether some are missing. The last word goes with what was cut, for half a secret is not known as one."""
    text = WholeCharacters().feed(text)
    if len(text) <= limit:
        return text, False
    kept = text[:limit]
    words = kept.rstrip().rsplit(maxsplit=1)
    return (words[0] if len(words) == 2 and not text[limit].isspace() else kept if text[limit].isspace() else ""), True


def _text(value: Any) -> str:
    """Text, or the text of parts; what else there is, by its kind."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if value and all(isinstance(one, int) for one in value):
            return f"[{len(value)} tokens]"
        return "\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        return _text(value["text"]) if "text" in value else f"[{value.get('type') or 'data'}]"
    return ""
