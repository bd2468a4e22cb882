"""The open DuckDB file: one connection, one cursor per call, deadlines that cancel, reopening after a fatal error."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from monitor.core.errors import QueryError, StoreDamaged, StoreError, StoreFull, StoreLocked
from monitor.store.duckdb.wal import WalCheck
from monitor.store.interface import Stop

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
_CHECKPOINT: Final = "SET GLOBAL wal_autocheckpoint = '{kib}KB'"
_NEVER_KIB: Final = 1 << 30
_WAL_TIMES: Final = 4
"""While other processes read the file, the log may grow to so many times its usual size."""
_LOCK_DOWN: Final = """
SET temp_directory = '';  -- nothing is spilled: the byte limit is the file's
SET GLOBAL TimeZone = 'UTC';
SET enable_progress_bar = false;
SET allowed_directories = [{folders}];
SET enable_external_access = false;
"""
_MERGES: Final = 2
"""Row groups that one checkpoint joins at most. Each takes some megabytes until all are joined: with the engine's 100, a few million records that came in
odd portions needed more than 512 MB, at every checkpoint anew."""
DRAIN_S: Final = 10.0
PATIENCE_S: Final = 2.0


class Hold:
    """Another process that reads the file; `interrupt` ends it."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self.interrupt = interrupt


class Engine:
    """One DuckDB database.

    Args:
        path: the database file.
        memory_limit_mb: what the engine may hold in memory, MiB.
        wal_bytes: the size of write-ahead log at which its contents move into the file.
        threads: how many cores a query may use.
        folders: where the engine may read and write other files.

    Raises:
        duckdb.Error: it cannot be opened; `translate` tells why.
    """

    def __init__(
        self, path: Path, *, memory_limit_mb: int, wal_bytes: int, threads: int = 2, folders: Sequence[str] = ()
    ) -> None:
        self._folders = ", ".join("'" + folder.replace("'", "''") + "'" for folder in folders)
        self.path = path
        self.wal_path = path.with_name(path.name + ".wal")
        self.wal_unread = 0
        """Bytes at the end of the log that were unreadable at the last opening."""
        self.wal_kept = ""
        """The name of the file with these bytes."""
        self.memory_limit_bytes = memory_limit_mb * 1024 * 1024
        self._wal_kib = wal_bytes // 1024
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": f"{memory_limit_mb}MiB",
            "wal_autocheckpoint": "1TB",  # until the log was checked
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "preserve_insertion_order": True,
            "max_vacuum_tasks": _MERGES,
            "allocator_background_threads": True,  # what a query needed goes back to the system, also while no other follows
        }
        self._readers: set[duckdb.DuckDBPyConnection | Hold] = set()
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
            connection.execute(_LOCK_DOWN.format(folders=self._folders))
            connection.execute(_CHECKPOINT.format(kib=self._wal_kib))
        except duckdb.Error:
            connection.close()
            raise
        if self.wal_unread:
            self.wal_kept = check.keep(datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        return connection

    @contextmanager
    def reader(self, deadline_s: float, stop: Stop | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one call of one thread, interrupted at the deadline or by `stop`.

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

    def hold(self, interrupt: Callable[[], None], *, tidy: bool = True) -> Hold | None:
        """Let another process read the file until `release`: no checkpoint overwrites what it reads. Call it while nobody writes.

        Returns None when that must wait, because the log has become long while others read: see `await_holds`.

        Args:
            interrupt: ends that process.
            tidy: move a long log into the file first.

        Raises:
            duckdb.Error: the engine failed.
        """
        with self._idle:
            others, length = self._holds(), file_size(self.wal_path)
            if others and length > _WAL_TIMES * self._wal_kib * 1024:
                return None
            if tidy and not others and length > self._wal_kib * 1024:
                self._write_back()
            if not others:
                self._set_checkpoint(_NEVER_KIB)
            hold = Hold(interrupt)
            self._readers.add(hold)
            return hold

    def release(self, hold: Hold) -> None:
        """End a hold."""
        with self._idle:
            self._readers.discard(hold)
            if not self._holds():
                self._set_checkpoint(self._wal_kib)
            self._idle.notify_all()

    def await_holds(self, timeout_s: float) -> None:
        """Wait until no other process reads the file."""
        with self._idle:
            self._idle.wait_for(lambda: not self._holds(), timeout=max(0.0, timeout_s))

    def _holds(self) -> bool:
        return any(isinstance(reader, Hold) for reader in self._readers)

    def _set_checkpoint(self, kib: int) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(_CHECKPOINT.format(kib=kib))

    def _write_back(self) -> None:
        """Move the log into the file. Where that is not possible now (no space, readers of older rows), the next call tries again.

        Raises:
            duckdb.Error: the engine must be opened again.
        """
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("CHECKPOINT")
        except (duckdb.FatalException, duckdb.InternalException):
            raise
        except duckdb.Error:
            return

    def reopen(self, prepare: Callable[[], None] | None = None) -> None:
        """Close everything and open the file again after a fatal error. Running queries are interrupted.

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
                    raise StoreError("queries are still running", hint="try again in a moment")
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
        """Exclude readers: new ones wait, running ones may finish, and are interrupted (and repeated) after a while."""
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
        """Whether statements can run: False between a fatal error and `reopen`."""
        try:
            self.connection.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return False
        return True

    def size_bytes(self) -> int:
        """Bytes on disk: the file and its write-ahead log."""
        return file_size(self.path) + file_size(self.wal_path)

    def used_bytes(self) -> int:
        """Bytes in use. Free blocks inside the file are reused before it grows."""
        row = self.connection.execute("SELECT block_size * used_blocks FROM pragma_database_size()").fetchone()
        return (int(row[0]) if row else 0) + file_size(self.wal_path)

    def close(self) -> None:
        """Interrupt running queries, and release the file; idempotent."""
        with self._idle:
            self._blocked = True
            for cursor in self._readers:
                cursor.interrupt()
            self._idle.wait_for(lambda: not self._readers, timeout=DRAIN_S)
        self.connection.close()


def file_size(path: Path) -> int:
    """Size of a file; 0 without one."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def translate(error: duckdb.Error, path: Path) -> StoreError:
    """An engine's error as one with a hint."""
    text = str(error)
    low = text.lower()
    if any(word in low for word in NO_SPACE):
        return StoreFull(
            f"no space is left for {path}",
            hint="free some space, or choose another --data-dir; the agent keeps running",
        )
    if "conflicting lock" in low or "could not set lock" in low:
        return StoreLocked(f"{path} is open in another program: {_line(text)}", pid=None, hint="end that program")
    if any(word in low for word in NOT_WRITABLE):
        return StoreFull(f"{path} is not writable: {_line(text)}", hint="give your user write access to it")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"the store needs more memory than it may use: {_line(text)}", hint="raise `store.memory_limit_mb`"
        )
    if any(word in low for word in CORRUPT):
        return StoreDamaged(
            f"{path} is damaged: {_line(text)}", hint="restart the agent: it sets the file aside and begins a new one"
        )
    return StoreError(f"the store failed: {_line(text)}")


def _too_slow(deadline_s: float) -> QueryError:
    return QueryError(f"the query took longer than {deadline_s:g} s and was stopped", hint="narrow the time range")


def _not_wanted() -> QueryError:
    return QueryError("the query was stopped: nobody waits for its answer", hint="ask again")


def _line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "unknown reason"


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it or nothing."""
    connection.begin()
    try:
        yield
        connection.commit()
    except duckdb.Error:
        with suppress(duckdb.Error):  # it may be over already; the first error is the one to tell
            connection.rollback()
        raise
