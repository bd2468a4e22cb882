"""Whether the write-ahead log was read to its end.

DuckDB takes an unreadable entry for the end of the log and drops the rest without a word. That is right for a write that a crash cut off,
and silent loss for a damaged file; so the log is copied before it is read, and the copy kept when its end was not reached.
"""

import contextlib
import errno
import glob
import shutil
from pathlib import Path

import duckdb

_HAS_META = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'meta'"
MOST_KEPT = 10
"""Maximum number of copies beside the store. The oldest is deleted, so that repeated failures do not fill the disk."""
_TOUCH = "UPDATE meta SET functions = reverse(functions)"  # twice is none; once would only have them written again


class WalCheck:
    """Covers one opening. Create it before the engine opens the file, with automatic checkpoints off, and call `unread` after.

    Args:
        wal: the write-ahead log, which need not exist.
    """

    def __init__(self, wal: Path) -> None:
        self._wal = wal
        self._copy = wal.with_name(wal.name + ".before")
        self._size = _size(wal)
        self._copied = False
        if self._size:
            try:
                shutil.copyfile(wal, self._copy)
                self._copied = True
            except OSError as error:
                self._copy.unlink(missing_ok=True)
                if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                    raise

    def unread(self, connection: duckdb.DuckDBPyConnection) -> int:
        """The number of bytes at the end of the log that were dropped. Two equal small writes show where the engine continues."""
        if not self._size:
            return 0
        try:
            row = connection.execute(_HAS_META).fetchone()
            if row is None or not row[0]:
                return 0
            connection.execute(_TOUCH)
            first = _size(self._wal)
            connection.execute(_TOUCH)
            entry = _size(self._wal) - first
        except duckdb.IOException:  # a full disk: nothing can be told, and nothing is lost by that
            return 0
        return max(self._size - (first - entry), 0) if entry > 0 else 0

    def keep(self, stamp: str) -> str:
        """Keep the copy as evidence; returns its name, or an empty text without space for it."""
        if not self._copied:
            return ""
        name = f"{self._wal.name}.damaged-{stamp}"
        self._copied = False
        kept = self._copy.rename(self._wal.with_name(name))
        for old in sorted(self._wal.parent.glob(f"{glob.escape(self._wal.name)}.damaged-*"))[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
        return kept.name

    def forget(self) -> None:
        """Remove the copy."""
        with contextlib.suppress(FileNotFoundError):
            self._copy.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
