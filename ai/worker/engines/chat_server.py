"""OpenAI's streaming chat over a token engine: what a worker without a server of its own (ExLlama) answers with.

Always streamed; a client that hangs up cancels its job at once. Figures are the generator's own, in llama.cpp's shape (`timings`).
"""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ai.core.errors import BackendError
from ai.core.types import Message, Sampling
from ai.worker.engines.chat_template import ChatTemplate
from ai.worker.engines.generation import GenerationThread, Job, TokenEngine

_MAX_BODY: Final = 32 * 1024 * 1024
_ENDS: Final = {"stop_token": "stop", "stop_string": "stop", "end_filter": "stop", "max_new_tokens": "length"}


class BadBody(Exception):
    """The request is wrong; the message says how."""


class ChatServer:
    """The application.

    Args:
        engine: counts tokens and makes jobs.
        thread: runs the jobs.
        template: makes prompts of conversations.
        model: the model's name.
        key: what requests must carry as bearer token.
    """

    def __init__(
        self, engine: TokenEngine, thread: GenerationThread, template: ChatTemplate, model: str, key: str
    ) -> None:
        self._engine = engine
        self._thread = thread
        self._template = template
        self._model = model
        routes = [
            Route("/health", self._health),
            Route("/v1/models", self._models),
            Route("/slots", self._slots),
            Route("/memory", self._memory),
            Route("/tokenize", _refusing(self._tokenize), methods=["POST"]),
            Route("/apply-template", _refusing(self._apply), methods=["POST"]),
            Route("/v1/chat/completions", _refusing(self._chat), methods=["POST"]),
        ]
        self.app: ASGIApp = _Keyed(Starlette(routes=routes), key)

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _models(self, _: Request) -> Response:
        data = {"id": self._model, "object": "model", "owned_by": "watchkeeper", "max_model_len": self._engine.context}
        return JSONResponse({"object": "list", "data": [data]})

    async def _slots(self, _: Request) -> Response:
        return JSONResponse(
            [{"id": at, "is_processing": at < self._thread.active} for at in range(self._engine.parallel)]
        )

    async def _memory(self, _: Request) -> Response:
        return JSONResponse({"vram": self._engine.vram()})

    async def _tokenize(self, body: dict[str, Any]) -> Response:
        return JSONResponse(
            {"tokens": self._engine.encode(str(body.get("content", "")), special=bool(body.get("parse_special")))}
        )

    async def _apply(self, body: dict[str, Any]) -> Response:
        return JSONResponse({"prompt": self._prompt(body)})

    async def _chat(self, body: dict[str, Any]) -> Response:
        ids = self._engine.encode(self._prompt(body), special=True)
        room = self._engine.context - self._engine.reserved - len(ids)
        if room < 1:
            said = f"request ({len(ids)} tokens) exceeds the available context size ({self._engine.context} tokens)"
            return JSONResponse({"error": self._overflow(said, len(ids))}, 400)
        return StreamingResponse(self._answer(_job(body, ids, room)), media_type="text/event-stream")

    def _prompt(self, body: dict[str, Any]) -> str:
        arguments = body.get("chat_template_kwargs")
        return self._template.render(_messages(body), **(arguments if isinstance(arguments, dict) else {}))

    def _overflow(self, said: str, tokens: int) -> dict[str, Any]:
        """As llama.cpp says it."""
        return {
            "message": said, "type": "exceed_context_size_error", "code": 400, "n_prompt_tokens": tokens, "n_ctx": self._engine.context,
        }  # fmt: skip

    async def _answer(self, job: Job) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        number = self._thread.submit(job, lambda result: _hand_over(loop, results, result))
        try:
            while True:
                result = await results.get()
                if problem := result.get("failed") or result.get("refused"):
                    yield _event({"error": {"message": problem, "code": 400 if "refused" in result else 500}})
                    return
                if text := result.get("text"):
                    yield self._delta({"content": text})
                if result.get("eos"):
                    read = int(result.get("prompt_tokens") or 0)
                    if read < len(job.ids):
                        said = f"the generator has read {read} of the prompt's {len(job.ids)} tokens"
                        yield _event({"error": self._overflow(said, len(job.ids))})
                        return
                    yield self._delta({}, _ENDS.get(str(result.get("eos_reason")), "stop"))
                    yield _event(self._figures(result))
                    yield b"data: [DONE]\n\n"
                    return
        finally:
            self._thread.cancel(number)

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event(
            {"object": "chat.completion.chunk", "id": "chat", "created": 0, "model": self._model, "choices": [choice]}
        )

    def _figures(self, result: dict[str, Any]) -> dict[str, Any]:
        """The generator's counts and seconds; `time_generate` runs from the first token to the last."""
        prompt, new, cached = (int(result.get(key) or 0) for key in ("prompt_tokens", "new_tokens", "cached_tokens"))
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": new,
            "total_tokens": prompt + new,
            "prompt_tokens_details": {"cached_tokens": cached},
            "queue_time": result.get("time_enqueued"),
        }
        timings = {
            "prompt_n": prompt - cached,
            "cache_n": cached,
            "prompt_ms": float(result.get("time_prefill") or 0.0) * 1e3,
            "predicted_n": new,
            "predicted_ms": float(result.get("time_generate") or 0.0) * 1e3,
        }
        return {
            "object": "chat.completion.chunk", "id": "chat", "created": 0, "model": self._model, "choices": [],
            "usage": usage, "timings": timings,
        }  # fmt: skip


