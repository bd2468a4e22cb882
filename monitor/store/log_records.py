"""Log records in the store: what `logs` asks of one (`logs.storing.sink`), over the one writer.

Batches of records become changes of `log_records`, `log_files`, `log_sources` and `events` on the writer's thread; the checkpoint of a file moves in memory
once they are stored.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Final, TypeVar

import pyarrow as pa

from logs.core.errors import StorageError
from logs.patterns.book import PatternBook
from logs.patterns.news import PatternHerald
from logs.storing.checkpoint import FileState
from logs.storing.delivery import Delivery, Loss, NewSource
from logs.storing.sink import PastWriter
from monitor.api_models.events import ProcessEvent
from monitor.core.errors import StoreError
from monitor.store.interface import Append, Change, Delete, Store, Upsert
from monitor.store.lives import UNSEEN
from monitor.store.log_templates import pattern_event, stored_templates, template_rows
from monitor.store.process_events import event_rows
from monitor.store.tiers import DAY, HOUR
from monitor.store.writer import StoreWriter

_KEY: Final = ("file_id", "pos")
_COLUMNS: Final = tuple(column.name for column in fields(FileState))
_TYPES: Final[dict[str, pa.DataType]] = {
    **dict.fromkeys(("source", "path", "head_hash", "marker_hash", "format", "state", "error", "reading"), pa.string()),
    **dict.fromkeys(("head_len", "generation", "truncations"), pa.int32()),
    **dict.fromkeys(("first_seen", "updated"), pa.timestamp("us")),
}
_MAY_BE_NONE: Final = frozenset({"head_hash", "marker_hash", "format", "error", "reading", "begins_at", "told_to"})
_AWAY_US: Final = 900_000_000
"""After this long without an agent, nobody can say whether a process that ended meanwhile was the only one to write its files."""
_PATTERNS_KEPT_US: Final = 90 * DAY
"""How long a template is known at least that no record has any more: as long as the event that told of it."""
_CLOCK_KNOWN_US: Final = 6 * HOUR
T = TypeVar("T")


class LogRecords:
    """A `RecordSink` and `StoredRecords` for one host.

    Args:
        store: answers what is stored.
        writer: the one that writes; it takes its batches of records from here from now on.
        host: the machine's name in the store.
        now: the clock, µs since the epoch.
        on_events: gets the events of patterns that were never seen before, once they are stored. Called on the writer's thread.
    """

    def __init__(
        self,
        store: Store,
        writer: StoreWriter,
        host: str,
        now: Callable[[], int],
        on_events: Callable[[list[ProcessEvent]], None] = lambda _events: None,
    ) -> None:
        self._store, self._writer, self._host, self._now = store, writer, host, now
        self._on_events, self._herald = on_events, PatternHerald()
        self._began = now()
        self._book: PatternBook | None = None
        self._forgot = 0
        writer.accept_records(self._combine)

    # --- the sink

    @property
    def error(self) -> str | None:
        """Why records cannot be stored now."""
        return self._writer.records_error

    def put(self, delivery: Delivery) -> None:
        """Queue a delivery."""
        self._writer.put(delivery)

    def room(self) -> bool:
        """Whether the readers may continue."""
        return self._writer.room()

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is room."""
        return self._writer.wait_for_room(timeout_s)

    def lacking(self) -> int:
        """How many rows of old files are missing for a whole batch."""
        return self._writer.lacking()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued so far is stored."""
        return self._writer.flush(timeout_s)

    # --- what is stored

    def files(self) -> list[FileState]:
        """How far each file has been read."""
        found = []
        for row in self._ask(lambda: self._store.query("log_files", host=self._host).to_pylist()):
            values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
            for name, value in values.items():
                if value is None and name not in _MAY_BE_NONE:
                    values[name] = 0
            found.append(FileState(**values))
        return found

    def sources(self) -> dict[str, str]:
        """Sources, each with how it was found."""
        rows = self._ask(lambda: self._store.query("log_sources", host=self._host).to_pylist())
        return {row["source"]: row["found_by"] or "open" for row in rows}

    def positions_behind(self, file_id: int, position: int) -> list[int]:
        """Positions of records at or after `position`."""
        return self._positions(lambda: self._store.query("log_tail_rows", file_id=file_id, pos=position))

    def time_at(self, file_id: int, position: int) -> int | None:
        """The time of the record at `position`."""
        rows = self._ask(
            lambda: self._store.query("log_tail_rows", file_id=file_id, pos=position).slice(0, 1).to_pylist()
        )
        return rows[0]["ts"] if rows and rows[0]["pos"] == position else None

    def unnumbered(self, file_id: int) -> list[int]:
        """Positions of records without a line number."""
        return self._positions(lambda: self._store.query("log_unnumbered", file_id=file_id))

    def past_writer(self, file_id: int, position: int) -> PastWriter | None:
        """Who wrote the newest records before `position`. The lines of a run whose end was seen go on to that end; of another, to the start of this agent."""
        rows = self._ask(lambda: self._store.query("log_last_writer", file_id=file_id, pos=position).to_pylist())
        if not rows:
            return None
        (row,) = rows
        until: int | None = row["end_ts"]
        if until is None or row["end_source"] == UNSEEN:
            seen = self._ask(
                lambda: self._store.query("host_last", host=self._host, end=self._began).to_pylist()[0]["seen"]
            )
            if seen is not None and self._began - seen <= _AWAY_US:
                until = self._began
        return None if until is None else PastWriter(row["run"], row["pid"], until)

    def files_of_run(self, run: int) -> list[int]:
        """The files that hold records of a run."""
        rows = self._ask(lambda: self._store.query("run", run=run).to_pylist())
        if not rows:
            return []
        since = rows[0]["start_ts"] or 0
        found: list[int] = self._ask(
            lambda: self._store.query("log_files_of_run", run=run, since=since).column("file_id").to_pylist()
        )
        return found

    def _positions(self, ask: Callable[[], pa.Table]) -> list[int]:
        found: list[int] = self._ask(ask).column("pos").to_pylist()
        return found

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except StoreError as error:
            raise StorageError(error.message, hint=error.hint) from error

    # --- on the writer's thread

    def _combine(self, batch: list[Delivery]) -> tuple[list[Change], Callable[[], None]]:
        """Deliveries as changes, and what moves the checkpoints once these are stored."""
        after: dict[int, FileState] = {}
        rows = _Rows()
        further: list[Change] = []
        for delivery in batch:
            state = after.get(delivery.state.file_id) or _copy(delivery.state)
            after[state.file_id] = state
            self._move(state, delivery)
            rows.take(delivery)
            further += self._further(delivery)
        book = self._patterns()
        of_records = rows.changes(lambda table: self._with_patterns(table, book))
        templates = book.changed()
        if templates:
            further.append(template_rows(templates, self._host))
        news = self._herald.news(book.never_seen(), self._now(), bulk=batch[0].bulk)
        events = [pattern_event(one) for one in news]
        if events:
            further.append(event_rows(self._host, events))

        def stored() -> None:
            book.stored(templates)
            book.told()
            self._herald.told()
            if events:
                self._on_events(events)
            for delivery in batch:
                _assign(delivery.state, after[delivery.state.file_id])
            for delivery in batch:
                if delivery.done is not None:
                    delivery.done()

        return [*of_records, file_rows(after.values(), self._host), *further], stored

    def _patterns(self) -> PatternBook:
        """The patterns of all records so far, read once.

        Raises:
            StoreError: the store cannot be asked; nothing is stored until it can.
        """
        if self._book is None:
            self._book = PatternBook(stored_templates(self._store.query("log_templates", host=self._host)))
        if self._now() - self._forgot >= DAY:
            self._forgot = self._now()
            self._writer.maintenance(self._forget_patterns)
        return self._book

    def _forget_patterns(self, store: Store) -> None:
        """Drop templates that no record has had for long, so that there is room for new ones. On the writer's thread, between batches."""
        now = self._now()
        given = {"now": now, "cut": now - _PATTERNS_KEPT_US, "margin": _CLOCK_KNOWN_US}
        gone = store.query("log_templates_unused", deadline_s=60.0, host=self._host, **given)
        if gone.num_rows:
            hosts = pa.repeat(pa.scalar(self._host, pa.string()), gone.num_rows)
            store.write([Delete("log_templates", gone.append_column("host", hosts), ("host", "number"))])
            self._book = None

    def _with_patterns(self, records: pa.Table, book: PatternBook) -> pa.Table:
        return records.append_column("template_id", book.number(records, now=self._now()))

    def _move(self, state: FileState, delivery: Delivery) -> None:
        for name, value in delivery.changes.items():
            setattr(state, name, value)
        for name, number in delivery.counts.items():
            setattr(state, name, getattr(state, name) + number)
        state.updated = self._now()

    def _further(self, delivery: Delivery) -> list[Change]:
        changes: list[Change] = []
        if delivery.source is not None:
            changes.append(_source_row(delivery.source, self._host))
        if delivery.loss is not None:
            changes.append(_loss_row(delivery.loss, self._host))
        if delivery.numbers:
            rows = _positions(delivery.state.file_id, list(delivery.numbers))
            rows = rows.append_column("line_no", pa.array(list(delivery.numbers.values()), pa.int64()))
            changes.append(Upsert("log_records", rows, _KEY))
        return changes


