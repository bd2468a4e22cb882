"""Serves the scripts and styles of the live components from `pages/ui/assets`, cacheable by content hash.

The hash covers the whole folder and is added to every address, also to the imports inside the scripts. After a change all
addresses are new; without a change a browser never asks twice.

A script is named by its path below the folder, without extension: `charts/plot`.
"""

import functools
import hashlib
import importlib.util
import mimetypes
import posixpath
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER: Final = Path(__file__).resolve().parents[1] / "ui" / "assets"
RELATIVE: Final = re.compile(r'(["\'])(\.{1,2}/(?:[\w-]+/)*[\w-]+\.(?:js|css))\1')
EARLY: Final = "live/early"
"""Runs before Streamlit's own scripts and opens the live socket."""
FRAME: Final = ("frame/strip", "frame/footer", "frame/pause", "frame/share", "frame/healing")
"""Components of every page."""
PARTS: Final = {
    "/": (
        "machine/cards",
        "charts/charts",
        "logs/errors",
        "processes/busiest",
        "machine/engines",
        "machine/quality",
        "machine/gpuline",
    ),
    "/processes": (
        "processes/table",
        "processes/ended",
        "processes/events",
        "processes/groups",
        "processes/timeline",
        "charts/charts",
    ),
    "/jobs": ("jobs/workers", "jobs/list", "jobs/errors"),
    "/logs": ("logs/query", "logs/sources", "logs/histogram", "logs/view"),
    "/patterns": ("logs/patterns", "logs/changes"),
    "/performance": ("charts/charts", "machine/cores", "machine/devices", "machine/gpuline"),
    "/ai": ("frame/reached",),
    "/run": ("processes/facts", "processes/watch", "charts/charts", "logs/view"),
}
"""Path of a page → its components. A component that is missing here still loads, only later."""
LATE: Final = ("BidiComponent", "serialization", "recordbatch", "_arrayReduce")
IMPORT: Final = re.compile(r'^import .* from "(\.{1,2}/(?:[\w-]+/)*[\w-]+)\.js";$', re.MULTILINE)
"""A static import at the top of a script; dynamic imports do not match."""
NAME: Final = re.compile(r"([A-Za-z0-9][\w-]*/)*[A-Za-z0-9][\w-]*(\.[\w-]+)*\.(js|mjs|css|svg|png|woff2|json)")
FOREVER: Final = "public, max-age=31536000, immutable"


def asset_url(name: str) -> str:
    """The address of an asset, with the current content hash.

    Raises:
        FileNotFoundError: there is no such asset.
    """
    path = _find(name)
    if path is None:
        raise FileNotFoundError(name)
    return f"/wk/assets/{name}?v={_version()}"


@functools.lru_cache(maxsize=32)
def _preloads(path: str, version: str) -> str:
    """See `preloads`; cached until the content hash changes."""
    early = _with_imports((EARLY,))
    later = [name for name in _with_imports((*FRAME, *PARTS.get(path, ()))) if name not in early]
    first = [f"<{_versioned(name, version)}>; rel=modulepreload; fetchpriority=high" for name in early]
    others = (*_streamlits_own(), *(_versioned(name, version) for name in later))
    scripts = [*first, *(f"<{address}>; rel=modulepreload; fetchpriority=low" for address in others)]
    return ", ".join([*scripts, f"<{asset_url('wk.css')}>; rel=preload; as=fetch; crossorigin; fetchpriority=low"])


def _versioned(script: str, version: str) -> str:
    """The address of a script."""
    return f"/wk/assets/{script}.js?v={version}"


def preloads(path: str) -> str:
    """A `Link` header for the page at `path`.

    With it the browser fetches the scripts of the page's components in parallel with Streamlit's own. Without it they would
    come one after the other, once Streamlit has drawn the components' places.
    """
    return _preloads(path if path in PARTS else "", _version())


def other_parts() -> list[str]:
    """The components of all pages, for a page that loads the scripts of the others while it is idle."""
    return sorted({name for names in PARTS.values() for name in names})


def _with_imports(names: Sequence[str]) -> list[str]:
    """The named scripts and everything they import, directly or through others."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            imports = IMPORT.findall((FOLDER / f"{name}.js").read_text("utf-8"))
            waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) for path in imports]
    return found


@functools.cache
def _streamlits_own() -> tuple[str, ...]:
    """Addresses of the scripts that Streamlit asks for only when the first component arrives."""
    spec = importlib.util.find_spec("streamlit")
    folder = Path(spec.origin).parent / "static" / "static" / "js" if spec is not None and spec.origin else FOLDER
    found = [path.name for name in LATE for path in sorted(folder.glob(f"{name}.*.js"))[:1]]
    return tuple(f"/static/js/{name}" for name in found)


async def serve_asset(request: Request) -> Response:
    """Answer `GET /wk/assets/{name}`, where the name may contain folders."""
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
    """The file of this name below the folder, or None. `NAME` allows no path that leads out of it."""
    if not NAME.fullmatch(name):
        return None
    path = FOLDER / name
    return path if path.is_file() else None


def _version() -> str:
    return _folder_version(int(time.monotonic()))


@functools.lru_cache(maxsize=2)
def _folder_version(_second: int) -> str:
    """The hash of the folder, read at most once a second: one run of a page asks a dozen times."""
    return _digest(tuple((file, file.stat().st_mtime_ns) for file in sorted(FOLDER.rglob("*.*")) if file.is_file()))


@functools.lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int], ...]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for path, _changed in files:
        found.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


@functools.lru_cache(maxsize=128)
def _script(path: Path, version: str) -> bytes:
    """A script with the version added to the addresses of its imports."""
    return RELATIVE.sub(rf"\1\2?v={version}\1", path.read_text("utf-8")).encode()