class _Keyed:
    """Lets nothing in without the key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._wanted = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers") or []).get(b"authorization", b"")
        if scope["type"] == "http" and not hmac.compare_digest(given, self._wanted):
            await JSONResponse({"error": {"message": "the key is wrong", "code": 401}}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusing(answer: Callable[[dict[str, Any]], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Reads the body; what is wrong with a request becomes a 400."""

    async def route(request: Request) -> Response:
        try:
            return await answer(await _body(request))
        except (BadBody, BackendError) as error:
            return JSONResponse({"error": {"message": str(error), "code": 400}}, 400)

    return route


async def _body(request: Request) -> dict[str, Any]:
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > _MAX_BODY:
            raise BadBody("the request is too long")
    try:
        body = json.loads(read)
    except (ValueError, RecursionError) as error:
        raise BadBody("the request is not JSON") from error
    if not isinstance(body, dict):
        raise BadBody("the request is no object")
    return body


def _messages(body: dict[str, Any]) -> list[Message]:
    found = []
    given = body.get("messages")
    for item in given if isinstance(given, list) else []:
        role, content = (item.get("role"), _plain(item.get("content"))) if isinstance(item, dict) else (None, None)
        if role == "developer":
            role = "system"
        if role not in {"system", "user", "assistant"} or not isinstance(content, str):
            raise BadBody("each message needs a role (system, user, assistant) and a text")
        found.append(Message(role, content))
    if not found:
        raise BadBody("there are no messages")
    return found


def _plain(content: object) -> object:
    """A content as one text, where it is a list of parts of text; as it is otherwise."""
    parts = content if isinstance(content, list) and content else [None]
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    return "".join(map(str, texts)) if all(isinstance(one, str) for one in texts) else content


def _job(body: dict[str, Any], ids: list[int], room: int) -> Job:
    stop = body.get("stop") or ()
    sampling = Sampling(
        temperature=_number(body, "temperature", 1.0),
        top_k=int(_number(body, "top_k", 0)),
        top_p=_number(body, "top_p", 1.0),
        min_p=_number(body, "min_p", 0.0),
        repeat_penalty=_number(body, "repeat_penalty", 1.0),
        seed=int(_number(body, "seed", 0)),
    )
    most = _number(body, "max_tokens", _number(body, "max_completion_tokens", room))
    return Job(
        ids=ids, max_tokens=max(1, min(int(most), room)), sampling=sampling,
        stop=tuple(str(text) for text in ([stop] if isinstance(stop, str) else stop)),
        json_schema=_schema(body), ignore_eos=bool(body.get("ignore_eos")),
    )  # fmt: skip


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    form = body.get("response_format")
    if not isinstance(form, dict) or form.get("type") not in {"json_schema", "json_object"}:
        return None
    given = form.get("json_schema")
    schema = given.get("schema") if isinstance(given, dict) else {"type": "object"}
    if not isinstance(schema, dict):
        raise BadBody("response_format has no schema")
    return schema


def _number(body: dict[str, Any], key: str, default: float) -> float:
    value = body.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 <= value <= 1e18:
        raise BadBody(f"{key} is no number")
    return value


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _hand_over(
    loop: asyncio.AbstractEventLoop, results: "asyncio.Queue[dict[str, Any]]", result: dict[str, Any]
) -> None:
    """From the generator's thread to the server's; tensors and jobs inside a result stay where they are."""
    keys = (
        "text",
        "eos",
        "eos_reason",
        "failed",
        "refused",
        "prompt_tokens",
        "new_tokens",
        "cached_tokens",
        "time_enqueued",
        "time_prefill",
        "time_generate",
    )
    loop.call_soon_threadsafe(results.put_nowait, {key: result[key] for key in keys if key in result})
