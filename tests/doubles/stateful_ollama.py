"""An Ollama that keeps state: what is in memory, with which context and for how long. No model answers; it counts and generates fixed words.

It loads a model anew for another `num_ctx`, takes a missing one for its default, and lets `keep_alive` overwrite what was chosen, as the real one does.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.waiting import patient, wait_until_async

INFO = {
    "general.architecture": "llama", "general.parameter_count": 1_000_000_000, "llama.block_count": 16, "llama.embedding_length": 2048,
    "llama.attention.head_count": 32, "llama.attention.head_count_kv": 8, "llama.context_length": 131_072, "llama.feed_forward_length": 8192,
}  # fmt: skip
WEIGHTS = 800_000_000
PER_TOKEN = 2 * 16 * 8 * 64 * 2


@dataclass
class Held:
    """A model in memory."""

    context: int
    keep_s: float


@dataclass
class StatefulOllama:
    """The server's state; change it while it serves to play other programs."""

    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {"m:latest": {}})
    held: dict[str, Held] = field(default_factory=dict)
    default_context: int = 4096
    per_token_s: float = 0.001
    load_s: float = 0.0
    loads: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    registry: dict[str, int] = field(default_factory=dict)
    """Models that can be fetched, with the bytes of their weights."""
    fetching: threading.Event = field(default_factory=threading.Event)
    """A fetch goes past its middle once this is set."""
    hung_up: int = 0
    """Fetches whose client went away before the end."""
    url: str = ""
    stop: Callable[[], None] = lambda: None
    """Ends the server: nobody listens there any more."""

    def app(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[
                Route("/api/version", lambda _: JSONResponse({"version": "0.24.0"})),
                Route("/api/tags", lambda _: JSONResponse({"models": [self._tag(name) for name in self.models]})),
                Route("/api/ps", lambda _: JSONResponse({"models": [self._row(name) for name in self.held]})),
                Route("/v1/models", lambda _: JSONResponse({"data": [{"id": n, "owned_by": "library"} for n in self.models]})),
                Route("/api/show", self._show, methods=["POST"]),
                Route("/api/generate", self._generate, methods=["POST"]),
                Route("/api/chat", self._generate, methods=["POST"]),
                Route("/api/embed", self._embed, methods=["POST"]),
                Route("/v1/chat/completions", self._openai, methods=["POST"]),
                Route("/api/pull", self._pull, methods=["POST"]),
                Route("/api/delete", self._delete, methods=["DELETE"]),
            ]
        )  # fmt: skip

    def _tag(self, name: str) -> dict[str, Any]:
        remote = self.models[name].get("remote_host")
        extra = {"remote_host": remote, "remote_model": name} if remote else {}
        return {
            "name": name,
            "model": name,
            "size": self.models[name].get("size", WEIGHTS),
            "digest": self.models[name].get("digest", name),
            "details": {"quantization_level": "Q4_K_M", "parameter_size": "1.0B", "family": "llama"},
        } | extra

    def _row(self, name: str) -> dict[str, Any]:
        held = self.held[name]
        until = datetime.now(UTC) + timedelta(seconds=held.keep_s)
        size = WEIGHTS + PER_TOKEN * held.context
        return self._tag(name) | {
            "size": size,
            "size_vram": 0,
            "context_length": held.context,
            "expires_at": until.isoformat(),
        }

    def _name(self, body: dict[str, Any]) -> str | None:
        name = str(body.get("model"))
        return next((full for full in (name, f"{name}:latest") if full in self.models), None)

    async def _show(self, request: Request) -> Response:
        body = await request.json()
        name = self._name(body)
        if name is None:
            return JSONResponse({"error": f"model '{body.get('model')}' not found"}, 404)
        facts = self.models[name]
        remote = {"remote_host": facts["remote_host"]} if facts.get("remote_host") else {}
        return JSONResponse(
            {"template": "{{ .Prompt }}", "modelfile": "FROM m", "parameters": facts.get("parameters", ""), "details": {"format": "gguf", "quantization_level": "Q4_K_M"},
             "capabilities": facts.get("capabilities", ["completion"]), "model_info": INFO} | remote
        )  # fmt: skip

    async def _generate(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        name = self._name(body)
        if name is None:
            return JSONResponse({"error": f"model '{body.get('model')}' not found"}, 404)
        words = " ".join(m["content"] for m in body.get("messages") or []) or body.get("prompt") or ""
        if not words and body.get("keep_alive") == 0:
            self.held.pop(name, None)
            return JSONResponse({"model": name, "response": "", "done": True, "done_reason": "unload"})
        if "completion" not in self.models[name].get("capabilities", ["completion"]):
            return JSONResponse({"error": f'"{name}" does not support generate'}, 400)
        before = self.loads
        held = self._have(name, body)
        if self.loads > before:
            await asyncio.sleep(self.load_s)
        if not words:
            return JSONResponse(
                {"model": name, "response": "", "done": True, "done_reason": "load", "load_duration": 10**7}
            )
        self.asked.append(name)
        tokens = len(words) // 4 + 4
        if tokens > held.context:
            return JSONResponse({"error": "the input length exceeds the context length"}, 400)
        lines = self._lines(name, tokens, int(body["options"]["num_predict"]), chat="messages" in body)
        streams = body.get("stream") is not False
        return StreamingResponse(lines, media_type="application/x-ndjson") if streams else await self._whole(lines)

    async def _whole(self, lines: AsyncIterator[bytes]) -> Response:
        told = [json.loads(line) async for line in lines]
        chat = "message" in told[-1]
        said = "".join(part["message"]["content"] if chat else part["response"] for part in told)
        return JSONResponse(
            told[-1] | ({"message": {"role": "assistant", "content": said}} if chat else {"response": said})
        )

    async def _openai(self, request: Request) -> Response:
        """The route that knows no context: the default one is used."""
        body = await request.json()
        name = self._name(body)
        assert name is not None
        self._have(name, {})
        self.asked.append(name)
        message = {"role": "assistant", "content": " word"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        return JSONResponse(
            {"id": "1", "object": "chat.completion", "created": 1, "model": name, "choices": [choice], "usage": usage}
        )

    async def _embed(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        name = self._name(body)
        if name is None:
            return JSONResponse({"error": f"model '{body.get('model')}' not found"}, 404)
        self._have(name, body)
        return JSONResponse({"model": name, "embeddings": [[0.1]] if body.get("input") else []})

    async def _delete(self, request: Request) -> Response:
        body = await request.json()
        name = self._name(body)
        if name is None:
            return JSONResponse({"error": f"model '{body.get('model')}' not found"}, 404)
        del self.models[name]
        self.held.pop(name, None)
        return Response(status_code=200)

    async def _pull(self, request: Request) -> Response:
        body = await request.json()
        name = str(body["model"])
        return StreamingResponse(self._layers(name, self.registry.get(name)), media_type="application/x-ndjson")

    async def _layers(self, name: str, size: int | None) -> AsyncIterator[bytes]:
        """As recorded: the manifest, a line for each step of a layer, then the checks; an error is a line, too."""

        def line(**said: Any) -> bytes:
            return json.dumps(said).encode() + b"\n"

        yield line(status="pulling manifest")
        if size is None:
            yield line(error="pull model manifest: file does not exist")
            return
        try:
            for done in (0, size // 2, size):
                yield line(status="pulling 74701a8c35f6", digest="sha256:74701a8c35f6", total=size, completed=done)
                while done == size // 2 and not self.fetching.is_set():  # noqa: ASYNC110 - set on another thread
                    await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.hung_up += 1
            raise
        for word in ("verifying sha256 digest", "writing manifest"):
            yield line(status=word)
        self.models[name if ":" in name else f"{name}:latest"] = {"size": size}
        yield line(status="success")

    def _have(self, name: str, body: dict[str, Any]) -> Held:
        wanted = int((body.get("options") or {}).get("num_ctx") or self.default_context)
        held = self.held.get(name)
        if held is None or held.context != wanted:
            self.loads += 1
            held = self.held[name] = Held(wanted, 300.0)
        keep = body.get("keep_alive")
        if keep is not None:
            forever = isinstance(keep, int | float) and keep < 0
            held.keep_s = (
                3e9
                if forever
                else (
                    float(keep)
                    if not isinstance(keep, str)
                    else float(keep[:-1]) * {"s": 1, "m": 60, "h": 3600}[keep[-1]]
                )
            )
        return held

    async def _lines(self, name: str, tokens: int, answer: int, *, chat: bool) -> AsyncIterator[bytes]:
        def said(text: str) -> dict[str, Any]:
            return {"message": {"role": "assistant", "content": text}} if chat else {"response": text}

        began = time.monotonic_ns()
        for _ in range(answer):
            await asyncio.sleep(self.per_token_s)
            yield (json.dumps({"model": name, **said(" word"), "done": False}).encode() + b"\n")
        took = max(time.monotonic_ns() - began, 1)  # longer than it should on a busy machine
        last = {"model": name, **said(""), "done": True, "done_reason": "length", "prompt_eval_count": tokens,
                "prompt_eval_duration": 10**6, "eval_count": answer, "eval_duration": took,
                "total_duration": int((took + 2_000_000) * 1.2)}  # fmt: skip
        yield json.dumps(last).encode() + b"\n"


@contextmanager
def serve_on_thread(state: StatefulOllama) -> Iterator[StatefulOllama]:
    """The server on a thread of its own, for an agent in another process."""
    ready, over = threading.Event(), threading.Event()

    async def run() -> None:
        async with serve(state):
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(patient(10))
    try:
        yield state
    finally:
        state.fetching.set()
        over.set()
        thread.join(patient(10))


@asynccontextmanager
async def serve(state: StatefulOllama | None = None) -> AsyncIterator[StatefulOllama]:
    """The server on a free port of the loopback."""
    ollama = state or StatefulOllama()
    server = uvicorn.Server(uvicorn.Config(ollama.app(), host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    ollama.stop = lambda: setattr(server, "should_exit", True)
    await wait_until_async(lambda: server.started)
    ollama.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield ollama
    finally:
        server.should_exit = True
        await task