class _Rows:
    """Rows of `log_records` that a batch removes, adds and replaces."""

    def __init__(self) -> None:
        self._gone: list[Change] = []
        self._added: list[pa.Table] = []
        self._replaced: dict[tuple[int, int], pa.Table] = {}

    def take(self, delivery: Delivery) -> None:
        """Its records, and those it drops."""
        file_id, table = delivery.state.file_id, delivery.table
        if delivery.dropped:
            self._gone.append(Delete("log_records", _positions(file_id, delivery.dropped), _KEY))
        if table is not None and delivery.replaces:
            first = table.slice(0, 1)
            self._replaced[file_id, first.column("pos")[0].as_py()] = first
            table = table.slice(1)
        if table is not None and table.num_rows:
            self._added.append(table)

    def changes(self, complete: Callable[[pa.Table], pa.Table]) -> list[Change]:
        """In an order in which what is read again may stand where something else stood; `complete` adds what the store has besides."""
        changes = list(self._gone)
        if self._added:
            changes.append(Append("log_records", complete(_joined(self._added))))
        if self._replaced:
            changes.append(Upsert("log_records", complete(_joined(list(self._replaced.values()))), _KEY))
        return changes


def file_rows(states: Iterable[FileState], host: str) -> Upsert:
    """The change that stores these states."""
    rows = list(states)
    columns: dict[str, Any] = {"host": pa.repeat(pa.scalar(host, pa.string()), len(rows))}
    for name in _COLUMNS:
        columns[name] = pa.array([getattr(row, name) for row in rows], _TYPES.get(name, pa.int64()))
    return Upsert("log_files", pa.table(columns), ("file_id",))


def _source_row(source: NewSource, host: str) -> Append:
    row = {"source": [source.name], "host": [host], "kind": [source.kind], "found_by": [source.found_by]}
    since = pa.array([source.since], pa.timestamp("us"))
    return Append("log_sources", pa.table(row).append_column("first_seen", since))


def _loss_row(loss: Loss, host: str) -> Append:
    row = {
        "host": [host],
        "kind": ["LOST"],
        "subject": [f"log:{loss.source}"],
        "name": [loss.source],
        "message": [loss.message],
    }
    return Append("events", pa.table(row).append_column("ts", pa.array([loss.at], pa.timestamp("us"))))


def _positions(file_id: int, positions: list[int]) -> pa.Table:
    """Keys of rows of a file."""
    return pa.table(
        {"file_id": pa.array([file_id] * len(positions), pa.int64()), "pos": pa.array(positions, pa.int64())}
    )


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table of all rows; a column that one of them lacks is NULL there."""
    return pa.concat_tables(tables, promote_options="default")


def _copy(state: FileState) -> FileState:
    return FileState(*(getattr(state, name) for name in FileState.__slots__))


def _assign(state: FileState, values: FileState) -> None:
    for name in FileState.__slots__:
        setattr(state, name, getattr(values, name))
