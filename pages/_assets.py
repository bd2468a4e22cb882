"""Scripts and styles of the pages' own components, served with their content's hash so that a browser keeps them."""

import functools
import hashlib
import importlib.util
import mimetypes
import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER: Final = Path(__file__).resolve().parent / "ui" / "assets"
NAME: Final = re.compile(r"[A-Za-z0-9][\w-]*(\.[\w-]+)*\.(js|mjs|css|svg|png|woff2|json)")
FOREVER: Final = "public, max-age=31536000, immutable"


def asset_url(name: str) -> str:
    """The address of an asset, with the hash of what it holds now.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    path = _find(name)
    if path is None:
        raise FileNotFoundError(name)
    return f"/wk/assets/{name}?v={_digest(path, path.stat().st_mtime_ns)}"


async def serve_asset(request: Request) -> Response:
    """`GET /wk/assets/{name}`."""
    name = request.path_params["name"]
    path = _find(name)
    if path is None:
        return PlainTextResponse("no such asset", status_code=404)
    digest = _digest(path, path.stat().st_mtime_ns)
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": FOREVER if request.query_params.get("v") == digest else "no-cache",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith((".js", ".mjs")):
        media_type = "text/javascript"
    return Response(path.read_bytes(), media_type=media_type, headers=headers)


def _find(name: str) -> Path | None:
    """The file of a name: in our folder, or plotly's own bundle; names never lead elsewhere."""
    if not NAME.fullmatch(name):
        return None
    if name == "plotly.min.js":
        return _plotly()
    path = FOLDER / name
    return path if path.is_file() else None


@functools.cache
def _plotly() -> Path | None:
    """The bundle inside the installed plotly package, found without importing it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / "package_data" / "plotly.min.js"
    return path if path.is_file() else None


@functools.lru_cache(maxsize=64)
def _digest(path: Path, _changed: int) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
