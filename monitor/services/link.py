"""The connection to a shim, and starting shims."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from monitor.core.errors import MonitorError

RUN: Final = Path(__file__).parent / "shim" / "run.py"
START_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a service.

    Attributes:
        do: `start`, `stop` or `restart`.
        by: in words, such as "stopped by Ada".
        id: the shim's state has it once the wish was heard.
    """

    do: str
    by: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Link:
    """An open connection to the shim of one service.

    Usage:
        link = await Link.open(folder)
        async for state in link.states(): ...
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, folder: Path) -> Self | None:
        """Connect to the shim of a folder; None if there is none."""
        try:
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return None
        try:  # through a descriptor, as the path of a socket has room for 107 bytes only
            streams = await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/control")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        finally:
            os.close(directory)
        return cls(*streams)

    async def states(self) -> AsyncIterator[dict[str, Any]]:
        """Its state, at once and at each change, until it ends."""
        try:
            while line := await self._reader.readline():
                yield json.loads(line)
        except (ConnectionError, ValueError):  # it was killed while it wrote
            return

    async def send(self, wish: Wish) -> None:
        """Send a wish. A shim that has ended meanwhile does not hear it, and its state does not have its id."""
        self._writer.write(json.dumps({"do": wish.do, "by": wish.by, "id": wish.id}).encode() + b"\n")
        try:
            async with asyncio.timeout(2):
                await self._writer.drain()
        except (ConnectionError, TimeoutError):
            return

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def start_shims(
    folders: Sequence[Path], environ: Mapping[str, str], open_files: int | None = None
) -> dict[str, str]:
    """Start a shim for each folder; answers why one did not start, by name, `busy` where another one runs.

    `open_files` is how many files a service may have open, if it raises that itself no further; None: as many as this process.

    Raises:
        MonitorError: none could be started.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(RUN), "" if open_files is None else str(open_files), *map(str, folders),
        cwd="/", env=dict(environ), start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_S):
            said, complained = await process.communicate()
        found = json.loads(said)
    except TimeoutError as error:
        process.kill()
        raise MonitorError(
            "services could not be started in time", hint="try again when the machine is less busy"
        ) from error
    except ValueError as error:
        words = complained.decode("utf-8", "replace").strip().splitlines()
        raise MonitorError(f"services could not be started: {words[-1] if words else 'no reason was given'}") from error
    return {Path(folder).name: str(trouble) for folder, trouble in found.items()}
