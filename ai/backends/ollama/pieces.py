"""What one piece of an answer of Ollama's holds."""

from typing import Any

import ollama

from ai.core.pacing import Clock
from ai.core.types import Chunk, ChunkKind


def chunks_of(part: ollama.ChatResponse | ollama.GenerateResponse, clock: Clock) -> list[Chunk]:
    """Its thoughts and its words, at the time of now."""
    thought, words = (
        (part.message.thinking, part.message.content)
        if isinstance(part, ollama.ChatResponse)
        else (part.thinking, part.response)
    )
    kinds: tuple[tuple[ChunkKind, str | None], ...] = (("reasoning", thought), ("content", words))
    return [Chunk(clock.mark(characters=len(said)), said, kind) for kind, said in kinds if said]


def calls_of(part: ollama.ChatResponse) -> dict[str, Any]:
    """The calls of tools in a piece of a chat; Ollama sends each whole."""
    calls = part.message.tool_calls or []
    return {
        "tool_calls": [{"function": {"name": c.function.name, "arguments": dict(c.function.arguments)}} for c in calls]
    }
