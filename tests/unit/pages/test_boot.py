"""What Streamlit's page is told before it begins."""

import base64
import hashlib

import anyio
import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pages.server.boot import SCRIPT, Boot, inserted
from pages.server.gate import page_policy

PAGE = "<!DOCTYPE html><html><head><title>Streamlit</title></head><body>" + "x" * 2000 + "</body></html>"


def ask(path: str, accept: str = "text/html,*/*") -> httpx.Response:
    """One answer of a small application behind `Boot`, which compresses what is long, as Streamlit does."""
    routes = [
        Route("/page", lambda _: HTMLResponse(PAGE, headers={"ETag": "x"})),
        Route("/parts", lambda _: StreamingResponse(iter([PAGE[:30], PAGE[30:]]), media_type="text/html")),
        Route("/missing", lambda _: HTMLResponse(PAGE, status_code=404)),
        Route("/text", lambda _: PlainTextResponse(PAGE)),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Boot), Middleware(GZipMiddleware)])

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get(path, headers={"Accept": accept, "Accept-Encoding": "gzip"})

    return anyio.run(get)


def test_a_page_begins_with_the_script() -> None:
    """The script stands before everything else of the head, whole or streamed; the length is right and no mark of the old text stays."""
    for path in ("/page", "/parts"):
        answer = ask(path)
        assert f"<head>{inserted().decode()}" in answer.text
        assert "<title>Watchkeeper</title>" in answer.text
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert "etag" not in answer.headers


def test_everything_else_passes_untouched() -> None:
    """Errors, texts, and what is not asked for as a page stay as they were, compressed where they were."""
    for answer in (ask("/missing"), ask("/text"), ask("/page", accept="*/*")):
        assert answer.text == PAGE
    assert ask("/text", accept="*/*").headers["content-encoding"] == "gzip"


def test_the_policy_knows_the_script() -> None:
    """The security policy lets this very script run, and no other inline one of ours."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page_policy()
