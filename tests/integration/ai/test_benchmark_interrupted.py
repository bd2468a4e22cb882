"""A benchmark whose program ends midway: killed, stopped, or failed. Its measurements and the reason come into the history."""

import asyncio
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ai.benchmark import BenchmarkReport, Journal, interrupted
from ai.core.errors import RecordsError
from ai.service.context.records import NoRecords
from ai.shapes.benchmark import BenchmarkRequest
from tests.doubles.scripted_backend import Script
from tests.integration.ai.test_service_benchmark import QUICK, Bench
from tests.waiting import patient, wait_until_async

LONG = QUICK.model_copy(update={"max_blocks": 500, "budget_s": 600})
KILLED = """
import asyncio, sys
from pathlib import Path
from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, Contender, Journal
from ai.core.types import LoadSpec
from tests.doubles.scripted_backend import Script, ScriptedBackend

def told(progress):
    if progress.phase == "pairs" and progress.done >= 3:
        print("three", flush=True)

engines = [Contender(ScriptedBackend(name, Script(ttft=0.001, per_token=0.001)), LoadSpec("m")) for name in ("one", "two")]
journal = Journal(Path(sys.argv[1]), "abc", note="A note.")
plan = BenchmarkPlan(max_blocks=500, budget_s=600, settle=0.0001, max_tokens=8)
asyncio.run(AIBackendBenchmark(engines, plan, draft=journal).run(on_progress=told))
"""


class Lasting(NoRecords):
    """Records that are there after a restart; `full` while they take nothing."""

    lasting = True
    full = False

    def benchmark(self, report: BenchmarkReport) -> None:
        """Keep it, unless full."""
        if self.full:
            raise RecordsError("The disk is full.", hint="")
        super().benchmark(report)


async def _running(bench: Bench, wanted: BenchmarkRequest = LONG) -> str:
    """A benchmark that has measured some pairs."""
    started = await bench.service.start(wanted)
    await wait_until_async(lambda: bench.service.state().measurements >= 8, seconds=20)
    return started


def _bench(folder: Path, records: NoRecords, **scripts: Script) -> Bench:
    return Bench(folder, records=records, **(scripts or {"one": Script(), "two": Script()}))


def test_a_killed_program_leaves_its_samples(tmp_path: Path) -> None:
    """After SIGKILL the journal gives a report of what was measured, and says why, also where there was none yet; while the program runs it gives none."""
    program = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "three\n"
        assert list(interrupted(tmp_path)) == []
    finally:
        program.send_signal(signal.SIGKILL)
        program.communicate(timeout=patient(20))
    (path,) = tmp_path.glob("*.journal")
    with path.open("ab") as torn:
        torn.write(b'{"sample": {"ts": 1, "blo')
    (found,) = interrupted(tmp_path)
    report = found.report
    assert report is not None
    assert (report.id, report.state, report.notes[0]) == ("abc", "interrupted", "A note.")
    assert report.blocks >= 3
    assert len([s for s in report.samples if s.backend == "one" and s.paired]) >= 6
    assert "killed" in report.stopped_because
    assert f"Interrupted after {report.blocks} blocks" in report.sentence
    assert all(c.load is not None for c in report.contenders)
    measured = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in measured if not line.startswith(b'{"sample"')))
    (early,) = interrupted(tmp_path)
    assert early.report is not None
    assert "there was no measurement yet. Interrupted before the first block was complete: " in early.report.sentence
    found.forget()
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_agent_keeps_the_benchmark_for_the_next_one(tmp_path: Path) -> None:
    """It is stopped while it measures; the next service has the benchmark in its history and its log, once."""

    async def run() -> None:
        bench = _bench(tmp_path, Lasting())
        started = await _running(bench)
        await bench.service.close()
        assert bench.service.state().state == "interrupted"
        after = _bench(tmp_path, Lasting())
        await after.service.recovered()
        await after.service.recovered()
        (row,) = after.records.history(10)
        assert (row.benchmark, row.state) == (started, "interrupted")
        assert "Watchkeeper was stopped" in (row.verdict or "")
        report = after.records.report(started)
        assert report is not None
        assert report.samples

    asyncio.run(run())
    assert [path.name for path in tmp_path.iterdir()] == ["ai_backend_benchmark.log"]


def test_a_command_without_an_agent_leaves_the_journal_to_one(tmp_path: Path) -> None:
    """Records in memory alone take nothing over: it would be lost with them."""

    async def run() -> None:
        bench = _bench(tmp_path, NoRecords())
        await _running(bench)
        await bench.service.close()
        other = _bench(tmp_path, NoRecords())
        await other.service.recovered()
        assert other.records.history(10) == []

    asyncio.run(run())
    assert len(list(tmp_path.glob("*.journal"))) == 1


def test_a_failure_keeps_what_was_measured(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fault in the program itself ends the benchmark; the history says so and has the measurements."""

    async def run() -> None:
        calls = 0

        def fault(_: int) -> float:
            nonlocal calls
            calls += 1
            if calls > 12:  # soon: a busy machine ends a benchmark early
                raise ZeroDivisionError
            return 1.0

        bench = _bench(tmp_path, Lasting(), one=Script(slowdown=fault), two=Script())
        await _running(bench)
        await bench.service.wait()
        assert bench.service.state().state == "failed"
        await bench.service.recovered()
        (row,) = bench.records.history(10)
        assert row.state == "interrupted"
        assert "the benchmark failed" in (row.verdict or "")

    with caplog.at_level(logging.CRITICAL):
        asyncio.run(run())


def test_a_report_that_could_not_be_kept_is_kept_later(tmp_path: Path) -> None:
    """The store takes nothing at the end of the benchmark: the next start finds the whole report."""

    async def run() -> None:
        records = Lasting()
        bench = _bench(tmp_path, records)
        records.full = True
        started = await bench.service.start(QUICK)
        report = await bench.service.wait()
        assert report is not None
        assert "could not be kept" in bench.service.state().error
        after = _bench(tmp_path, Lasting())
        await after.service.recovered()
        assert after.records.report(started) == report

    asyncio.run(run())


def test_a_disk_that_takes_nothing_costs_the_journal_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The benchmark goes on without a journal, and the log says so."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with caplog.at_level(logging.WARNING):
        journal = Journal(blocked / "below", "x")
        journal.ended("why")
        journal.close(remove=True)
    assert "only kept once it has ended" in caplog.text
