"""The store on DuckDB: one file, one writer, many readers."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import duckdb
import pyarrow as pa

from monitor.errors import QueryError, StoreDamaged, StoreError, StoreFull
from monitor.store.changes import apply, forget, table_columns
from monitor.store.engine import Engine, translate, wrong_query
from monitor.store.guard import check_reading
from monitor.store.interface import Change, ParamValue, StoreInfo
from monitor.store.memory_watch import MemoryWatch
from monitor.store.migrate import schema_version
from monitor.store.retention import Ages, Retention
from monitor.store.rollup import Rollups
from monitor.store.settle import Settling
from monitor.store.sizes import check_sizes
from monitor.store.statements import Statements
from monitor.store.stop import Stop

T = TypeVar("T")

STORED: Final = "COMMIT succeeded and is durable"
"""What the engine says when the rows are in its log and only moving the log into the file failed: they are written, and must not come a second time."""
MOST_BYTES: Final = 128_000_000
"""What one answer to a person's own SQL may take: a single value can be made as long as one likes."""


class DuckStore:
    """A `Store` (see `monitor.store.interface`) on one DuckDB file. `open_store` makes it.

    Args:
        engine: the open, migrated database.
        statements: the query files.
        retention: what is kept, and how much.
        rollups: the coarser tiers.
        notices: what happened while opening.
        now: the clock, µs since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        statements: Statements,
        retention: Retention,
        rollups: Rollups,
        notices: Sequence[str] = (),
        now: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._statements = statements
        self._retention = retention
        self._rollups = rollups
        self._notices = list(notices)
        self._now = now
        self._settling = Settling()
        self._write_lock = threading.Lock()
        self._broken = threading.Event()
        self._columns = table_columns(engine.connection)
        self._version = schema_version(engine.connection)
        self._closed = False

    def write(self, changes: Sequence[Change]) -> None:
        """Commit all changes or none.

        Raises:
            StoreFull: there is no space; nothing was written, and a later call can succeed.
            StoreError: a table or column does not exist, or the engine failed; nothing was written.
        """
        if not changes:
            return
        with self._write_lock:
            self._heal()
            coming = sum(change.rows.nbytes for change in changes)
            if self._engine.size_bytes() + coming > self._retention.tight_bytes:
                self._make_room(coming)
            connection = self._engine.connection
            try:
                connection.begin()
                apply(connection, changes, self._columns)
                connection.commit()
            except duckdb.Error as error:
                self._roll_back(error)
                if not isinstance(error, duckdb.FatalException) or STORED not in str(error):
                    raise translate(error, self._engine.path) from error
            except (StoreError, pa.ArrowException):
                self._roll_back(None)
                raise
            self._rollups.note(changes)

    def query(self, name: str, *, deadline_s: float = 10.0, **params: ParamValue) -> pa.Table:
        """Run `queries/<name>.sql`; see `Store.query`."""
        return self.ask(name, params, deadline_s)

    def ask(self, name: str, params: Mapping[str, ParamValue], deadline_s: float, stop: Stop | None = None) -> pa.Table:
        """`query`, cancelled when `stop` is said."""
        sql, bound = self._statements.render(name, params)
        return self._read(lambda cursor: cursor.sql(sql, params=bound).to_arrow_table(), deadline_s, stop)

    def select(self, sql: str, *, limit: int = 10_000, deadline_s: float = 30.0) -> pa.Table:
        """Run a person's own read-only SQL; see `Store.select`. At most `limit` rows are made.

        Values are as the engine gives them: besides numbers, text and times these may be lists, structs, maps,
        decimals (HUGEINT), intervals (month, day, nanosecond) and blobs; JSON columns are text.
        """
        return self.ask_sql(sql, limit, deadline_s)

    def ask_sql(self, sql: str, limit: int, deadline_s: float, stop: Stop | None = None) -> pa.Table:
        """`select`, cancelled when `stop` is said."""

        def run(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
            statement = check_reading(cursor, sql)
            check_sizes(cursor, statement)
            return _first_rows(cursor, statement, limit)

        watch, ended = MemoryWatch(self._engine.memory_limit_bytes + MOST_BYTES), Stop()
        try:
            with (stop or Stop()).ends(ended.say), watch.ends(ended.say):
                if stop is not None and stop.said:
                    ended.say()
                return self._read(run, deadline_s, ended)
        except QueryError as error:
            if not watch.passed:
                raise
            raise QueryError(
                f"The query took more than {watch.most_bytes // 1_000_000} MB of memory and was stopped.",
                hint="Ask for fewer rows, or shorter values.",
            ) from error

    def until(self, stop: Stop) -> "Asking":
        """See `Store.until`."""
        return Asking(self, stop)

    def enforce_limit(self) -> int:
        """Complete the coarser tiers, drop what is too old or too much, put the rest in order; returns how many rows went.

        Raises:
            StoreFull: the disk is full.
        """
        with self._write_lock:
            self._heal()
            try:
                now = self._now()
                self._rollups.run(self._engine.connection, now)
                gone = self._retention.drop_old(self._engine, now)
                if self._engine.size_bytes() > self._retention.tight_bytes:
                    gone += self._retention.drop_excess(self._engine, now)
                else:
                    self._settling.run(self._engine.connection, now)
            except duckdb.Error as error:
                self._roll_back(error)
                raise translate(error, self._engine.path) from error
            return gone

    def set_limits(self, *, limit_bytes: int, raw_days: float, log_days: float) -> None:
        """Use other limits from now on; what is too much goes at the next write or `enforce_limit`."""
        self._retention = Retention(limit_bytes=limit_bytes, ages=Ages(raw_days=raw_days, log_days=log_days))

    def info(self) -> StoreInfo:
        """Size, version, notices, and rows per table."""
        sql = "SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal"
        rows = self._read(lambda cursor: dict(cursor.execute(sql).fetchall()), 5.0)
        return StoreInfo(
            engine="duckdb",
            version=duckdb.__version__,
            schema_version=self._version,
            path=str(self._engine.path),
            size_bytes=self._engine.size_bytes(),
            limit_bytes=self._retention.limit_bytes,
            notices=tuple(self._notices),
            rows=rows,
        )

    def close(self) -> None:
        """Flush and release the file; idempotent."""
        with self._write_lock:
            if not self._closed:
                self._closed = True
                try:
                    self._engine.close()
                except duckdb.Error as error:
                    raise translate(error, self._engine.path) from error

    def _read(self, run: Callable[[duckdb.DuckDBPyConnection], T], deadline_s: float, stop: Stop | None = None) -> T:
        """Run one reading call; once more when a fatal error of another call had closed the engine."""
        if self._closed:
            raise StoreError("The store is closed.")
        for again in (True, False):
            if self._broken.is_set():
                with self._write_lock:
                    self._heal()
            try:
                with self._engine.reader(deadline_s, stop) as cursor:
                    cursor.execute("BEGIN TRANSACTION READ ONLY")
                    return run(cursor)
            except (duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException) as error:
                self._broken.set()
                if not again:
                    raise translate(error, self._engine.path) from error
            except duckdb.InterruptException as error:  # the engine is being opened anew
                if not again:
                    raise translate(error, self._engine.path) from error
            except duckdb.Error as error:
                meant = translate(error, self._engine.path)
                raise (meant if isinstance(meant, StoreDamaged) else wrong_query(error)) from error
        raise StoreError("The store could not be read.")

    def _make_room(self, coming: int) -> None:
        """Hold the hard limit before `coming` bytes are added."""
        try:
            if self._engine.used_bytes() + coming > self._retention.tight_bytes:
                self._rollups.run(self._engine.connection, self._now())
                self._retention.drop_excess(self._engine, self._now(), coming=coming)
        except duckdb.Error as error:
            self._roll_back(error)
            raise translate(error, self._engine.path) from error
        if self._engine.used_bytes() > self._retention.limit_bytes:
            raise StoreFull(
                f"The store reached its limit of {self._retention.limit_bytes} bytes with rows that are not dropped.",
                hint="Raise the limit in the settings.",
            )

    def _roll_back(self, cause: duckdb.Error | None) -> None:
        """Leave the failed transaction; note when the engine must be opened anew."""
        try:
            self._engine.connection.rollback()
            forget(self._engine.connection)
        except duckdb.Error as error:
            if "no transaction" not in str(error).lower():
                self._broken.set()
        if isinstance(cause, duckdb.FatalException | duckdb.InternalException):
            self._broken.set()

    def _heal(self) -> None:
        """Open the engine anew when a fatal error closed it.

        Raises:
            StoreError: closed for good, or it still cannot be opened.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        if self._broken.is_set():
            self._engine.reopen()
            self._columns = table_columns(self._engine.connection)
            self._broken.clear()


