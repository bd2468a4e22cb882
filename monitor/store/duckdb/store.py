"""The store on DuckDB: one file, one writer, many readers."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import duckdb
import pyarrow as pa

from logs.index.grams import Test, test_of
from logs.index.needles import need_of, need_of_sources
from logs.index.required import Literal, every
from logs.query.search import ARCHIVED
from logs.query.tree import Node
from monitor.core.errors import QueryError, StoreDamaged, StoreError, StoreFull
from monitor.store.adhoc_sql.guard import wrong_query
from monitor.store.adhoc_sql.processes import Form, SqlAnswer, SqlProcesses
from monitor.store.duckdb.changes import Columns, apply, forget
from monitor.store.duckdb.engine import Engine, Hold, translate
from monitor.store.duckdb.log_archive import LogArchive
from monitor.store.duckdb.log_blocks import ROWS, TABLE, LogBlocks, drop_unused, filter_row, made_filter
from monitor.store.duckdb.log_filters import LogFilters
from monitor.store.duckdb.migrate import schema_version
from monitor.store.duckdb.retention import Ages, Retention
from monitor.store.duckdb.rollup import Rollups
from monitor.store.duckdb.settle import Settling
from monitor.store.duckdb.sql_templates import Statements
from monitor.store.interface import ArchiveRule, Change, ParamValue, Stop, StoreInfo

log = logging.getLogger("watchkeeper.store")
T = TypeVar("T")

TIDY_S: Final = 60.0
"""The most that reading a block of log records may take."""
STORED: Final = "COMMIT succeeded and is durable"
"""The engine's message if the rows are in its log and only the checkpoint failed: they are stored, and must not be written twice."""


