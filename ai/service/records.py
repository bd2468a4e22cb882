"""What is kept of calls and benchmarks: rows of the store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
from pydantic import ValidationError

from ai.benchmark import BenchmarkReport, from_json, to_records
from ai.records import CallRecord, calls_table, runs_table, samples_table
from monitor.store.interface import Append, Change, Store


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


class NoRecords:
    """Keeps what happens in memory only: for a command that runs without an agent, and for tests."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []
        self.kept: list[BenchmarkReport] = []

    def call(self, record: CallRecord) -> None:
        """Keep a call."""
        self.calls.append(record)

    def benchmark(self, report: BenchmarkReport) -> None:
        """Keep a benchmark."""
        self.kept.insert(0, report)

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Newest first."""
        return [run_row(report) for report in self.kept[:limit]]

    def reports(self, limit: int) -> list[BenchmarkReport]:
        """Newest first."""
        return self.kept[:limit]

    def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        return next((report for report in self.kept if report.id == benchmark), None)


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
