"""Calls, benchmarks, drift and adopted settings in the store: `ai_calls`, `benchmark_runs`, `benchmark_samples`, `ai_kept`."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa
from pydantic import ValidationError

from ai.benchmark import from_json
from ai.core.errors import RecordsError
from ai.service.context.records import Kind, history_row
from ai.shapes.benchmark import HistoryRow
from ai.shapes.engines import CallRecord
from ai.shapes.report import BenchmarkReport, SampleRow
from monitor.core.errors import StoreError
from monitor.store.interface import Append, Change, Delete, Store, Upsert

_TS: Final = pa.timestamp("us")
_CALLS: Final = pa.schema(
    [
        ("host", pa.string()), ("ts", _TS), ("call", pa.string()), ("attempt", pa.int32()), ("purpose", pa.string()), ("backend", pa.string()),
        ("engine", pa.string()), ("model", pa.string()), ("outcome", pa.string()), ("message", pa.string()), ("total_s", pa.float64()),
        ("ttft_s", pa.float64()), ("tokens_per_s", pa.float64()), ("tokens_per_s_origin", pa.string()), ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()), ("explanation", pa.string()),
    ]
)  # fmt: skip
_RUNS: Final = pa.schema(
    [
        ("host", pa.string()), ("benchmark", pa.string()), ("started", _TS), ("ended", _TS), ("state", pa.string()), ("reference", pa.string()),
        ("backends", pa.string()), ("verdict", pa.string()), ("blocks", pa.int32()), ("flagged", pa.int32()), ("replay_of", pa.string()),
        ("manifest_sha256", pa.string()), ("report", pa.string()),
    ]
)  # fmt: skip
_SAMPLES: Final = pa.schema(
    [
        ("host", pa.string()), ("benchmark", pa.string()), ("ts", _TS), ("block", pa.int32()), ("position", pa.int32()), ("backend", pa.string()),
        ("batch", pa.int32()), ("prompt", pa.string()), ("used", pa.bool_()), ("flags", pa.string()), ("total_s", pa.float64()),
        ("ttft_s", pa.float64()), ("tokens_per_s", pa.float64()), ("tokens_per_s_origin", pa.string()), ("prompt_tokens_per_s", pa.float64()),
        ("prompt_tokens", pa.int32()), ("completion_tokens", pa.int32()), ("energy_j", pa.float64()), ("error", pa.string()),
    ]
)  # fmt: skip
_KEPT: Final = pa.schema(
    [("host", pa.string()), ("kind", pa.string()), ("name", pa.string()), ("ts", _TS), ("value", pa.string())]
)
_KEPT_KEYS: Final = ("host", "kind", "name")


class StoreRecords:
    """The `Records` of the service, kept in the store.

    Args:
        store: for reading.
        append: queues rows and returns at once.
        commit: writes rows and returns when they are in; blocks.
        host: the machine's name in the store.
    """

    def __init__(
        self,
        store: Store,
        append: Callable[[Callable[[], Sequence[Change]]], object],
        commit: Callable[[Sequence[Change]], None],
        host: Callable[[], str],
    ) -> None:
        self._store, self._append, self._commit, self._host = store, append, commit, host

    lasting = True

    def call(self, record: CallRecord) -> None:
        """Queue a call; the store's thread makes the row."""
        host = self._host()
        self._append(lambda: [Append("ai_calls", _table(host, [asdict(record)], _CALLS))])

    def benchmark(self, report: BenchmarkReport) -> None:
        """Commit a benchmark with its measurements.

        Raises:
            RecordsError: it could not be written.
        """
        host = self._host()
        run = {**history_row(report).model_dump(), "report": report.model_dump_json()}
        samples = [_sample_row(report.id, sample) for sample in report.samples]
        self._write(
            Append("benchmark_runs", _table(host, [run], _RUNS)),
            Append("benchmark_samples", _table(host, samples, _SAMPLES)),
        )

    def history(self, limit: int) -> list[HistoryRow]:
        """Newest first."""
        return [HistoryRow.model_validate(row) for row in self._read("ai_benchmark_history", limit=limit)]

    def reports(self, limit: int) -> list[BenchmarkReport]:
        """Newest first; reports of a form that is no longer known are left out."""
        rows = self._read("ai_benchmark_reports", limit=limit)
        return [report for row in rows if (report := _report(row)) is not None]

    def report(self, benchmark: str) -> BenchmarkReport | None:
        """One report."""
        rows = self._read("ai_benchmark_run", benchmark=benchmark)
        return _report(rows[0]) if rows else None

    def recent(self, limit: int) -> list[CallRecord]:
        """Oldest first."""
        rows = self._read("ai_calls_recent", limit=limit)
        return [CallRecord(**{key: value for key, value in row.items() if key != "host"}) for row in rows[::-1]]

    def keep(self, kind: Kind, name: str, value: Mapping[str, Any] | None) -> None:
        """Commit a value, or that there is none.

        Raises:
            RecordsError: it could not be written.
        """
        row = {"kind": kind, "name": name, "ts": time.time_ns() // 1000, "value": json.dumps(value)}
        rows = _table(self._host(), [row], _KEPT)
        if value is None:
            self._write(Delete("ai_kept", rows.select(list(_KEPT_KEYS)), _KEPT_KEYS))
        else:
            self._write(Upsert("ai_kept", rows, _KEPT_KEYS))

    def kept(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """By name."""
        return {row["name"]: json.loads(row["value"]) for row in self._read("ai_kept", kind=kind)}

    def _read(self, query: str, **params: Any) -> list[dict[str, Any]]:
        with _store_errors():
            rows: list[dict[str, Any]] = self._store.query(query, host=self._host(), **params).to_pylist()
        return rows

    def _write(self, *changes: Change) -> None:
        with _store_errors():
            self._commit(changes)


@contextmanager
def _store_errors() -> Iterator[None]:
    """The store's errors as those that `ai` knows.

    Raises:
        RecordsError: the store said no.
    """
    try:
        yield
    except StoreError as error:
        raise RecordsError(error.message, hint=error.hint) from error


def _table(host: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table; values without a column are left out."""
    return pa.Table.from_pylist([{"host": host, **row} for row in rows], schema=schema)


def _sample_row(benchmark: str, sample: SampleRow) -> dict[str, Any]:
    return {
        **sample.model_dump(), "benchmark": benchmark, "flags": ", ".join(sample.flags), "tokens_per_s": sample.rate,
        "tokens_per_s_origin": sample.rate_origin, "prompt_tokens_per_s": sample.prompt_rate,
    }  # fmt: skip


def _report(row: Mapping[str, Any]) -> BenchmarkReport | None:
    try:
        return from_json(row["report"])
    except ValidationError:
        return None  # written by another version
