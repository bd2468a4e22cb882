"""The open DuckDB file: one connection, a cursor a call, deadlines that cancel, reopening after a fatal error."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from monitor.errors import QueryError, StoreDamaged, StoreError, StoreFull, StoreLocked
from monitor.store.stop import Stop
from monitor.store.wal import WalCheck

NO_SPACE: Final = ("no space left", "disk quota", "file too large", "out of disk", "could not allocate space")
NOT_WRITABLE: Final = ("read-only file system", "permission denied", "operation not permitted", "read-only mode")
CORRUPT: Final = (
    "corrupt",
    "checksum",
    "not a valid duckdb",
    "failed to deserialize",
    "serialization error",
    "failed to load metadata",
    "could not read enough bytes",
    "magic bytes",
    "failure while replaying wal",
)
_LOCK_DOWN: Final = """
SET wal_autocheckpoint = '{wal_kib}KB';
SET temp_directory = '';  -- nothing is spilled: the byte limit is the file's
SET GLOBAL TimeZone = 'UTC';
SET enable_external_access = false;
SET lock_configuration = true;
"""
DRAIN_S: Final = 10.0
PATIENCE_S: Final = 2.0


class Engine:
    """One DuckDB database.

    Args:
        path: the database file.
        memory_limit_mb: what the engine may hold in memory.
        wal_bytes: the size of write-ahead log at which its contents move into the file.
        threads: how many cores a query may use.

    Raises:
        duckdb.Error: it cannot be opened; `translate` tells why.
    """

    def __init__(self, path: Path, *, memory_limit_mb: int, wal_bytes: int, threads: int = 2) -> None:
        self.path = path
        self.wal_path = path.with_name(path.name + ".wal")
        self.wal_unread = 0
        """Bytes at the end of the log that could not be read at the last opening."""
        self.wal_kept = ""
        """The name of the file that keeps them."""
        self.memory_limit_bytes = memory_limit_mb * 1_000_000
        self._wal_kib = wal_bytes // 1024
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": f"{memory_limit_mb}MB",
            "wal_autocheckpoint": "1TB",  # until the log was checked
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "preserve_insertion_order": True,
        }
        self._readers: set[duckdb.DuckDBPyConnection] = set()
        self._idle = threading.Condition()
        self._blocked = False
        self.connection = self._connect()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        check = WalCheck(self.wal_path)
        try:
            return self._connect_checked(check)
        finally:
            check.forget()

    def _connect_checked(self, check: WalCheck) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.path), config=self._config)
        try:
            self.wal_unread = check.unread(connection)
            connection.execute(_LOCK_DOWN.format(wal_kib=self._wal_kib))
        except duckdb.Error:
            connection.close()
            raise
        if self.wal_unread:
            self.wal_kept = check.keep(datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        return connection

    @contextmanager
    def reader(self, deadline_s: float, stop: Stop | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one call of one thread, interrupted when the deadline passes or `stop` is said.

        Raises:
            QueryError: the deadline passed, or the answer is not wanted any more.
        """
        stop = stop or Stop()
        if stop.said:
            raise _not_wanted()
        with self._idle:
            if not self._idle.wait_for(lambda: not self._blocked, timeout=deadline_s):
                raise _too_slow(deadline_s)
            cursor = self.connection.cursor()
            self._readers.add(cursor)
        passed = threading.Event()

        def interrupt() -> None:
            passed.set()
            cursor.interrupt()

        timer = threading.Timer(deadline_s, interrupt)
        timer.daemon = True
        timer.start()
        try:
            with stop.ends(cursor.interrupt):
                yield cursor
        except duckdb.InterruptException as error:
            if stop.said:
                raise _not_wanted() from error
            if passed.is_set():
                raise _too_slow(deadline_s) from error
            raise
        finally:
            timer.cancel()
            timer.join()  # else it could interrupt after the cursor is closed
            cursor.close()
            with self._idle:
                self._readers.discard(cursor)
                self._idle.notify_all()

    def reopen(self, prepare: Callable[[], None] | None = None) -> None:
        """Close everything and open the file again: what a fatal error asks for. Running queries are interrupted.

        Args:
            prepare: run while nothing is open.

        Raises:
            StoreError: the file cannot be opened now; the next call tries again.
        """
        with self._idle:
            self._blocked = True
            try:
                for cursor in self._readers:
                    cursor.interrupt()
                if not self._idle.wait_for(lambda: not self._readers, timeout=DRAIN_S):
                    raise StoreError("Queries are still running.", hint="Try again in a moment.")
                try:
                    self.connection.close()
                except duckdb.Error as error:  # an invalidated database refuses its last checkpoint; the log holds it
                    if not isinstance(error, duckdb.FatalException | duckdb.IOException | duckdb.InternalException):
                        raise translate(error, self.path) from error
                if prepare is not None:
                    prepare()
                try:
                    self.connection = self._connect()
                except duckdb.Error as error:
                    raise translate(error, self.path) from error
            finally:
                self._blocked = False
                self._idle.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No reader in between: new ones wait, those that run may end, and are interrupted after a while (and run again)."""
        with self._idle:
            self._blocked = True
            if not self._idle.wait_for(lambda: not self._readers, timeout=PATIENCE_S):
                for cursor in self._readers:
                    cursor.interrupt()
                self._idle.wait_for(lambda: not self._readers, timeout=DRAIN_S)
        try:
            yield
        finally:
            with self._idle:
                self._blocked = False
                self._idle.notify_all()

    def alive(self) -> bool:
        """Whether statements can run: false after a fatal error, until `reopen`."""
        try:
            self.connection.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return False
        return True

    def size_bytes(self) -> int:
        """Bytes on disk: the file and its write-ahead log."""
        return file_size(self.path) + file_size(self.wal_path)

    def used_bytes(self) -> int:
        """Bytes that hold something: free blocks inside the file are reused before it grows."""
        row = self.connection.execute("SELECT block_size * used_blocks FROM pragma_database_size()").fetchone()
        return (int(row[0]) if row else 0) + file_size(self.wal_path)

    def close(self) -> None:
        """Interrupt what runs, and release the file; idempotent."""
        with self._idle:
            self._blocked = True
            for cursor in self._readers:
                cursor.interrupt()
            self._idle.wait_for(lambda: not self._readers, timeout=DRAIN_S)
        self.connection.close()


def file_size(path: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def translate(error: duckdb.Error, path: Path) -> StoreError:
    """What an engine's error means to a person."""
    text = str(error)
    low = text.lower()
    if any(word in low for word in NO_SPACE):
        return StoreFull(
            f"No space is left for {path}.", hint="Free some space, or choose another --data-dir; the watch goes on."
        )
    if "conflicting lock" in low or "could not set lock" in low:
        return StoreLocked(f"{path} is open in another program: {_line(text)}", pid=None, hint="End that program.")
    if any(word in low for word in NOT_WRITABLE):
        return StoreFull(f"{path} is not writable: {_line(text)}", hint="Give your user write access to it.")
    if any(word in low for word in CORRUPT):
        return StoreDamaged(
            f"{path} is damaged: {_line(text)}", hint="Restart the agent: it sets the file aside and begins a new one."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"The store needs more memory than it may use: {_line(text)}", hint="Raise `store.memory_limit_mb`."
        )
    return StoreError(f"The store failed: {_line(text)}")


def wrong_query(error: duckdb.Error) -> QueryError:
    """A query's own fault, in the engine's words."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("The query needs more memory than the store may use.", hint="Ask for less at a time.")
    return QueryError(f"The query is wrong: {str(error).strip()}", hint="Correct the SQL.")


def _too_slow(deadline_s: float) -> QueryError:
    return QueryError(f"The query took longer than {deadline_s:g} s and was stopped.", hint="Narrow the time range.")


def _not_wanted() -> QueryError:
    return QueryError("The query was stopped: nobody waits for its answer.", hint="Ask again.")


def _line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "unknown reason"
