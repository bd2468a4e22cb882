"""What is kept of calls, benchmarks, drift and chosen settings: rows of the store."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import pyarrow as pa
from pydantic import ValidationError

from ai.benchmark import BenchmarkReport, from_json, to_records
from ai.records import KEPT_KEYS, CallRecord, KeptRecord, calls_table, kept_table, runs_table, samples_table
from monitor.store.interface import Append, Change, Delete, Store, Upsert

Kind = Literal["drift", "settings"]
"""`drift`: a back end has become slower; `settings`: how a model is loaded on this machine."""


class Records(Protocol):
    """Where calls and benchmarks are kept. `call` must be quick; the others may block and are called on threads."""

    def call(self, record: CallRecord) -> None:
        """Keep a call."""
        ...

    def benchmark(self, report: BenchmarkReport) -> None:
        """Keep a benchmark.

        Raises:
            StoreError: it could not be written.
        """
        ...

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Benchmarks, newest first, without their reports."""
        ...

    def reports(self, limit: int) -> list[BenchmarkReport]:
        """The newest reports, newest first."""
        ...

    def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        ...

    def recent(self, limit: int) -> list[CallRecord]:
        """The newest calls, oldest first."""
        ...

    def keep(self, kind: Kind, name: str, value: Mapping[str, Any] | None) -> None:
        """Keep a value over restarts, in place of an earlier one; None forgets it.

        Raises:
            StoreError: it could not be written.
        """
        ...

    def kept(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """What is kept of a kind, by name."""
        ...


class NoRecords:
    """Keeps what happens in memory only: for a command that runs without an agent, and for tests."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []
        self.benchmarks: list[BenchmarkReport] = []
        self.values: dict[tuple[Kind, str], dict[str, Any]] = {}

    def call(self, record: CallRecord) -> None:
        """Keep a call."""
        self.calls.append(record)

    def benchmark(self, report: BenchmarkReport) -> None:
        """Keep a benchmark."""
        self.benchmarks.insert(0, report)

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Newest first."""
        return [run_row(report) for report in self.benchmarks[:limit]]

    def reports(self, limit: int) -> list[BenchmarkReport]:
        """Newest first."""
        return self.benchmarks[:limit]

    def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        return next((report for report in self.benchmarks if report.id == benchmark), None)

    def recent(self, limit: int) -> list[CallRecord]:
        """Oldest first."""
        return self.calls[-limit:]

    def keep(self, kind: Kind, name: str, value: Mapping[str, Any] | None) -> None:
        """Keep or forget a value."""
        if value is None:
            self.values.pop((kind, name), None)
        else:
            self.values[kind, name] = dict(value)

    def kept(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """By name."""
        return {name: value for (of, name), value in self.values.items() if of == kind}


class StoreRecords:
    """Keeps them in the store.

    Args:
        store: for reading.
        append: queues rows and returns at once.
        commit: writes rows and returns when they are in; blocks.
        host: the machine's name in the store.
    """

    def __init__(
        self,
        store: Store,
        append: Callable[[Callable[[], Sequence[Change]]], None],
        commit: Callable[[Sequence[Change]], None],
        host: Callable[[], str],
    ) -> None:
        self._store, self._append, self._commit, self._host = store, append, commit, host

    def call(self, record: CallRecord) -> None:
        """Queue a call; the store's thread makes the row."""
        host = self._host()
        self._append(lambda: [Append("ai_calls", calls_table(host, [record]))])

    def benchmark(self, report: BenchmarkReport) -> None:
        """Commit a benchmark with its measurements.

        Raises:
            StoreError: it could not be written.
        """
        run, samples = to_records(report)
        host = self._host()
        self._commit(
            [
                Append("benchmark_runs", runs_table(host, [run])),
                Append("benchmark_samples", samples_table(host, samples)),
            ]
        )

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Newest first."""
        return _rows(self._store.query("ai_benchmark_history", host=self._host(), limit=limit))

    def reports(self, limit: int) -> list[BenchmarkReport]:
        """Newest first; reports of a form that is no longer known are left out."""
        rows = _rows(self._store.query("ai_benchmark_reports", host=self._host(), limit=limit))
        return [report for row in rows if (report := _read(row)) is not None]

    def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        rows = _rows(self._store.query("ai_benchmark_run", host=self._host(), benchmark=benchmark))
        return _read(rows[0]) if rows else None

    def recent(self, limit: int) -> list[CallRecord]:
        """Oldest first."""
        rows = _rows(self._store.query("ai_calls_recent", host=self._host(), limit=limit))
        return [CallRecord(**{key: value for key, value in row.items() if key != "host"}) for row in rows[::-1]]

    def keep(self, kind: Kind, name: str, value: Mapping[str, Any] | None) -> None:
        """Commit a value, or that there is none.

        Raises:
            StoreError: it could not be written.
        """
        host = self._host()
        rows = kept_table(host, [KeptRecord(kind, name, time.time_ns() // 1000, json.dumps(value))])
        change = (
            Delete("ai_kept", rows.select(list(KEPT_KEYS)), KEPT_KEYS)
            if value is None
            else Upsert("ai_kept", rows, KEPT_KEYS)
        )
        self._commit([change])

    def kept(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """By name."""
        rows = _rows(self._store.query("ai_kept", host=self._host(), kind=kind))
        return {row["name"]: json.loads(row["value"]) for row in rows}


def run_row(report: BenchmarkReport) -> dict[str, Any]:
    """A row of the history."""
    run, _ = to_records(report)
    return {
        "benchmark": run.benchmark, "started": run.started, "ended": run.ended, "state": run.state, "reference": run.reference,
        "backends": run.backends, "verdict": run.verdict, "blocks": run.blocks, "flagged": run.flagged, "replay_of": run.replay_of,
        "manifest_sha256": run.manifest_sha256,
    }  # fmt: skip


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _read(row: Mapping[str, Any]) -> BenchmarkReport | None:
    try:
        return from_json(row["report"])
    except ValidationError:
        return None  # written by another version
