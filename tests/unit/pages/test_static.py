"""Streamlit's own scripts, styles and fonts, answered from memory."""

from pathlib import Path

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pages.server.static import Static, streamlits_folder

FOLDER = streamlits_folder()
SCRIPT = next(FOLDER.glob("js/index.*.js"))
FONT = next(FOLDER.glob("media/*.woff2"))


def ask(path: str, *, compress: bool = False, **headers: str) -> httpx.Response:
    """One answer; what is not kept is answered by the application behind with "behind"."""

    async def behind(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("behind")

    kept = Middleware(Static, folder=FOLDER, compress=compress)
    app = Starlette(routes=[Route("/{path:path}", behind, methods=["GET", "POST"])], middleware=[kept])

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return anyio.run(get)


@pytest.mark.parametrize("file", [SCRIPT, FONT, next(FOLDER.glob("css/*.css"))], ids=lambda file: file.suffix)
def test_a_file_comes_whole_and_is_kept_for_ever(file: Path) -> None:
    """Each kind of file has its own type, every byte, and is never asked for again."""
    answer = ask(f"/static/{file.relative_to(FOLDER)}", accept_encoding="gzip")
    assert answer.content == file.read_bytes()
    assert (
        answer.headers["content-type"]
        == {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}[file.suffix]
    )
    assert "immutable" in answer.headers["cache-control"]


def test_over_a_network_it_travels_compressed() -> None:
    """A browser that can read it gets a script compressed, another plain; a font, compressed in itself, stays as it is."""
    script = f"/static/js/{SCRIPT.name}"
    packed, plain = (
        ask(script, compress=True, accept_encoding="gzip, br"),
        ask(script, compress=True, accept_encoding="identity"),
    )
    assert packed.content == plain.content == SCRIPT.read_bytes()
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in ask(f"/static/media/{FONT.name}", compress=True, accept_encoding="gzip").headers


@pytest.mark.parametrize(
    "path",
    ["js/nothing.12345678.js", "../index.html", "js/..%2f..%2findex.html", "js/%2e%2e/%2e%2e/x.12345678.js", "js", ""],
)
def test_what_is_not_kept_is_left_to_who_lies_behind(path: str) -> None:
    """Names without a hash, of other folders, or of nothing reach Streamlit, whatever it says to them."""
    assert ask(f"/static/{path}").text == "behind"


def test_parts_and_conditions_are_left_to_who_lies_behind() -> None:
    """Who asks for a part, or whether a file has changed, is answered by Streamlit."""
    for header in ({"range": "bytes=0-9"}, {"if_none_match": '"x"'}):
        assert ask(f"/static/js/{SCRIPT.name}", **header).text == "behind"
