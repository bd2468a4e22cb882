"""The AI tables in a real store."""

import json
from pathlib import Path

import pytest

from ai.records import BenchmarkRunRecord, BenchmarkSampleRecord, CallRecord, calls_table, runs_table, samples_table
from monitor.store import Append, Store, open_store

NOW = 1_700_000_000_000_000


def _call(call: str, attempt: int, outcome: str, backend: str = "a", ttft: float | None = 0.1) -> CallRecord:
    return CallRecord(
        call, attempt, NOW + attempt, "analysis", backend, "llamacpp", "m", outcome, "", 1.0, ttft, 50.0, "reported"
    )


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    """A store with calls and a benchmark, closed by the test."""
    store = open_store(tmp_path, limit_bytes=256 * 1024 * 1024, now=lambda: NOW)
    calls = [
        _call("one", 1, "answered"),
        _call("two", 1, "BackendDown", ttft=None),
        _call("two", 2, "answered", "b"),
        _call("three", 1, "BackendTimeout"),
    ]
    run = BenchmarkRunRecord(
        "x1", NOW, NOW + 5, "done", "a", "a, b", "b is faster", 9, 1, None, "hash", json.dumps({"id": "x1"})
    )
    sample = BenchmarkSampleRecord(
        "x1", NOW, 0, 0, "a", 1, "summary", True, "", 1.0, 0.1, 9.0, "measured", None, 5, 8, None, None
    )
    store.write(
        [
            Append("ai_calls", calls_table("h", calls)),
            Append("benchmark_runs", runs_table("h", [run])),
            Append("benchmark_samples", samples_table("h", [sample])),
        ]
    )
    return store


def test_calls_are_counted_by_request(filled: Store) -> None:
    """A request that fell back is one request answered by fallback; one without an answer is unanswered."""
    (totals,) = filled.query("ai_calls_totals", host="h", since=NOW - 10).to_pylist()
    recent = filled.query("ai_calls_recent", host="h", limit=2).to_pylist()
    figures = {row["backend"]: row for row in filled.query("ai_calls_figures", host="h", since=0).to_pylist()}
    filled.close()
    assert totals == {"requests": 3, "answered": 2, "by_fallback": 1, "unanswered": 1}
    assert [row["attempt"] for row in recent] == [2, 1]
    assert (figures["a"]["calls"], figures["a"]["errors"], figures["b"]["ttft_p50_s"]) == (3, 2, 0.1)


def test_a_benchmark_is_found_with_its_measurements(filled: Store) -> None:
    """History, report and raw measurements come back, for this host only."""
    (row,) = filled.query("ai_benchmark_history", host="h", limit=10).to_pylist()
    (report,) = filled.query("ai_benchmark_run", host="h", benchmark="x1").to_pylist()
    (newest,) = filled.query("ai_benchmark_reports", host="h", limit=5).to_pylist()
    samples = filled.select("SELECT used FROM benchmark_samples WHERE benchmark = 'x1'").to_pylist()
    other = filled.query("ai_benchmark_history", host="other", limit=10).to_pylist()
    filled.close()
    assert row["verdict"] == "b is faster"
    assert json.loads(report["report"]) == json.loads(newest["report"]) == {"id": "x1"}
    assert samples[0]["used"]
    assert other == []
