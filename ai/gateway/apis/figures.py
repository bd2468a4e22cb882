"""What an answer tells while it passes: its tokens and its speed. Nothing is kept but its last few thousand bytes, until it ends."""

import re
import time
from dataclasses import dataclass
from typing import Final

from ai.backends.openai.sse import THOUGHTS

_TAIL: Final = 4096
_LEAST_S: Final = 0.05
"""A stream that came in less time came in one piece: its speed was not seen."""
# A quotation mark inside of a JSON string has a backslash before it, so that no text that a model writes looks like these.
_PIECE: Final = re.compile(rf'"(?:content|text|response|{"|".join(THOUGHTS)})":\s*"(?!")'.encode())
_THOUGHT: Final = re.compile(rb'"reasoning":\s*"(?!")')
_SAME_THOUGHT: Final = re.compile(rb'"reasoning_content":\s*"(?!")')
_PROMPT: Final = re.compile(rb'"(?:prompt_tokens|prompt_eval_count)":\s*(\d{1,12})')
_COMPLETION: Final = re.compile(rb'"(?:completion_tokens|eval_count)":\s*(\d{1,12})')
_EVAL_NS: Final = re.compile(rb'"eval_duration":\s*(\d{1,18})')
_LLAMACPP: Final = re.compile(rb'"predicted_per_second":\s*(\d+(?:\.\d+)?)')
_LLAMACPP_N: Final = re.compile(rb'"predicted_n":\s*(\d{1,12})')
_LLAMACPP_PROMPT: Final = re.compile(rb'"prompt_n":\s*(\d{1,12})')


@dataclass(frozen=True, slots=True)
class Figures:
    """Tokens and tokens a second of an answer; `origin` is of the tokens: `reported`, or `estimated` from the pieces of a stream."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    origin: str | None = None
    tokens_per_s: float | None = None


class Meter:
    """Reads an answer as it passes.

    Args:
        streams: it comes in pieces, each with its event.
    """

    def __init__(self, *, streams: bool) -> None:
        self._streams = streams
        self._tail = b""
        self._pieces = 0
        self.first = self._last = 0.0
        """When the first piece of a stream was here, by `time.perf_counter`; 0 before."""

    def feed(self, data: bytes) -> None:
        """A part of the body."""
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
        if self._streams and (pieces := _pieces(data)):
            self._last = time.perf_counter()
            self.first = self.first or self._last
            self._pieces += pieces

    def figures(self) -> Figures:
        """What it told."""
        prompt, told = _last(_PROMPT, self._tail), _last(_COMPLETION, self._tail)
        prompt = prompt if prompt is not None else _last(_LLAMACPP_PROMPT, self._tail)
        told = told if told is not None else _last(_LLAMACPP_N, self._tail)
        tokens = told if told is not None else (self._pieces or None)
        origin = None if tokens is None else "estimated" if told is None else "reported"
        return Figures(prompt, tokens, origin, self._rate(told, tokens))

    def _rate(self, told: int | None, tokens: int | None) -> float | None:
        """As the engine says it, else the tokens after the first over the time from the first piece to the last."""
        said = _LLAMACPP.findall(self._tail)
        if said and float(said[-1]) > 0:
            return float(said[-1])
        spent_ns = _last(_EVAL_NS, self._tail)
        if told and spent_ns:
            return told / (spent_ns / 1e9)
        span = self._last - self.first
        return (tokens - 1) / span if tokens is not None and tokens > 1 and span >= _LEAST_S else None


def _pieces(data: bytes) -> int:
    """Pieces of text. A thought that is sent under both of its names is one."""
    found = len(_PIECE.findall(data))
    if b'"reasoning"' in data and b'"reasoning_content"' in data:
        found -= min(len(_THOUGHT.findall(data)), len(_SAME_THOUGHT.findall(data)))
    return found


def _last(pattern: re.Pattern[bytes], text: bytes) -> int | None:
    found = pattern.findall(text)
    return int(found[-1]) if found else None