class DuckStore:
    """A `Store` (see `monitor.store.interface`) on one DuckDB file. `open_store` makes it.

    Args:
        engine: the open, migrated database.
        statements: the query files.
        retention: what is kept, and how much.
        rollups: the coarser tiers.
        archive: of older log records.
        notices: what happened while opening.
        now: the clock, µs since the epoch.
        block_rows: log records of a block.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        statements: Statements,
        retention: Retention,
        rollups: Rollups,
        archive: LogArchive,
        notices: Sequence[str] = (),
        now: Callable[[], int],
        block_rows: int = ROWS,
    ) -> None:
        self._engine = engine
        self._statements = statements
        self._retention = retention
        self._rollups = rollups
        self._archive = archive
        self._archive_due = False
        self._notices = list(notices)
        self._now = now
        self._settling = Settling()
        self._filters = LogFilters()
        self._blocks = LogBlocks(self._filters, block_rows)
        self._write_lock = threading.Lock()
        self._broken = threading.Event()
        self._columns = Columns(engine.connection)
        self._version = schema_version(engine.connection)
        self._closed = False
        self._sql = SqlProcesses(engine.path, engine.memory_limit_bytes // (1024 * 1024), self.held_still)

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
            changes = self._numbered(changes)
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
        """`query`, cancelled by `stop`."""
        test = self._block_test(name, params)
        reaches = "archived" in self._statements.parameters(name) and not params.get("stored_only")

        def run(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
            added: dict[str, ParamValue] = {}
            if test is not None:
                added["blocks"] = self._filters.condition(cursor, test)
            archived = (
                self._archive.of_range(cursor, _time(params, "since"), _time(params, "until"), test)
                if reaches
                else None
            )
            if archived is not None:
                added["archived"] = archived.table
            sql, bound = self._statements.render(name, {**params, **added})
            found = cursor.sql(sql, params=bound).to_arrow_table()
            return found if archived is None else found.replace_schema_metadata({ARCHIVED: str(archived.files)})

        return self._read(run, deadline_s, stop)

    def _block_test(self, name: str, params: Mapping[str, ParamValue]) -> Test | None:
        """Which blocks of log records a query must look at; None if all."""
        if "blocks" not in self._statements.parameters(name):
            return None
        where, source, sources = params.get("where"), params.get("source"), params.get("sources")
        needs = [need_of(where) if isinstance(where, Node) else None]
        if isinstance(source, str):
            needs.append(Literal(f"source={source}", case=True))
        elif isinstance(sources, Sequence):
            needs.append(need_of_sources([str(glob) for glob in sources]))
        return test_of(every([need for need in needs if need is not None]))

    def select(self, sql: str, *, limit: int = 10_000, deadline_s: float = 30.0) -> pa.Table:
        """Run read-only ad-hoc SQL; see `Store.select`. Returns at most `limit` rows.

        Values are as the engine gives them: besides numbers, text and times these may be lists, structs, maps,
        decimals (HUGEINT), intervals (month, day, nanosecond) and blobs; JSON columns are text.
        """
        return _table(self.ask_sql(sql, limit, "arrow", deadline_s))

    def answer(self, sql: str, *, limit: int, form: Form, deadline_s: float = 30.0) -> SqlAnswer:
        """See `Store.answer`."""
        return self.ask_sql(sql, limit, form, deadline_s)

    def ask_sql(self, sql: str, limit: int, form: Form, deadline_s: float, stop: Stop | None = None) -> SqlAnswer:
        """`answer`, cancelled by `stop`."""
        return self._sql.ask(sql, limit, form, deadline_s, stop)

    @contextmanager
    def held_still(self, deadline_s: float, interrupt: Callable[[], None]) -> Iterator[None]:
        """Within this block, another process can read the file: nothing that the last checkpoint holds is overwritten.

        Rows are still written; they go to the log. If the store must reorganise its file, it calls `interrupt`.

        Raises:
            QueryError: that is not possible within `deadline_s`.
            StoreError: the store is closed.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            if not self._write_lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise QueryError(
                    f"the query waited longer than {deadline_s:g} s for the store and was stopped",
                    hint="ask again in a moment",
                )
            try:
                hold = self._hold(interrupt)
            finally:
                self._write_lock.release()
            if hold is not None:
                break
            self._engine.await_holds(deadline - time.monotonic())
        try:
            yield
        finally:
            self._engine.release(hold)

    def _hold(self, interrupt: Callable[[], None]) -> Hold | None:
        """`Engine.hold`, in an engine that works."""
        for again in (True, False):
            self._heal()
            try:
                return self._engine.hold(interrupt, tidy=again)
            except duckdb.Error as error:
                if not again:
                    raise translate(error, self._engine.path) from error
                self._break(error)
        return None

    def until(self, stop: Stop) -> "Asking":
        """See `Store.until`."""
        return Asking(self, stop)

    def enforce_limit(self) -> int:
        """Complete the coarser tiers, drop rows beyond the limits, sort the rest; returns the number of dropped rows.

        Raises:
            StoreFull: the disk is full.
        """
        with self._write_lock:
            self._heal()
            try:
                now = self._now()
                self._rollups.run(self._engine.connection, now)
                gone = self._retention.drop_old(self._engine, now)
                self._archive_due = bool(self._retention.put_away(self._engine, now))
                if self._engine.size_bytes() > self._retention.tight_bytes:
                    gone += self._retention.drop_excess(self._engine, now)
                else:
                    self._settling.run(self._engine.connection, now)
                if gone or self._archive_due:
                    self._filters.drop(drop_unused(self._engine.connection))
                gone += self._retention.trim(self._engine, now)
            except duckdb.Error as error:
                self._roll_back(error)
                raise translate(error, self._engine.path) from error
            return gone

    def tidy(self) -> bool:
        """Make the filter of one block of log records, archive a part of the old ones, or make the filter of a part; see `Store.tidy`."""
        if not self._blocks.due:
            more = self._put_away()
            if not more and self._archive.lacks_filters:
                self._read(self._archive.make_filter, TIDY_S)
                more = self._archive.lacks_filters
            return more
        with self._write_lock:
            self._heal()
            try:
                block = self._blocks.next_full(self._engine.connection)
            except duckdb.Error as error:
                self._roll_back(error)
                raise translate(error, self._engine.path) from error
        if block is None:
            return self._archive_due or self._archive.lacks_filters
        try:
            bits = self._read(lambda cursor: made_filter(cursor, block), TIDY_S)
            if bits is not None:
                self.write([filter_row(block, bits)])
                self._filters.add(block, bits)
        except Exception:
            self._blocks.put_back(block)
            raise
        return self._blocks.due or self._archive_due or self._archive.lacks_filters

    def _put_away(self) -> bool:
        """Archive a part of the log records that are too old; returns whether there may be more."""
        if not self._archive_due:
            return False
        with self._write_lock:
            self._heal()
            try:
                self._archive_due = bool(self._retention.put_away(self._engine, self._now()))
                if not self._archive_due:
                    self._filters.drop(drop_unused(self._engine.connection))
            except duckdb.Error as error:
                self._roll_back(error)
                raise translate(error, self._engine.path) from error
        return self._archive_due

    def set_limits(
        self, *, limit_bytes: int, raw_days: float, log_days: float, archive: ArchiveRule | None = None
    ) -> None:
        """Use these limits from now on. They apply at the next write or `enforce_limit`."""
        self._archive.rule = archive or self._archive.rule
        ages = Ages(raw_days=raw_days, log_days=log_days)
        self._retention = Retention(limit_bytes=limit_bytes, ages=ages, archive=self._archive)

    def info(self) -> StoreInfo:
        """Size, version, notices, and rows per table."""
        sql = "SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal"
        rows, archive = self._read(
            lambda cursor: (dict(cursor.execute(sql).fetchall()), self._archive.info(cursor)), 5.0
        )
        return StoreInfo(
            engine="duckdb",
            version=duckdb.__version__,
            schema_version=self._version,
            path=str(self._engine.path),
            size_bytes=self._engine.size_bytes(),
            limit_bytes=self._retention.limit_bytes,
            notices=tuple(self._notices),
            rows=rows,
            archive=archive,
        )

    def close(self) -> None:
        """Flush and release the file; idempotent."""
        self._sql.close()
        with self._write_lock:
            if not self._closed:
                self._closed = True
                try:
                    self._engine.close()
                except duckdb.Error as error:
                    raise translate(error, self._engine.path) from error

    def _read(self, run: Callable[[duckdb.DuckDBPyConnection], T], deadline_s: float, stop: Stop | None = None) -> T:
        """Run one reading call, and repeat it once if a fatal error of another call had closed the engine."""
        if self._closed:
            raise StoreError("the store is closed")
        for again in (True, False):
            if self._broken.is_set():
                with self._write_lock:
                    self._heal()
            try:
                with self._engine.reader(deadline_s, stop) as cursor:
                    cursor.execute("BEGIN TRANSACTION READ ONLY")
                    return run(cursor)
            except (duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException) as error:
                self._break(error)
                if not again:
                    raise translate(error, self._engine.path) from error
            except duckdb.InterruptException as error:  # the engine is being opened anew
                if not again:
                    raise translate(error, self._engine.path) from error
            except duckdb.Error as error:
                meant = translate(error, self._engine.path)
                raise (meant if isinstance(meant, StoreDamaged) else wrong_query(error)) from error
        raise StoreError("the store could not be read")

    def _numbered(self, changes: Sequence[Change]) -> Sequence[Change]:
        """With the blocks of the log records among them."""
        if not any(change.table == TABLE for change in changes):
            return changes
        try:
            self._blocks.begin(self._engine.connection)
        except duckdb.Error as error:
            self._roll_back(error)
            raise translate(error, self._engine.path) from error
        return self._blocks.numbered(changes)

    def _make_room(self, coming: int) -> None:
        """Hold the hard limit before `coming` bytes are added."""
        try:
            if self._engine.used_bytes() + coming > self._retention.tight_bytes:
                self._rollups.run(self._engine.connection, self._now())
                if self._retention.drop_excess(self._engine, self._now(), coming=coming):
                    self._filters.drop(drop_unused(self._engine.connection))
        except duckdb.Error as error:
            self._roll_back(error)
            raise translate(error, self._engine.path) from error
        if self._engine.used_bytes() > self._retention.limit_bytes:
            raise StoreFull(
                f"the store reached its limit of {self._retention.limit_bytes} bytes with rows that are not dropped",
                hint="raise the limit in the settings",
            )

    def _roll_back(self, cause: duckdb.Error | None) -> None:
        """Roll back the failed transaction, and note if the engine must be reopened."""
        try:
            self._engine.connection.rollback()
            forget(self._engine.connection)
        except duckdb.Error as error:
            if "no transaction" not in str(error).lower():
                self._break(error)
        if isinstance(cause, duckdb.FatalException | duckdb.InternalException):
            self._break(cause)

    def _break(self, error: duckdb.Error) -> None:
        """Note that the engine must be opened anew."""
        if not self._broken.is_set():
            log.error("the store's engine failed and is opened again: %s", error)
        self._broken.set()

    def _heal(self) -> None:
        """Reopen the engine if a fatal error closed it.

        Raises:
            StoreError: closed for good, or it still cannot be opened.
        """
        if self._closed:
            raise StoreError("the store is closed")
        if self._broken.is_set():
            self._engine.reopen()
            self._columns = Columns(self._engine.connection)
            self._broken.clear()


class Asking:
    """The store for one caller: its queries end with `stop`."""

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
        return _table(self._store.ask_sql(sql, limit, "arrow", deadline_s, self._stop))

    def answer(self, sql: str, *, limit: int, form: Form, deadline_s: float = 30.0) -> SqlAnswer:
        """See `Store.answer`."""
        return self._store.ask_sql(sql, limit, form, deadline_s, self._stop)

    def until(self, stop: Stop) -> "Asking":
        """See `Store.until`."""
        return Asking(self._store, stop)

    def enforce_limit(self) -> int:
        """See `Store.enforce_limit`."""
        return self._store.enforce_limit()

    def tidy(self) -> bool:
        """See `Store.tidy`."""
        return self._store.tidy()

    def info(self) -> StoreInfo:
        """See `Store.info`."""
        return self._store.info()

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()


def _time(params: Mapping[str, ParamValue], name: str) -> int | None:
    value = params.get(name)
    return value if isinstance(value, int) else None


def _table(answer: SqlAnswer) -> pa.Table:
    with pa.ipc.open_stream(b"".join(answer.chunks())) as reader:
        return reader.read_all()
