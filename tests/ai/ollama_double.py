"""llama.cpp behind an Ollama-shaped API. This is **not** Ollama: it speaks Ollama's routes over the embedded model.

Counts and durations come from llama.cpp's own timings, never invented; loading takes as long as it takes. `old=True` imitates a server
from before `truncate`, which cuts a long prompt and says nothing.
"""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.errors import BackendError
from ai.gguf import read_gguf
from ai.probes.files import demo_model
from ai.types import Chunk, Figure, Final, GenRequest, LoadSpec, Message, Sampling

NAME = "smollm2:135m"
DEFAULT_CONTEXT = 512
"""Small, so that the default truncates soon, as a real server's does for long texts."""
LABEL = "llama.cpp behind an Ollama-shaped API"


class Double:
    """The routes, and the engine behind them."""

    def __init__(self, *, old: bool = False) -> None:
        self._backend = LlamaCppBackend(name="double")
        self._old = old
        self._context = 0
        self._lock = asyncio.Lock()
        path = demo_model()
        assert path is not None
        self._header = read_gguf(path)
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(
            routes=[
                Route("/", lambda _: Response("Ollama is running")),
                Route("/api/version", lambda _: JSONResponse({"version": "0.0.0-double", "label": LABEL})),
                Route("/api/tags", lambda _: JSONResponse({"models": [self._tag()]})),
                Route("/api/ps", self._ps),
                Route("/api/show", self._show, methods=["POST"]),
                Route("/api/chat", self._chat, methods=["POST"]),
                Route("/api/generate", self._chat, methods=["POST"]),
            ]
        )

    async def close(self) -> None:
        """End the engine."""
        await self._backend.close()

    def _details(self) -> dict[str, Any]:
        return {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "134.52M",
                "quantization_level": self._header.quantization}  # fmt: skip

    def _tag(self) -> dict[str, Any]:
        digest = hashlib.sha256(str(self._header.path).encode()).hexdigest()
        return {
            "name": NAME,
            "model": NAME,
            "modified_at": _now(),
            "size": self._header.file_size,
            "digest": digest,
            "details": self._details(),
        }

    async def _ps(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        if not self._context or self._backend.supervisor.running is None:
            return JSONResponse({"models": []})
        rss = (await self._backend.memory()).rss
        size = int(rss.value) if rss else 0
        return JSONResponse(
            {
                "models": [
                    self._tag() | {"size": size, "size_vram": 0, "expires_at": _now(), "context_length": self._context}
                ]
            }
        )

    async def _show(self, request: Request) -> Response:
        body = await request.json()
        if body.get("model") != NAME:
            return _missing(body)
        template = str(self._header.metadata.get("tokenizer.chat_template"))
        return JSONResponse({"modelfile": "", "parameters": "", "template": template, "details": self._details(),
                             "model_info": {"general.architecture": "llama", "llama.context_length": 8192}, "capabilities": ["completion"]})  # fmt: skip

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        if body.get("model") != NAME:
            return _missing(body)
        chat = request.url.path.endswith("chat")
        messages = (
            [Message(m["role"], m["content"]) for m in body.get("messages") or []]
            if chat
            else [Message("user", body.get("prompt") or "")]
        )
        options = body.get("options") or {}
        if not any(message.content for message in messages):
            return await self._load_or_unload(body, options)
        begun = time.perf_counter_ns()
        load_ns = await self._load(int(options.get("num_ctx") or DEFAULT_CONTEXT))
        asked = await self._fitting(messages, body)
        if asked is None:
            return JSONResponse({"error": "the input length exceeds the context length"}, 400)
        generate = _request(asked, options, body)
        lines = self._lines(generate, chat=chat, begun=begun, load_ns=load_ns)
        if body.get("stream", True):
            return StreamingResponse(lines, media_type="application/x-ndjson")
        parts = [json.loads(line) async for line in lines]
        text = "".join(_text(part) for part in parts)
        return JSONResponse(parts[-1] | _said(text, chat=chat))

    async def _load(self, context: int) -> int:
        async with self._lock:
            begun = time.perf_counter_ns()
            report = await self._backend.ensure_loaded(LoadSpec("demo", context=context, threads=1))
            self._context = context
            return time.perf_counter_ns() - begun if report.cold else 0

    async def _load_or_unload(self, body: dict[str, Any], options: dict[str, Any]) -> Response:
        if body.get("keep_alive") in {0, "0"}:
            await self._backend.unload()
            self._context = 0
            return JSONResponse(
                {"model": NAME, "created_at": _now(), "response": "", "done": True, "done_reason": "unload"}
            )
        load_ns = await self._load(int(options.get("num_ctx") or DEFAULT_CONTEXT))
        said = {"model": NAME, "created_at": _now(), "response": "", "done": True, "done_reason": "load"}
        return JSONResponse(said | ({"load_duration": load_ns} if load_ns else {}))

    async def _fitting(self, messages: list[Message], body: dict[str, Any]) -> list[Message] | None:
        """The messages, the last one cut in front until it fits, as Ollama does; None when that was forbidden."""
        while (await self._backend.count_tokens(tuple(messages))).value > self._context - 16:
            if body.get("truncate") is False and not self._old:
                return None
            last = messages[-1]
            messages = [*messages[:-1], Message(last.role, last.content[max(len(last.content) // 4, 1) :])]
        return messages

    async def _lines(self, request: GenRequest, *, chat: bool, begun: int, load_ns: int) -> AsyncIterator[bytes]:
        try:
            async with aclosing(self._backend.stream(request)) as events:
                async for event in events:
                    if isinstance(event, Chunk):
                        yield _line(_said(event.text, chat=chat) | {"done": False})
                    else:
                        yield _line(_said("", chat=chat) | self._end(event, time.perf_counter_ns() - begun, load_ns))
        except BackendError as error:
            yield _line({"error": error.message})

    def _end(self, final: Final, total_ns: int, load_ns: int) -> dict[str, Any]:
        end = {
            "done": True,
            "done_reason": final.finish_reason,
            "total_duration": total_ns,
            "load_duration": load_ns,
            "prompt_eval_count": _number(final.usage.prompt_tokens),
            "prompt_eval_cached_count": _number(final.usage.cached_tokens),
            "prompt_eval_duration": int((final.timings.prompt.value if final.timings.prompt else 0) * 1e9),
            "eval_count": _number(final.usage.completion_tokens),
            "eval_duration": int((final.timings.generation.value if final.timings.generation else 0) * 1e9),
        }
        return {key: value for key, value in end.items() if value}  # Go's omitempty


def _request(messages: list[Message], options: dict[str, Any], body: dict[str, Any]) -> GenRequest:
    form = body.get("format")
    schema = {"type": "object"} if form == "json" else form or None
    sampling = Sampling(options.get("temperature", 0.8), options.get("top_k", 40), options.get("top_p", 0.9), options.get("min_p", 0.0),
                        options.get("repeat_penalty", 1.1), options.get("seed", 0))  # fmt: skip
    return GenRequest(
        tuple(messages), options.get("num_predict", 128), sampling, tuple(options.get("stop") or ()), schema
    )


def _said(text: str, *, chat: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"response": text}
    return {"model": NAME, "created_at": _now(), **said}


def _text(part: dict[str, Any]) -> str:
    return str(part.get("response") or part.get("message", {}).get("content") or "")


def _number(figure: Figure | None) -> int:
    return int(figure.value) if figure else 0


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _missing(body: dict[str, Any]) -> Response:
    return JSONResponse({"error": f"model '{body.get('model')}' not found"}, 404)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def serve(*, old: bool = False) -> Iterator[tuple[str, Double]]:
    """The double on a free port of the loopback: its address, and itself."""
    box: dict[str, Any] = {}
    started = threading.Event()

    async def run() -> None:
        double = Double(old=old)
        server = uvicorn.Server(uvicorn.Config(double.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
        box.update(double=double, server=server)
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells no event
            await asyncio.sleep(0.01)
        box["port"] = server.servers[0].sockets[0].getsockname()[1]
        started.set()
        await task
        await double.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield f"http://127.0.0.1:{box['port']}", box["double"]
    finally:
        box["server"].should_exit = True
        thread.join(30)
        assert not thread.is_alive()
