"""Scripts and styles of the pages' own components, served with their content's hash so that a browser keeps them.

The hash is of the whole folder, and the imports inside the scripts carry it too: one change makes every address new, and
without a change a browser never asks twice.
"""

import functools
import hashlib
import importlib.util
import mimetypes
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER: Final = Path(__file__).resolve().parent / "ui" / "assets"
RELATIVE: Final = re.compile(r'(["\'])\./([\w-]+\.(?:js|css))\1')
EARLY: Final = "early"
"""What runs with the page itself."""
FRAME: Final = ("strip", "footer")
"""Components of the frame, which every page has."""
PARTS: Final = {
    "/": ("pause", "segments", "cards", "charts", "errors", "busiest", "engines", "quality", "gpuline"),
    "/processes": ("pause", "segments", "proctable"),
    "/logs": ("pause", "segments", "hist", "logview"),
    "/performance": ("pause", "segments", "charts", "cores", "devices", "gpuline"),
    "/run": ("pause", "segments", "facts", "charts", "logview"),
}
"""Path → the components of that page. One that is missing here is loaded all the same, only later."""
LATE: Final = ("BidiComponent", "serialization", "recordbatch", "_arrayReduce")
IMPORT: Final = re.compile(r'^import .* from "\./([\w-]+)\.js";$', re.MULTILINE)
"""An import at the top of a script; what is imported later, in a quiet moment, is not meant."""
NAME: Final = re.compile(r"[A-Za-z0-9][\w-]*(\.[\w-]+)*\.(js|mjs|css|svg|png|woff2|json)")
FOREVER: Final = "public, max-age=31536000, immutable"


def asset_url(name: str) -> str:
    """The address of an asset, with the hash of what our folder holds now.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    path = _find(name)
    if path is None:
        raise FileNotFoundError(name)
    return f"/wk/assets/{name}?v={_version()}"


@functools.lru_cache(maxsize=32)
def _preloads(path: str, version: str) -> str:
    """See `preloads`; made anew when the version of our scripts is another."""
    early = _with_imports((EARLY,))
    later = [name for name in _with_imports((*FRAME, *PARTS.get(path, ()))) if name not in early]
    first = [f"<{_versioned(name, version)}>; rel=modulepreload; fetchpriority=high" for name in early]
    others = (*_streamlits_own(), *(_versioned(name, version) for name in later))
    scripts = [*first, *(f"<{address}>; rel=modulepreload; fetchpriority=low" for address in others)]
    return ", ".join([*scripts, f"<{asset_url('wk.css')}>; rel=preload; as=fetch; crossorigin; fetchpriority=low"])


def _versioned(script: str, version: str) -> str:
    """The address of one of our scripts, named without its extension."""
    return f"/wk/assets/{script}.js?v={version}"


def preloads(path: str) -> str:
    """A `Link` header for the page at `path`: a browser fetches the scripts of its components beside Streamlit's own, instead of
    one after the other once Streamlit has drawn their places.
    """
    return _preloads(path if path in PARTS else "", _version())


def _with_imports(names: Sequence[str]) -> list[str]:
    """Those scripts, and all that they import, without the extension."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            imports = IMPORT.findall((FOLDER / f"{name}.js").read_text("utf-8"))
            waiting += imports
    return found


@functools.cache
def _streamlits_own() -> tuple[str, ...]:
    """Addresses of the scripts that Streamlit's page asks for only once the first component arrives."""
    spec = importlib.util.find_spec("streamlit")
    folder = Path(spec.origin).parent / "static" / "static" / "js" if spec is not None and spec.origin else FOLDER
    found = [path.name for name in LATE for path in sorted(folder.glob(f"{name}.*.js"))[:1]]
    return tuple(f"/static/js/{name}" for name in found)


async def serve_asset(request: Request) -> Response:
    """`GET /wk/assets/{name}`."""
    name = request.path_params["name"]
    path = _find(name)
    if path is None:
        return PlainTextResponse("no such asset", status_code=404)
    digest = _version()
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": FOREVER if request.query_params.get("v") == digest else "no-cache",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith((".js", ".mjs")):
        media_type = "text/javascript"
    body = _script(path, digest) if path.suffix == ".js" else path.read_bytes()
    return Response(body, media_type=media_type, headers=headers)


def _find(name: str) -> Path | None:
    """The file of a name in our folder; names never lead elsewhere."""
    if not NAME.fullmatch(name):
        return None
    path = FOLDER / name
    return path if path.is_file() else None


def _version() -> str:
    return _folder_version(int(time.monotonic()))


@functools.lru_cache(maxsize=2)
def _folder_version(_second: int) -> str:
    """The hash of our folder, looked at once a second: a page asks a dozen times in one run."""
    return _digest(tuple((file, file.stat().st_mtime_ns) for file in sorted(FOLDER.iterdir()) if file.is_file()))


@functools.lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int], ...]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for path, _changed in files:
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


@functools.lru_cache(maxsize=128)
def _script(path: Path, version: str) -> bytes:
    """A script whose imports name the same version."""
    return RELATIVE.sub(rf"\1./\2?v={version}\1", path.read_text("utf-8")).encode()
