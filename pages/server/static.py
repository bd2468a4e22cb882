"""Serves Streamlit's scripts, styles and fonts from memory.

A cold page loads about seventy of them before it draws anything. Streamlit looks up, opens and reads each file in steps, every
step in another thread: 10 ms per file on a busy machine, most of a second for all. Their names contain a content hash, so
each file is read once and kept: about 3 MB.
"""

import asyncio
import gzip
import mimetypes
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.server.assets import FOREVER

PREFIX: Final = "/static/"
NAME: Final = re.compile(r"(?:js|css|media)/[\w.-]+\.[\w-]{8}\.(?:js|css|woff2|svg)")
"""Files with a content hash in the name. The pattern allows no path to another folder."""
CONDITIONS: Final = frozenset({b"range", b"if-none-match", b"if-modified-since", b"if-range"})


@dataclass(slots=True)
class _Kept:
    """One file: media type, content, and the compressed content once a client asked for it."""

    media_type: str
    body: bytes
    packed: bytes | None = field(default=None)


class Static:
    """Answers requests for the files; all others pass through.

    Args:
        app: what lies behind, which answers whatever is asked in another way (a part of a file, whether it changed).
        folder: of the files, by their path behind `/static/`.
        compress: whether to send them compressed to browsers that can read it: worth the while over a network only.
    """

    def __init__(self, app: ASGIApp, folder: Path, *, compress: bool) -> None:
        self._app, self._folder, self._compress = app, folder, compress
        self._kept: dict[str, _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kept = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if kept is None:
            await self._app(scope, receive, send)
            return
        body, coding = await self._coded(kept, Headers(scope=scope))
        headers = [
            (b"content-type", kept.media_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", FOREVER.encode()),
            *coding,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _find(self, scope: Scope) -> _Kept | None:
        """The requested file, read at the first request; None when there is none or only a part is requested."""
        path: str = scope["path"]
        if not path.startswith(PREFIX) or any(name in CONDITIONS for name, _ in scope["headers"]):
            return None
        name = path.removeprefix(PREFIX)
        if name not in self._kept:
            file = self._folder / name
            if not NAME.fullmatch(name) or not file.is_file():
                return None
            media_type = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
            self._kept[name] = _Kept(media_type or "application/octet-stream", file.read_bytes())
        return self._kept[name]

    async def _coded(self, kept: _Kept, headers: Headers) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """The body to send and the headers for its encoding."""
        if not self._compress or kept.media_type.startswith("font/"):
            return kept.body, []
        varies = (b"vary", b"Accept-Encoding")
        if "gzip" not in headers.get("accept-encoding", ""):
            return kept.body, [varies]
        if kept.packed is None:
            kept.packed = await asyncio.to_thread(gzip.compress, kept.body, 6)
        return kept.packed, [varies, (b"content-encoding", b"gzip")]


def streamlits_folder() -> Path:
    """The folder of the installed Streamlit with its static files."""
    import streamlit

    return Path(streamlit.__file__).parent / "static" / "static"
