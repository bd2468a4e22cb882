"""Older log records as compressed Parquet files, which searches read like the store's own rows.

A record moves in two steps: its file is written, checked and put in place; then one transaction deletes the rows and names the file in `log_archive`. Before that
transaction the file counts for nothing, after it the rows are gone. So a process that is killed at any moment leaves each record in one of the two places: a file
that no row names is deleted at the next start. To drop a file, its row goes first.

Beside a file lies its filter (`logs.index.grams`), made when there is time: a search passes over files that certainly do not have what it looks for. One that is
missing, damaged or of another scheme costs time, and changes no answer.
"""

import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from logs.index.grams import SCHEME, Test
from monitor.api_models.status import ArchiveStatus
from monitor.store.duckdb.engine import Engine, translate
from monitor.store.duckdb.log_blocks import filter_of_rows, searched
from monitor.store.duckdb.log_filters import checksum
from monitor.store.interface import ArchiveRule
from monitor.store.log_conditions import Sql
from monitor.store.tiers import DAY, MINUTE

log = logging.getLogger("watchkeeper.store")
FOLDER: Final = "log-archive"
ROW_GROUP: Final = 122_880
MOST_ROWS: Final = 400_000
"""A file ends with the minute in which it has so many records: writing them takes about a second, in which nothing else is written."""
LEAST_ROWS: Final = 256
"""Days with fewer records share a file."""
_NAME = re.compile(r"\d{4}-\d\d-\d\d-([0-9a-f]{12})-\d{6,}\.parquet")
_GLOB = re.compile(r"([*?\[])")
_TABLE: Final = "log_records"
_SUMS: Final = "count(*), bit_xor(hash(file_id, pos, ts, message))"


@dataclass(frozen=True, slots=True)
class Archived:
    """What a query reads: the table of all records of its range, and how many files of the archive are part of it."""

    table: Sql
    files: int


