"""What the service keeps of calls, benchmarks, drift and adopted settings."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

from ai.shapes.benchmark import HistoryRow
from ai.shapes.engines import CallRecord
from ai.shapes.report import BenchmarkReport

REPORTS: Final = 20
"""Newest reports that figures, scores and the history go by."""
Kind = Literal["drift", "settings"]
"""`drift`: a back end has become slower; `settings`: how a model is loaded on this machine."""


class Records(Protocol):
    """Where calls and benchmarks are kept. `call` must be quick; the others may block and are called on threads."""

    @property
    def lasting(self) -> bool:
        """Whether what is kept is there after a restart."""
        ...

    def call(self, record: CallRecord) -> None:
        """Keep a call."""
        ...

    def benchmark(self, report: BenchmarkReport) -> None:
        """Keep a benchmark.

        Raises:
            RecordsError: it could not be written.
        """
        ...

    def history(self, limit: int) -> list[HistoryRow]:
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
            RecordsError: it could not be written.
        """
        ...

    def kept(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """What is kept of a kind, by name."""
        ...


class NoRecords:
    """Keeps what happens in memory only: for a command that runs without an agent, and for tests."""

    lasting = False

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

    def history(self, limit: int) -> list[HistoryRow]:
        """Newest first."""
        return [history_row(report) for report in self.benchmarks[:limit]]

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


def history_row(report: BenchmarkReport) -> HistoryRow:
    """A benchmark as the history lists it."""
    return HistoryRow(
        benchmark=report.id, started=report.started, ended=report.ended, state=report.state, reference=report.reference or "",
        backends=", ".join(c.name for c in report.contenders), verdict=report.sentence, blocks=report.blocks,
        flagged=sum(c.flagged for c in report.contenders), replay_of=report.plan.replay_of, manifest_sha256=report.manifest_sha256,
    )  # fmt: skip
