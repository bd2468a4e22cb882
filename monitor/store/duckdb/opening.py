"""Opens a store in any state: new, old, newer, damaged, read-only, full."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from monitor.core.errors import StoreDamaged, StoreError, StoreFull, StoreTooNew
from monitor.core.paths import own_uid
from monitor.store.duckdb.engine import Engine, file_size, translate
from monitor.store.duckdb.log_archive import FOLDER, LogArchive, as_pattern
from monitor.store.duckdb.log_blocks import ROWS
from monitor.store.duckdb.migrate import SCHEMA, migrate
from monitor.store.duckdb.retention import LEAST_LIMIT, Ages, Retention
from monitor.store.duckdb.rollup import Rollups
from monitor.store.duckdb.sql_templates import own_statements
from monitor.store.duckdb.store import DuckStore
from monitor.store.interface import ArchiveRule, Store

FILE_NAME: Final = "watchkeeper.duckdb"
_MIB: Final = 1024 * 1024
_RETRY: Final = (
    "mount or repair what it is on and start again, or move it away to begin a new store; it was not touched"
)
_ODD_SIGNS: Final = {"?": "question mark", **({"\\": "backslash"} if os.sep == "/" else {})}
"""The engine takes what follows the one for options, the other for a slash: it would look for its files elsewhere."""
_PASSING: Final = tuple(
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR", "EBUSY", "EIO", "ETIMEDOUT", "ENOENT", "ENOTDIR", "EISDIR"),
        *("ENXIO", "ENODEV", "ELOOP", "ESTALE", "ENOTCONN", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENOLINK"),
    )
    if hasattr(errno, name)
)
"""What the system says of a file that may be whole: the disk, the network or this process cannot reach it now."""
_DAMAGE: Final = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
"""What the engine raises on a damaged file."""


def open_store(
    data_dir: Path,
    *,
    limit_bytes: int,
    now: Callable[[], int],
    memory_limit_mb: int = 512,
    raw_days: float = 7,
    log_days: float = 30,
    app_version: str = "",
    schema: Path = SCHEMA,
    block_rows: int = ROWS,
    archive: ArchiveRule | None = None,
) -> Store:
    """Open the store of a data directory, or create one. The caller holds the `DataDirLock`.

    A file that cannot be read is set aside beside it (`…damaged-<UTC time>`), never deleted, and told in `info().notices`.

    Args:
        data_dir: the data directory; made when it does not exist.
        limit_bytes: the most that the store's files may take.
        now: the clock, µs since the epoch.
        memory_limit_mb: what the engine may hold in memory.
        raw_days: how long samples are kept as they came.
        log_days: how long log records are kept.
        app_version: of the program, written into the store.
        schema: the folder of the migrations.
        block_rows: log records that share a filter for searches.
        archive: what becomes of older log records; None: they are dropped.

    Raises:
        StoreError: the path cannot be one of a store.
        StoreFull: there is no space, or the directory is not writable.
        StoreLocked: another program has the file open.
        StoreTooNew: a newer Watchkeeper wrote it; it was not touched.
    """
    path = data_dir / FILE_NAME
    _check_writable(data_dir, path)
    _close_to_others(path)
    limit = max(limit_bytes, LEAST_LIMIT)
    notices: list[str] = []

    def begin() -> Engine:
        return _open(
            path, memory_limit_mb, limit, app_version=app_version, now_us=now(), schema=schema, notices=notices
        )

    try:
        engine = begin()
    except StoreDamaged as damage:
        engine = _recover(path, damage, begin, now(), notices)
    statements = own_statements()
    kept = LogArchive(data_dir / FOLDER, archive or ArchiveRule())
    try:
        notices += kept.begin(engine)
    except (duckdb.Error, OSError) as error:
        notices.append(f"The archive of log records could not be checked: {error}")
    return DuckStore(
        engine,
        statements=statements,
        retention=Retention(limit_bytes=limit, ages=Ages(raw_days=raw_days, log_days=log_days), archive=kept),
        archive=kept,
        rollups=Rollups(statements),
        notices=notices,
        now=now,
        block_rows=block_rows,
    )


def _close_to_others(path: Path) -> None:
    """Files that an earlier version made could be read by everybody who got into the directory."""
    for file in (path, path.with_name(f"{path.name}.wal")):
        with suppress(FileNotFoundError):
            if file.stat().st_uid == own_uid():
                file.chmod(0o600)


def _open(
    path: Path, memory_limit_mb: int, limit: int, *, app_version: str, now_us: int, schema: Path, notices: list[str]
) -> Engine:
    fresh = file_size(path) == 0
    try:
        engine = Engine(
            path,
            memory_limit_mb=memory_limit_mb,
            wal_bytes=min(max(limit // 32, _MIB), 16 * _MIB),
            folders=[str(path.parent / FOLDER), as_pattern(path.parent / FOLDER)],
        )
    except duckdb.Error as error:
        raise _meaning(error, path) from error
    try:
        _check_whole(engine)
        done = migrate(engine.connection, app_version=app_version, now_us=now_us, folder=schema)
    except duckdb.Error as error:
        engine.connection.close()
        raise _meaning(error, path) from error
    except StoreError:
        engine.connection.close()
        raise
    if engine.wal_unread:
        where = f"; they are kept in {engine.wal_kept}" if engine.wal_kept else ""
        notices.append(
            f"The last {engine.wal_unread} bytes of the store's log could not be read (a write cut off, or damage){where}."
        )
    if done and not fresh:
        notices.append(f"The store was brought to schema version {done[-1].version}.")
    return engine


def _recover(path: Path, damage: StoreDamaged, begin: Callable[[], Engine], now_us: int, notices: list[str]) -> Engine:
    """Recover a damaged store: first without the write-ahead log, else with a new file."""
    stamp = datetime.fromtimestamp(now_us / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    wal = path.with_name(path.name + ".wal")
    if wal.exists():
        kept = _set_aside(wal, f"{wal.name}.damaged-{stamp}")
        try:
            engine = begin()
        except StoreDamaged:
            kept.rename(wal)
        else:
            notices.append(
                f"The newest changes could not be read and were set aside as {kept.name}; all before them is here."
            )
            return engine
    name = f"{path.name}.damaged-{stamp}"
    kept = _set_aside(path, name)
    if wal.exists():
        _set_aside(wal, f"{kept.name}.wal")
    notices.append(
        f"The store could not be read and was set aside as {kept.name}; a new one was begun. ({damage.message})"
    )
    return begin()


def _set_aside(path: Path, name: str) -> Path:
    target = path.with_name(name)
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{name}-{number}")
    return path.rename(target)


def _check_writable(data_dir: Path, path: Path) -> None:
    for sign, name in _ODD_SIGNS.items():
        if sign in str(path.absolute()):
            raise StoreError(
                f"the store cannot be kept in {data_dir}: its path has a {name}",
                hint="choose another --data-dir",
            )
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = data_dir / f".writable-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFull(
                f"no space is left for {data_dir}", hint="free some space, or choose another --data-dir"
            ) from error
        raise StoreFull(
            f"{data_dir} is not writable: {error.strerror}",
            hint="give your user write access to it, or choose another --data-dir",
        ) from error
    if path.is_symlink() and not path.exists():
        raise StoreError(f"{path} is a link to {path.readlink()}, which is not there", hint=_RETRY)
    try:
        if path.exists():
            os.close(os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0)))
    except OSError as error:
        if error.errno in _PASSING:
            raise StoreError(f"{path} cannot be opened: {error.strerror}", hint=_RETRY) from error
        raise StoreFull(
            f"{path} is not writable: {error.strerror}",
            hint="give your user write access to it, or choose another --data-dir",
        ) from error


def _check_whole(engine: Engine) -> None:
    """Detect a truncated file: it is smaller than its used blocks. Only then is all of it read to be sure.

    Raises:
        StoreDamaged: a part cannot be read.
    """
    connection = engine.connection
    row = connection.execute("SELECT block_size * used_blocks FROM pragma_database_size()").fetchone()
    if row is None or int(row[0]) <= file_size(engine.path):
        return
    for (table,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall():
        try:
            connection.execute(f'SELECT bit_xor(hash(COLUMNS(*))) FROM "{table}"').fetchall()  # noqa: S608 - a name from the catalogue
        except duckdb.Error as error:
            raise StoreDamaged(f"{engine.path} is shorter than what it holds") from error


def _meaning(error: duckdb.Error, path: Path) -> StoreError:
    """Why a file did not open."""
    text = str(error)
    if "newer" in text.lower() and "version" in text.lower():
        return StoreTooNew(
            f"{path} was written by a newer database engine",
            hint="install the newer Watchkeeper again, or choose another --data-dir; the file was not touched",
        )
    reason = next((os.strerror(code) for code in _PASSING if os.strerror(code).lower() in text.lower()), "")
    if reason and isinstance(error, duckdb.IOException):
        return StoreError(f"{path} cannot be read now: {reason}", hint=_RETRY)
    if isinstance(error, duckdb.CatalogException):
        return StoreError(
            f"{path} lacks a part of a store: {text.strip().splitlines()[0]}",
            hint="Another program changed it. Move it away to begin a new store, or choose another --data-dir; it was not touched.",
        )
    meant = translate(error, path)
    if type(meant) is StoreError and isinstance(error, _DAMAGE):
        return StoreDamaged(f"{path} cannot be read: {text.strip().splitlines()[0]}")
    return meant
