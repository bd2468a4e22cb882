"""Reads a database file while another process has it open for writing.

The engine locks its file for one process. This process reads it through a file system of its own, which takes no lock. That is safe
only while the writer overwrites no block of its last checkpoint: see `DuckStore.held_still`.
"""

import importlib
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import duckdb

SCHEME: Final = "live"


class LiveFile:
    """One open file. The engine's threads share it, so each has a position of its own.

    Args:
        files: the file system it belongs to.
        path: the file.
    """

    def __init__(self, files: "LiveFiles", path: str) -> None:
        self.fs = files
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the engine closes it
        self._positions: dict[int, int] = {}

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Move this thread's position."""
        if whence == os.SEEK_CUR:
            position += self.tell()
        elif whence == os.SEEK_END:
            position += os.fstat(self._file.fileno()).st_size
        self._positions[threading.get_ident()] = position
        return position

    def tell(self) -> int:
        """This thread's position."""
        return self._positions.get(threading.get_ident(), 0)

    def read(self, size: int) -> bytes:
        """Bytes from this thread's position on."""
        at = self.tell()
        data = os.pread(self._file.fileno(), size, at)
        self._positions[threading.get_ident()] = at + len(data)
        return data

    def close(self) -> None:
        """Close it."""
        self._file.close()


class LiveFiles:
    """The file system: the database and its write-ahead logs, and nothing else.

    Args:
        path: the database file.
    """

    protocol = SCHEME

    def __init__(self, path: str) -> None:
        self._database = path

    def open(self, url: str, mode: str = "rb", **_: Any) -> LiveFile:
        """The open file.

        Raises:
            PermissionError: it is not the database, or is to be written.
        """
        if mode != "rb":
            raise PermissionError("the database is only read")
        return LiveFile(self, self._path(url))

    def exists(self, url: str) -> bool:
        """Whether it is there."""
        return Path(self._path(url)).exists()

    def isfile(self, url: str) -> bool:
        """Whether it is there."""
        return self.exists(url)

    def isdir(self, _url: str) -> bool:
        """No."""
        return False

    def size(self, url: str) -> int:
        """In bytes."""
        return Path(self._path(url)).stat().st_size

    def modified(self, url: str) -> float:
        """Time of the last change, seconds since the epoch."""
        return Path(self._path(url)).stat().st_mtime

    def glob(self, url: str) -> list[str]:
        """The file itself."""
        return [url] if self.exists(url) else []

    def _path(self, url: str) -> str:
        path = url.removeprefix(f"{SCHEME}://")
        if path != self._database and not path.startswith(f"{self._database}."):  # its logs
            raise PermissionError("only the database can be read")
        return path


def attach(connection: duckdb.DuckDBPyConnection, path: str, name: str) -> None:
    """Open the database file `path` as the database `name`, read-only, and use it.

    Raises:
        duckdb.Error: it cannot be read.
    """
    files = _recognized(LiveFiles)(path)
    connection.register_filesystem(files)
    quoted, alias = path.replace("'", "''"), name.replace('"', '""')
    connection.execute(f"ATTACH '{SCHEME}://{quoted}' AS \"{alias}\" (READ_ONLY)")
    connection.execute(f'USE "{alias}"')


def _recognized(kind: type[LiveFiles]) -> type[LiveFiles]:
    """`kind` as a file system that the engine accepts: it asks for a class of the package fsspec, of which it uses only the name."""
    try:
        package = importlib.import_module("fsspec")
    except ModuleNotFoundError:
        package = sys.modules["fsspec"] = ModuleType("fsspec")
        package.AbstractFileSystem = type("AbstractFileSystem", (), {})  # type: ignore[attr-defined] # made here
    return type(kind.__name__, (kind, package.AbstractFileSystem), {})
