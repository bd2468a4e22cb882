"""A server that speaks OpenAI's API over a real model, and cuts prompts beyond its limit without a word.

It stands in front of a worker's own server: what it reads, counts and answers is llama.cpp's; only the beginning of a long prompt is taken away.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ai.worker.supervisor import Running
from tests.waiting import patient

NAME = "cutter"


class CuttingServer:
    """The routes.

    Args:
        running: the worker that reads and answers.
        limit: tokens of the longest prompt that is not cut.
    """

    def __init__(self, running: Running, limit: int) -> None:
        transport = httpx.AsyncHTTPTransport(uds=running.socket, limits=httpx.Limits(max_keepalive_connections=0))
        headers = {"Authorization": f"Bearer {running.key}"}
        self._worker = httpx.AsyncClient(
            base_url="http://worker", transport=transport, headers=headers, timeout=patient(60)
        )
        self._limit = limit
        self.cut: list[bool] = []
        """Of each prompt, whether a part of it was dropped."""
        self.app = Starlette(
            routes=[
                Route("/v1/models", lambda _: JSONResponse({"data": [{"id": NAME}]})),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        last = body["messages"][-1]
        before = last["content"]
        while await self._tokens(body["messages"]) > self._limit:
            last["content"] = last["content"][max(len(last["content"]) // 5, 1) :]
        self.cut.append(last["content"] != before)
        return StreamingResponse(self._answer(body), media_type="text/event-stream")

    async def _tokens(self, messages: list[dict[str, Any]]) -> int:
        prompt = (await self._worker.post("/apply-template", json={"messages": messages})).json()["prompt"]
        asked = {"content": prompt, "add_special": True, "parse_special": True}
        return len((await self._worker.post("/tokenize", json=asked)).json()["tokens"])

    async def _answer(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        async with self._worker.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for part in answer.aiter_raw():
                yield part


@contextmanager
def serve(running: Running, limit: int) -> Iterator[tuple[str, CuttingServer]]:
    """The server on a free port of the loopback: its address, and itself."""
    made = CuttingServer(running, limit)
    server = uvicorn.Server(uvicorn.Config(made.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    ready, port = threading.Event(), []

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells no event
            await asyncio.sleep(0.01)
        port.append(server.servers[0].sockets[0].getsockname()[1])
        ready.set()
        await task
        await made._worker.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(patient(30))
    try:
        yield f"http://127.0.0.1:{port[0]}", made
    finally:
        server.should_exit = True
        thread.join(patient(30))
        assert not thread.is_alive()