class Asking:
    """A store as one asker sees it: what it is asked ends when `stop` is said."""

    def __init__(self, store: DuckStore, stop: Stop) -> None:
        self._store, self._stop = store, stop

    def write(self, changes: Sequence[Change]) -> None:
        """See `Store.write`."""
        self._store.write(changes)

    def query(self, name: str, *, deadline_s: float = 10.0, **params: ParamValue) -> pa.Table:
        """See `Store.query`."""
        return self._store.ask(name, params, deadline_s, self._stop)

    def select(self, sql: str, *, limit: int = 10_000, deadline_s: float = 30.0) -> pa.Table:
        """See `Store.select`."""
        return self._store.ask_sql(sql, limit, deadline_s, self._stop)

    def until(self, stop: Stop) -> "Asking":
        """See `Store.until`."""
        return Asking(self._store, stop)

    def enforce_limit(self) -> int:
        """See `Store.enforce_limit`."""
        return self._store.enforce_limit()

    def info(self) -> StoreInfo:
        """See `Store.info`."""
        return self._store.info()

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()


def _first_rows(cursor: duckdb.DuckDBPyConnection, sql: str, limit: int) -> pa.Table:
    """At most `limit` rows, read in batches so that a huge answer is never made whole.

    Raises:
        QueryError: the rows take more than `MOST_BYTES`.
    """
    reader = cursor.sql(sql).to_arrow_reader(min(max(limit, 1), 10_000))
    batches: list[pa.RecordBatch] = []
    left, size = limit, 0
    while left > 0:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        batches.append(batch.slice(0, left))
        left -= batch.num_rows
        size += batches[-1].nbytes
        if size > MOST_BYTES:
            raise QueryError(
                f"The answer takes more than {MOST_BYTES // 1_000_000} MB.",
                hint="Ask for fewer rows, or shorter values.",
            )
    return pa.Table.from_batches(batches, schema=reader.schema)
