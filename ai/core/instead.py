"""What a server sends in place of an answer, or of the rest of one: calls of tools, a refusal, the mark of a content filter."""

import json
from typing import Any, Final

_FILTERED: Final = frozenset(
    {
        "content_filter", "content_filtered", "contentfilter", "safety", "image_safety", "blocklist", "prohibited_content", "recitation", "spii", "sensitive",
        "guardrail_intervened", "moderation", "refusal",
    }
)  # fmt: skip
"""Reasons of an end, lower case: a filter ended the answer."""
_LONGEST: Final = 400
_MOST_CALLS: Final = 20


class Instead:
    """Collects, over the pieces of an answer, what is none of its words."""

    def __init__(self) -> None:
        self.refused = False
        """Words came as a refusal."""
        self._names: dict[object, str] = {}
        self._arguments: dict[object, str] = {}

    def take(self, message: dict[str, Any]) -> None:
        """A message, or a piece of one: its `tool_calls` (OpenAI's in pieces, Ollama's whole), or the older `function_call`."""
        calls = message.get("tool_calls")
        for place, call in enumerate(calls[:_MOST_CALLS] if isinstance(calls, list) else []):
            if isinstance(call, dict):
                index = call.get("index")
                self._call(index if isinstance(index, int) else place, call.get("function") or call.get("custom"))
        self._call("", message.get("function_call"))

    def _call(self, place: object, function: object) -> None:
        if not isinstance(function, dict) or (place not in self._names and len(self._names) >= _MOST_CALLS):
            return
        name = function.get("name")
        self._names[place] = self._names.get(place) or (name if isinstance(name, str) else "")
        given = function.get("arguments", function.get("input"))
        said = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False) if given is not None else ""
        self._arguments[place] = (self._arguments.get(place, "") + said)[: _LONGEST + 1]

    def sentence(self, reason: str, *, said: bool) -> str:
        """For people; empty where everything was an answer.

        Args:
            reason: the server's word for the end.
            said: there are words of an answer.
        """
        if reason.casefold() in _FILTERED:
            rest = "cut the answer" if said else "let no answer through"
            return f"A content filter of the server {rest} ({reason[:60]})."
        if self._names:
            calls = ", ".join(f"{name or 'unnamed'}({self._arguments[at]})" for at, name in self._names.items())
            shown = " ".join(calls.split())
            shown = f"{shown[:_LONGEST]}…" if len(shown) > _LONGEST else shown
            return f"It calls a tool: {shown}."
        return "The model refuses to answer." if self.refused else ""
