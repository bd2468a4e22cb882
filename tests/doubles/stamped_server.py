"""A server of both APIs that says by the machine's monotonic clock when it had a request and when it wrote each piece of the answer."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Api = Literal["openai", "ollama"]
LISTING: Final = json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "someone"}]})
OLLAMA: Final = {
    "/api/version": {"version": "0.33.0"},
    "/api/ps": {"models": [{"model": "m", "name": "m", "digest": "d", "size": 1, "size_vram": 0, "context_length": 4096}]},
    "/api/show": {"template": "", "details": {}, "model_info": {}},
    "/api/generate": {"model": "m", "response": "", "done": True, "done_reason": "load", "load_duration": 1},
}  # fmt: skip


@dataclass
class Piece:
    """A piece of an answer. `tokens` it stands for; `kind` role and finish have none that is shown."""

    kind: Literal["role", "content", "reasoning", "finish"]
    tokens: int = 0
    pause_s: float = 0.0

    @property
    def spoken(self) -> bool:
        """Whether a reader sees a piece of text."""
        return self.kind in {"content", "reasoning"}


@dataclass
class Stamps:
    """When things happened at the server, ns of the monotonic clock."""

    received: int = 0
    written: list[int] = field(default_factory=list)


Wait = Callable[[Piece], Coroutine[Any, Any, None]]


class StampedServer:
    """Answers with `pieces`, waiting before each by `wait`; `usage` false leaves the counts out."""

    def __init__(self, api: Api, pieces: list[Piece], wait: Wait, *, usage: bool = True) -> None:
        self.api, self.pieces, self.wait, self.usage = api, pieces, wait, usage
        self.stamps: list[Stamps] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            length = next(
                (int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0
            )
            body = json.loads(await reader.readexactly(length)) if length else {}
            path = lines[0].split(b" ")[1].decode()
            if body.get("messages"):
                await self._answer(writer)
            else:
                said = LISTING if self.api == "openai" else json.dumps(OLLAMA.get(path, {}))
                writer.write(
                    f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{said}".encode()
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        stamps = Stamps(received=time.perf_counter_ns())
        self.stamps.append(stamps)
        kind = "text/event-stream" if self.api == "openai" else "application/x-ndjson"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
        for piece in self.pieces:
            await self.wait(piece)
            stamps.written.append(time.perf_counter_ns())
            writer.write(self._bytes(piece, stamps))
            await writer.drain()
        if self.api == "openai":
            tokens = sum(piece.tokens for piece in self.pieces)
            counts = {
                "object": "chat.completion.chunk",
                "choices": [],
                "usage": {"prompt_tokens": 5, "completion_tokens": tokens},
            }
            writer.write((_event(counts) if self.usage else b"") + b"data: [DONE]\n\n")
            await writer.drain()

    def _bytes(self, piece: Piece, stamps: Stamps) -> bytes:
        text = "word " * max(piece.tokens, 1) if piece.spoken else ""
        if self.api == "openai":
            said = {
                "role": {"role": "assistant", "content": ""},
                "content": {"content": text},
                "reasoning": {"reasoning_content": text},
            }
            finish = "stop" if piece.kind == "finish" else None
            return _event(
                {
                    "object": "chat.completion.chunk",
                    "model": "m",
                    "choices": [{"index": 0, "delta": said.get(piece.kind, {}), "finish_reason": finish}],
                }
            )
        message = {"role": "assistant", "content": "" if piece.kind == "reasoning" else text}
        line: dict[str, Any] = {
            "model": "m",
            "created_at": "2026-01-01T00:00:00Z",
            "message": message,
            "done": piece.kind == "finish",
        }
        if piece.kind == "reasoning":
            message["thinking"] = text
        if piece.kind == "finish":
            line |= {"done_reason": "stop"}
            line |= self._figures(stamps) if self.usage else {}
        return json.dumps(line).encode() + b"\n"

    def _figures(self, stamps: Stamps) -> dict[str, int]:
        """What Ollama says at the end, in nanoseconds."""
        first = next(at for at, piece in enumerate(self.pieces) if piece.spoken)
        begun, began, ended = stamps.received, stamps.written[first], stamps.written[-1]
        tokens = sum(piece.tokens for piece in self.pieces)
        return {
            "eval_count": tokens, "prompt_eval_count": 5, "prompt_eval_duration": began - begun, "eval_duration": ended - began,
            "total_duration": ended - begun,
        }  # fmt: skip


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
