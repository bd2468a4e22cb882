"""Jobs in the store: a batch of counted events becomes rows, committed in one transaction with the position in the spool files."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from monitor.jobs.counters import FinishedJob, JobRecord, OpenJob, RunCounter
from monitor.jobs.ranges import Ranges
from monitor.jobs.spool import SpoolFile
from monitor.store.interface import Append, Change, Delete, Store, Upsert

_TS: Final = pa.timestamp("us")
_I64, _TEXT = pa.int64(), pa.string()
_JOBS: Final = pa.schema(
    [
        ("host", _TEXT), ("ts", _TS), ("worker", _TEXT), ("worker_run", _TEXT), ("seq", _I64), ("job", _TEXT), ("started", _TS),
        ("seconds", pa.float64()), ("outcome", _TEXT), ("error", _TEXT), ("run", _I64),
    ]
)  # fmt: skip
_OPEN: Final = pa.schema([("host", _TEXT), ("worker_run", _TEXT), ("seq", _I64), ("job", _TEXT), ("started", _TS)])
_RECORDS: Final = pa.schema(
    [
        ("host", _TEXT), ("ts", _TS), ("worker_run", _TEXT), ("seq", _I64), ("level", _TEXT), ("logger", _TEXT), ("message", _TEXT),
    ]
)  # fmt: skip
_WORKERS: Final = pa.schema(
    [
        ("host", _TEXT), ("worker_run", _TEXT), ("worker", _TEXT), ("pid", pa.int32()), ("run", _I64), ("start_tick", _I64), ("boot_id", _TEXT),
        ("locked", pa.bool_()), ("started", _TS), ("ts", _TS), ("done", _I64), ("failed", _I64), ("interrupted", _I64), ("untold", _I64),
        ("repeated", _I64), ("damaged", _I64), ("seen", _TEXT), ("stopped", _TS), ("stop_error", _TEXT), ("ended", _TS), ("reason", _TEXT),
    ]
)  # fmt: skip
_FILES: Final = pa.schema(
    [
        ("host", _TEXT), ("file", _TEXT), ("inode", _I64), ("position", _I64), ("generation", pa.int32()), ("worker_run", _TEXT),
    ]
)  # fmt: skip
_OPEN_KEYS: Final = ("host", "worker_run", "seq")


@dataclass(slots=True)
class Batch:
    """What is committed together."""

    finished: list[tuple[RunCounter, FinishedJob]] = field(default_factory=list)
    records: list[tuple[RunCounter, JobRecord]] = field(default_factory=list)
    runs: dict[str, RunCounter] = field(default_factory=dict)
    """Runs whose counters moved."""
    files: list[SpoolFile] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Files that are deleted, and need not be known any more."""

    def __bool__(self) -> bool:
        return bool(self.runs or self.files or self.gone)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, in words where that is known."""

    at: int
    words: str | None


class JobRecords:
    """The store, for jobs of one host.

    Args:
        store: answers what is stored.
        commit: writes rows and returns when they are in; raises a `StoreError` if they are not.
        host: the machine's name in the store.
        mask: hides secrets in what workers say.
        store_ends: stores the ends of processes that wait for that.
    """

    def __init__(
        self,
        store: Store,
        commit: Callable[[Sequence[Change]], None],
        host: str,
        mask: Callable[[str], str],
        store_ends: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._commit, self._host, self._mask = store, commit, host, mask
        self._store_ends = store_ends

    def files(self) -> list[SpoolFile]:
        """How far files were read."""
        rows = self._store.query("job_files", host=self._host).to_pylist()
        names = ("inode", "position", "generation", "worker_run")
        return [SpoolFile(row["file"], **{name: row[name] for name in names}) for row in rows]

    def living(self) -> list[RunCounter]:
        """The runs of workers that had not ended."""
        return self._runs({})

    def run(self, worker_run: str) -> RunCounter | None:
        """One run, ended or not."""
        found = self._runs({"worker_run": worker_run})
        return found[0] if found else None

    def ending(self, process: int) -> Ending | None:
        """How a run of a process ended; None while it runs, or if nothing is known of it."""
        self._store_ends()
        rows = self._store.query("run_end", run=process).to_pylist()
        if not rows or rows[0]["end_ts"] is None:
            return None
        known = rows[0]["exit_code"] is not None or rows[0]["exit_signal"] is not None
        return Ending(rows[0]["end_ts"], rows[0]["ended_with"] if known else None)

    def is_open(self, process: int | None) -> bool:
        """Whether a run of a process is stored without its end, which is then still to come."""
        rows = [] if process is None else self._store.query("run_end", run=process).to_pylist()
        return any(row["end_ts"] is None for row in rows)

    def commit(self, batch: Batch) -> None:
        """Store a batch, all of it or nothing.

        Raises:
            StoreError: nothing was written.
        """
        self._commit(self._changes(batch))
        for run in batch.runs.values():
            run.changed.clear()

    def _runs(self, which: dict[str, Any]) -> list[RunCounter]:
        opened: dict[str, dict[int, OpenJob]] = {}
        for row in self._store.query("jobs_open", host=self._host, **which).to_pylist():
            opened.setdefault(row["worker_run"], {})[row["seq"]] = OpenJob(row["seq"], row["job"], row["started_us"])
        rows = self._store.query("job_worker", host=self._host, **which).to_pylist()
        return [_counter(row, opened.get(row["worker_run"], {})) for row in rows]

    # --- rows

    def _changes(self, batch: Batch) -> list[Change]:
        changes: list[Change] = []
        if batch.finished:
            changes.append(Append("jobs", self._table(_JOBS, (self._job(*pair) for pair in batch.finished))))
        if batch.records:
            changes.append(
                Append("job_records", self._table(_RECORDS, (self._record(*pair) for pair in batch.records)))
            )
        runs = batch.runs.values()
        now_open = [(run, run.open[seq]) for run in runs for seq in sorted(run.changed) if seq in run.open]
        shut = [(run, seq) for run in runs for seq in sorted(run.changed) if seq not in run.open]
        if now_open:
            rows = ((self._host, run.worker_run, job.seq, self._mask(job.job), job.started) for run, job in now_open)
            changes.append(Upsert("jobs_open", self._table(_OPEN, rows), _OPEN_KEYS))
        if shut:
            keys = self._table(_OPEN, ((self._host, run.worker_run, seq, "", None) for run, seq in shut))
            changes.append(Delete("jobs_open", keys.select(list(_OPEN_KEYS)), _OPEN_KEYS))
        if runs:
            changes.append(
                Upsert("job_workers", self._table(_WORKERS, map(self._worker, runs)), ("host", "worker_run"))
            )
        if batch.files:
            changes.append(Upsert("job_files", self._table(_FILES, map(self._file, batch.files)), ("host", "file")))
        if batch.gone:
            keys = self._table(_FILES, ((self._host, name, 0, 0, 0, None) for name in batch.gone))
            changes.append(Delete("job_files", keys.select(["host", "file"]), ("host", "file")))
        return changes

    def _table(self, schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
        columns = list(zip(*rows, strict=True))
        arrays = [
            pa.array(column, _I64).view(_TS) if kind.type == _TS else pa.array(column, kind.type)
            for kind, column in zip(schema, columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _job(self, run: RunCounter, job: FinishedJob) -> tuple[Any, ...]:
        error = None if job.error is None else self._mask(job.error)
        return (
            self._host, job.ended, run.worker, run.worker_run, job.seq, self._mask(job.job), job.started, job.seconds, job.outcome,
            error, run.process,
        )  # fmt: skip

    def _record(self, run: RunCounter, record: JobRecord) -> tuple[Any, ...]:
        return (
            self._host, record.ts, run.worker_run, record.seq, record.level, record.logger, self._mask(record.text),
        )  # fmt: skip

    def _file(self, file: SpoolFile) -> tuple[Any, ...]:
        return (self._host, file.name, file.inode, file.position, file.generation, file.worker_run)

    def _worker(self, run: RunCounter) -> tuple[Any, ...]:
        error = None if run.stop_error is None else self._mask(run.stop_error)
        return (
            self._host, run.worker_run, run.worker, run.pid, run.process, run.tick, run.boot, run.locked, run.started, run.last_event, run.done,
            run.failed, run.interrupted, run.untold, run.repeated, run.damaged, run.seen.text(), run.stopped, error, run.ended,
            run.reason,
        )  # fmt: skip


def _counter(row: dict[str, Any], opened: dict[int, OpenJob]) -> RunCounter:
    numbers = ("done", "failed", "interrupted", "untold", "repeated", "damaged")
    return RunCounter(
        row["worker_run"],
        row["worker"],
        started=row["started_us"],
        last_event=row["last_event"],
        pid=row["pid"],
        tick=row["start_tick"],
        boot=row["boot_id"],
        locked=row["locked"],
        process=row["run"],
        stopped=row["stopped_us"],
        stop_error=row["stop_error"],
        ended=row["ended_us"],
        reason=row["reason"],
        seen=Ranges(row["seen"]),
        open=opened,
        **{name: row[name] for name in numbers},
    )
