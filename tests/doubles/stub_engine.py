"""Engines for the gateway's tests and its benchmark: they answer OpenAI's or Ollama's API at once, with words that are counted, and can be told to misbehave.

`python -m tests.doubles.stub_engine` serves one until standard input closes, and prints its port.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WORDS = [f"word{number} " for number in range(16)]


@dataclass
class Stub:
    """What an engine does; change it while it serves.

    Attributes:
        words: of an answer.
        status: other than 200, every question is answered with this, and `body`.
        die_after: hang up after so many words; 0 before the head; -1 after the head, before the first word.
        silent: say nothing at all.
        gate: where it is not set, words after the first wait for it.
        begins: where it is not set, an answer waits for it with its first byte; what is asked without a body does not.
    """

    words: list[str] = field(default_factory=lambda: list(WORDS))
    status: int = 200
    body: bytes = b'{"error":{"message":"out of order","code":500}}'
    headers: str = ""
    die_after: int | None = None
    silent: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    begins: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    """Connections that were made to it."""
    left: int = 0
    """Those that the other side ended, or that broke."""
    hung_up: int = 0
    """Connections that the other side ended while an answer was under way."""
    url: str = ""
    sent: bytes = b""
    """The body of the newest stream, as it was sent."""
    tool: dict[str, Any] | None = None


def _openai_event(model: str, text: str | None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _text_event(model: str, text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
    event = {"id": "c", "object": "text_completion", "created": 1, "model": model, "choices": [choice]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _ollama_line(model: str, text: str, key: str, *, words: int | None = None) -> bytes:
    said = {"message": {"role": "assistant", "content": text}} if key == "message" else {"response": text}
    line: dict[str, Any] = {"model": model, "created_at": "2026-01-01T00:00:00Z", **said, "done": words is not None}
    if words is not None:
        line |= {"done_reason": "stop", "total_duration": 9_000_000, "load_duration": 1000, "prompt_eval_count": 7,
                 "prompt_eval_duration": 1_000_000, "eval_count": words, "eval_duration": 8_000_000}  # fmt: skip
    return json.dumps(line).encode() + b"\n"


def _pieces(stub: Stub, path: str, asked: dict[str, Any]) -> list[bytes]:
    """The body of a streamed answer, a word a piece, and what follows them."""
    model = asked.get("model", "")
    if path.startswith("/api/"):
        key = "message" if path == "/api/chat" else "response"
        return [*(_ollama_line(model, w, key) for w in stub.words), _ollama_line(model, "", key, words=len(stub.words))]
    if path == "/v1/completions":
        return [*(_text_event(model, w) for w in stub.words), _text_event(model, "", "stop") + b"data: [DONE]\n\n"]
    end = _openai_event(model, None, "stop")
    if stub.tool is not None:
        call = {
            "index": 0,
            "id": "t",
            "type": "function",
            "function": {"name": stub.tool["name"], "arguments": json.dumps(stub.tool["arguments"])},
        }
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
        end = (
            b"data: "
            + json.dumps(
                {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
            ).encode()
            + b"\n\n"
        )
    if (asked.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 7, "completion_tokens": len(stub.words), "total_tokens": 7 + len(stub.words)}
        end += (
            b"data: "
            + json.dumps(
                {
                    "id": "c",
                    "object": "chat.completion.chunk",
                    "created": 1,
                    "model": model,
                    "choices": [],
                    "usage": usage,
                }
            ).encode()
            + b"\n\n"
        )
    return [*(_openai_event(model, w) for w in stub.words), end + b"data: [DONE]\n\n"]


def _whole(stub: Stub, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    """An answer that is no stream."""
    model, text = asked.get("model", ""), "".join(stub.words)
    usage = {"prompt_tokens": 7, "completion_tokens": len(stub.words), "total_tokens": 7 + len(stub.words)}
    texts = asked.get("input", asked.get("prompt", ""))
    vectors = [[float(len(t)), 0.5] for t in ([texts] if isinstance(texts, str) else texts)]
    if path == "/v1/embeddings":
        rows = [{"object": "embedding", "index": at, "embedding": v} for at, v in enumerate(vectors)]
        return {"object": "list", "model": model, "data": rows, "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    if path == "/api/embed":
        return {
            "model": model,
            "embeddings": vectors,
            "total_duration": 1000,
            "load_duration": 1,
            "prompt_eval_count": 7,
        }
    if path == "/api/embeddings":
        return {"embedding": vectors[0]}
    if path.startswith("/api/"):
        key = "message" if path == "/api/chat" else "response"
        return dict(json.loads(_ollama_line(model, text, key, words=len(stub.words))))
    if path == "/v1/completions":
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
        return {
            "id": "c",
            "object": "text_completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
    message: dict[str, Any] = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}


def _get(path: str) -> dict[str, Any]:
    return {
        "/v1/models": {"object": "list", "data": [{"id": "stub", "object": "model", "owned_by": "stub"}]},
        "/api/version": {"version": "0.24.0"},
        "/api/ps": {"models": []},
        "/api/tags": {"models": [{"name": "stub", "model": "stub", "size": 1, "digest": "d", "details": {}}]},
    }.get(path, {})


class _Serving:
    """One connection after another."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stub.connections += 1
        try:
            while request := await _read(reader):
                await self._answer(writer, *request)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._stub.hung_up += 1
        finally:
            self._stub.left += 1
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, headers: dict[str, str], body: bytes) -> None:
        stub = self._stub
        asked = json.loads(body) if body else {}
        if path == "/api/ps":
            _json(writer, {"models": []})
            return
        stub.asked.append((path, asked, headers))
        if stub.die_after == 0:
            raise ConnectionResetError
        if stub.silent:
            await asyncio.sleep(3600)
        if body and not stub.begins.is_set():
            await asyncio.to_thread(stub.begins.wait, 60)
        if stub.status != 200:
            _head(writer, stub.status, f"Content-Length: {len(stub.body)}\r\n{stub.headers}")
            writer.write(stub.body)
        elif not body:
            _json(writer, _get(path))
        elif path == "/api/show":
            _json(
                writer,
                {
                    "modelfile": "# real",
                    "details": {"family": "stub"},
                    "model_info": {},
                    "capabilities": ["completion"],
                },
            )
        elif asked.get("stream", path.startswith("/api/") and "embed" not in path):
            await self._stream(writer, path, asked)
        else:
            _json(writer, _whole(stub, path, asked))
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter, path: str, asked: dict[str, Any]) -> None:
        stub = self._stub
        kind = "application/x-ndjson" if path.startswith("/api/") else "text/event-stream"
        _head(writer, 200, f"Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n")
        sent = b""
        for at, piece in enumerate(_pieces(stub, path, asked)):
            if stub.die_after is not None and at >= max(stub.die_after, 0):
                await writer.drain()
                writer.transport.abort()
                raise ConnectionResetError
            if at and not stub.gate.is_set():
                await asyncio.to_thread(stub.gate.wait, 60)
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            sent += piece
            await writer.drain()
        stub.sent = sent
        writer.write(b"0\r\n\r\n")


def _head(writer: asyncio.StreamWriter, status: int, headers: str) -> None:
    writer.write(f"HTTP/1.1 {status} Said\r\n{headers}\r\n".encode())


def _json(writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    _head(writer, 200, f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n")
    writer.write(body)


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return first.split(" ")[1], headers, body


@contextmanager
def serve(stub: Stub | None = None, *, port: int = 0) -> Iterator[Stub]:
    """An engine on a thread, on a loopback port."""
    stub = stub or Stub()
    stub.gate.set()
    stub.begins.set()
    ready, over = threading.Event(), threading.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        server = await asyncio.start_server(_Serving(stub).serve, "127.0.0.1", port)
        stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await asyncio.to_thread(over.wait)
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run())
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield stub
    finally:
        stub.gate.set()
        stub.begins.set()
        over.set()
        thread.join(10)


def main() -> None:
    """Serve until standard input closes: one word of each stream, and no more."""
    with serve() as stub:
        stub.gate.clear()
        print(stub.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
