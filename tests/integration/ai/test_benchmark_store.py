"""The AI tables in a real store."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ai.benchmark import BenchmarkPlan, BenchmarkReport
from ai.core.errors import RecordsError
from ai.shapes.engines import CallRecord
from ai.shapes.report import SampleRow
from monitor.agent.ai_records import StoreRecords
from monitor.core.errors import StoreFull
from monitor.store.duckdb import open_store
from monitor.store.interface import Change, Store

NOW = 1_700_000_000_000_000


def _call(call: str, attempt: int, outcome: str, backend: str = "a", ttft: float | None = 0.1) -> CallRecord:
    return CallRecord(
        call, attempt, NOW + attempt, "analysis", backend, "llamacpp", "m", outcome, "", 1.0, ttft, 50.0, "reported"
    )


REPORT = BenchmarkReport(
    id="x1", started=NOW, ended=NOW + 5, state="done", plan=BenchmarkPlan(), reference="a", contenders=[], sentence="b is faster",
    samples=[SampleRow(ts=NOW, block=0, position=0, backend="a", prompt="summary", flags=["cold", "late"], rate=9.0, rate_origin="measured")],
)  # fmt: skip


def records_in(store: Store) -> StoreRecords:
    """Records that are written at once."""
    return StoreRecords(store, lambda build: store.write(build()), store.write, lambda: "h")


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
    records = records_in(store)
    for call in calls:
        records.call(call)
    records.benchmark(REPORT)
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
    records = records_in(filled)
    (row,) = records.history(10)
    (sample,) = filled.select("SELECT * FROM benchmark_samples WHERE benchmark = 'x1'").to_pylist()
    other = filled.query("ai_benchmark_history", host="other", limit=10).to_pylist()
    kept = (records.report("x1"), records.report("x2"), records.reports(5))
    filled.close()
    assert (row.verdict, row.ended) == ("b is faster", NOW + 5)
    assert kept == (REPORT, None, [REPORT])
    assert (sample["used"], sample["flags"], sample["tokens_per_s"]) == (True, "cold, late", 9.0)
    assert other == []


def test_what_the_store_refuses_is_an_error_of_the_records(tmp_path: Path) -> None:
    """`ai` knows nothing of the store: whoever asks gets its error, with the store's words."""

    def full(_: Sequence[Change]) -> None:
        raise StoreFull("There is no space left.", hint="Make room.")

    store = open_store(tmp_path, limit_bytes=256 * 1024 * 1024, now=lambda: NOW)
    records = StoreRecords(store, lambda _: None, full, lambda: "h")
    with pytest.raises(RecordsError) as refused:
        records.keep("drift", "a", {"sentence": "slower"})
    store.close()
    assert (refused.value.message, refused.value.hint) == ("There is no space left.", "Make room.")
    with pytest.raises(RecordsError):
        records.kept("drift")