class LogArchive:
    """The archive of a store. Its writer alone moves records; any thread may read.

    Args:
        folder: of the files. The engine must be allowed to use it.
        rule: what is kept.
    """

    def __init__(self, folder: Path, rule: ArchiveRule) -> None:
        self.rule = rule
        self.trouble = ""
        """Why records could not be archived the last time; empty if they could."""
        self._folder = folder
        self._begun = False
        self._any = threading.Event()
        """Whether a row of the table may name a file."""
        self._any.set()
        self._unfiltered = True
        self._unreadable: set[str] = set()

    # --- the writer's

    def begin(self, engine: Engine) -> list[str]:
        """Bring files and table to the same state, once; returns what a person should know.

        Raises:
            duckdb.Error: the engine failed.
            OSError: the folder cannot be used.
        """
        if self._begun:
            return []
        connection, notices = engine.connection, []
        try:  # a look into the list of tables takes 8 ms of each start
            listed = connection.execute("SELECT name, records FROM log_archive").fetchall()
        except duckdb.CatalogException:
            self._any.clear()  # a store of an older schema
            return []
        there = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set()
        named = {str(name): int(rows) for name, rows in listed}
        key = self._key(connection)
        for name, rows in named.items():
            if name not in there or self._rows(connection, name) != rows:
                connection.execute("DELETE FROM log_archive WHERE name = $name", {"name": name})
                notices.append(f"The archive lost {rows} log records: {self._folder / name} is missing or damaged.")
                if name in there:
                    (self._folder / name).rename(self._folder / f"{name}.damaged")
        for name in sorted(there - named.keys()):
            match = _NAME.fullmatch(name)
            if match and match[1] != key and self._rows(connection, name) is not None:
                self._enter(connection, name)
                notices.append(f"The archive of an earlier store goes on: {name}.")
            elif match or name.endswith(".part"):
                (self._folder / name).unlink()
        self._drop_lone_filters()
        self._note_any(connection)
        self._begun = True
        return notices

    def put_away(self, engine: Engine, which: str) -> int:
        """Move some of the records that satisfy `which` (SQL with our own values) to a file; returns their number, 0 if there are none or they cannot be moved.

        Raises:
            duckdb.Error: the store itself failed.
        """
        try:
            for notice in self.begin(engine):
                log.warning("%s", notice)
            count = self._put_away(engine.connection, which)
        except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
            self._begun = False
            self.trouble = (
                translate(error, self._folder).message
                if isinstance(error, duckdb.Error)
                else f"{self._folder}: {error.strerror}"
            )
            log.warning("older log records stay in the store, because they cannot be archived: %s", self.trouble)
            return 0
        except duckdb.Error:
            self._begun = False
            raise
        self.trouble = ""
        return count

    def _put_away(self, connection: duckdb.DuckDBPyConnection, which: str) -> int:
        piece = _piece(connection, which)
        if piece is None:
            return 0
        begin, end, rows = piece
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / self._new_name(connection, begin)
        part = path.with_name(f"{path.name}.part")
        chosen = f"FROM {_TABLE} WHERE ({which}) AND ts >= make_timestamp({begin}) AND ts < make_timestamp({end})"
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
        try:
            connection.execute(f"COPY (SELECT * EXCLUDE (block) {chosen}) TO {_quoted(part)} ({options})")
            wanted = connection.execute(f"SELECT {_SUMS} {chosen}").fetchone()
            written = connection.execute(f"SELECT {_SUMS} FROM {_read([part])}").fetchone()  # noqa: S608 - our own names
            _expect(
                written == wanted and wanted is not None and wanted[0] == rows,
                "what was written reads back differently",
            )
            _make_lasting(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        self._any.set()  # before the rows are gone: a query that no longer sees them looks here
        connection.begin()
        try:
            gone = connection.execute(f"DELETE {chosen}").fetchone()
            _expect(gone is not None and gone[0] == rows, "other records would be deleted than were written")
            self._enter(connection, path.name)
            connection.commit()
        except BaseException:
            with suppress(duckdb.Error):
                connection.rollback()
            raise
        self._unfiltered = True
        return rows

    @property
    def lacks_filters(self) -> bool:
        """Whether a file may be without its filter."""
        return self._unfiltered and self._any.is_set()

    def make_filter(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Make the filter of the newest file that has none.

        Raises:
            duckdb.Error: the engine failed, or was interrupted.
        """
        names = cursor.execute("SELECT name FROM log_archive ORDER BY first_ts DESC").fetchall()
        paths = [self._folder / name for (name,) in names if name not in self._unreadable]
        path = next((path for path in paths if _filter_beside(path) is None), None)
        if path is None:
            self._unfiltered = False
            return
        try:
            bits = filter_of_rows(cursor.sql(searched(_read([path]))))
            _expect(bits is not None, "it has no records")
            bits = bits or b""
            part = path.with_suffix(".filter.part")
            part.write_bytes(_head(bits) + bits)
            part.rename(path.with_suffix(".filter"))
        except (OSError, duckdb.IOException) as error:
            self._unreadable.add(path.name)
            log.warning("%s has no filter, so searches read all of it: %s", path, error)

    def trim(self, engine: Engine, now: int | None) -> int:
        """Drop the oldest files beyond the limits; returns how many records they held.

        Args:
            engine: the store.
            now: µs since the epoch; None while the clock is not known to be right: then nothing is dropped by age.

        Raises:
            duckdb.Error: the engine failed.
        """
        if not self._any.is_set():
            return 0
        sql = "SELECT name, records, bytes, epoch_us(last_ts) FROM log_archive ORDER BY last_ts, name"
        files = engine.connection.execute(sql).fetchall()
        total, gone = sum(int(size) for _, _, size, _ in files), []
        expired = None if now is None else now - int(self.rule.days * DAY)
        for name, rows, size, last in files:
            if total <= self.rule.limit_bytes and (expired is None or last >= expired):
                continue
            total -= int(size)
            gone.append((str(name), int(rows)))
        if not gone:
            return 0
        engine.connection.execute(
            "DELETE FROM log_archive WHERE list_contains($names, name)", {"names": [name for name, _ in gone]}
        )
        self._note_any(engine.connection)
        with engine.exclusive():  # a running query may still read them
            for name, _ in gone:
                (self._folder / name).unlink(missing_ok=True)
                (self._folder / name).with_suffix(".filter").unlink(missing_ok=True)
        return sum(rows for _, rows in gone)

    # --- any thread's

    def of_range(
        self, cursor: duckdb.DuckDBPyConnection, since: int | None, until: int | None, test: Test | None = None
    ) -> Archived | None:
        """The records of a range of time (µs; None: open), as the transaction of `cursor` sees them; None where the store has them all. `test` says
        which filters may have what is looked for.

        Raises:
            duckdb.Error: the engine failed.
        """
        if not self._any.is_set():
            return None
        sql = "SELECT name FROM log_archive WHERE TRUE"
        sql += "" if since is None else f" AND last_ts >= make_timestamp({int(since)})"
        sql += "" if until is None else f" AND first_ts < make_timestamp({int(until)})"
        paths = [self._folder / name for (name,) in cursor.execute(f"{sql} ORDER BY first_ts, name").fetchall()]
        there = [path for path in paths if path.exists()]
        if not there:
            return None
        chosen = [path for path in there if test is None or (bits := _filter_beside(path)) is None or test(bits)]
        if not chosen:
            return Archived(Sql(_TABLE), len(there))
        archived = f"SELECT *, CAST(0 AS BIGINT) AS block FROM {_read(chosen)}"  # noqa: S608 - our own names
        return Archived(Sql(f"(SELECT * FROM {_TABLE} UNION ALL BY NAME {archived})"), len(there))  # noqa: S608 - as above

    def info(self, cursor: duckdb.DuckDBPyConnection) -> ArchiveStatus:
        """Size and range.

        Raises:
            duckdb.Error: the engine failed.
        """
        if not self._any.is_set():
            return ArchiveStatus(kept=self.rule.keep, limit_bytes=self.rule.limit_bytes, trouble=self.trouble)
        sql = "SELECT count(*), sum(records), sum(bytes), epoch_us(min(first_ts)), epoch_us(max(last_ts)) FROM log_archive"
        files, records, size, first, last = cursor.execute(sql).fetchone() or (0, 0, 0, None, None)
        return ArchiveStatus(
            kept=self.rule.keep, files=int(files), records=int(records or 0), size_bytes=int(size or 0),
            limit_bytes=self.rule.limit_bytes, first_ts=first, last_ts=last, trouble=self.trouble,
        )  # fmt: skip

    # --- files and rows

    def _drop_lone_filters(self) -> None:
        for beside in self._folder.glob("*.filter"):
            if not beside.with_suffix(".parquet").exists():
                beside.unlink()

    def _key(self, connection: duckdb.DuckDBPyConnection) -> str:
        row = connection.execute("SELECT key FROM log_archive_key").fetchone()
        return str(row[0]) if row else ""

    def _new_name(self, connection: duckdb.DuckDBPyConnection, begin: int) -> str:
        day = (
            datetime.fromtimestamp(begin // 1_000_000, UTC).strftime("%Y-%m-%d")
            if 0 <= begin < _LAST_DAY
            else "0000-00-00"
        )
        row = connection.execute(
            "SELECT max(CAST(regexp_extract(name, '-(\\d+)[.]parquet$', 1) AS BIGINT)) FROM log_archive"
        ).fetchone()
        number = int(row[0]) + 1 if row and row[0] is not None else 1
        return f"{day}-{self._key(connection)}-{number:06d}.parquet"

    def _rows(self, connection: duckdb.DuckDBPyConnection, name: str) -> int | None:
        """How many rows a file says it has; None if it cannot be read."""
        try:
            row = connection.execute(f"SELECT count(*) FROM {_read([self._folder / name])}").fetchone()  # noqa: S608 - our own names
        except duckdb.Error:
            return None
        return int(row[0]) if row else None

    def _enter(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        path = self._folder / name
        connection.execute(
            f"INSERT INTO log_archive SELECT $name, min(ts), max(ts), count(*), $size FROM {_read([path])}",  # noqa: S608 - our own names
            {"name": name, "size": path.stat().st_size},
        )

    def _note_any(self, connection: duckdb.DuckDBPyConnection) -> None:
        if connection.execute("SELECT 1 FROM log_archive LIMIT 1").fetchone() is None:
            self._any.clear()
        else:
            self._any.set()


_LAST_DAY: Final = 253_402_300_800_000_000


def _piece(connection: duckdb.DuckDBPyConnection, which: str) -> tuple[int, int, int] | None:
    """A range of time that begins with the oldest of these records, in µs, and how many it has: of about a day, and not too many at once."""
    sql = f"SELECT epoch_us(date_trunc('minute', ts)) AS minute, count(*) FROM {_TABLE} WHERE {which} GROUP BY minute ORDER BY minute"  # noqa: S608 - our own names
    begin: int | None = None
    end = rows = 0
    for at, count in connection.execute(sql).fetchall():
        if begin is None:
            begin = at
        elif rows + count > MOST_ROWS or (rows >= LEAST_ROWS and at // DAY != begin // DAY):
            break
        end, rows = at + MINUTE, rows + int(count)
    return None if begin is None else (begin, end, rows)


def _filter_beside(path: Path) -> bytes | None:
    """The filter of a file; None where there is none to be believed."""
    try:
        found = path.with_suffix(".filter").read_bytes()
    except OSError:
        return None
    bits = found[8:]
    return bits if bits and found[:8] == _head(bits) else None


def _head(bits: bytes) -> bytes:
    return SCHEME.to_bytes(4, "little") + checksum(bits).to_bytes(4, "little")


def _read(paths: Sequence[Path]) -> str:
    """Files as a table."""
    return f"read_parquet([{', '.join(_literal(paths))}], union_by_name = true)"


def _literal(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield _quoted(as_pattern(path))


def as_pattern(path: Path) -> str:
    """A path as a pattern that only it matches: the engine takes what it reads for patterns, and must be allowed to use these too."""
    return _GLOB.sub(r"[\1]", str(path))


def _expect(so: bool, otherwise: str) -> None:  # noqa: FBT001 - a condition
    if not so:
        raise OSError(0, otherwise)


def _quoted(text: str | Path) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _make_lasting(part: Path, path: Path) -> None:
    """Give a file its name, so that neither is lost when the machine stops."""
    part.chmod(0o600)
    _flush(part)
    part.rename(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
