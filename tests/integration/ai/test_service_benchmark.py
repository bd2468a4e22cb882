"""One benchmark at a time: begun, followed, cancelled, kept, repeated; on scripted engines."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ai.benchmark.samples.guards import Readings
from ai.core.errors import BenchmarkBusy, InputError, NoEngine
from ai.core.protocol import Backend
from ai.service.benchmarks.runner import BenchmarkService
from ai.service.context.candidates import Candidate
from ai.service.context.config import AiConfig
from ai.service.context.records import NoRecords
from ai.shapes.benchmark import Benchmark, BenchmarkRequest
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.waiting import wait_until_async

QUICK = BenchmarkRequest(depth="quick", budget_s=30, max_blocks=10, batches=[1, 2], postings=0, max_tokens=6)


class Quiet:
    """A machine on which nothing else runs."""

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:  # noqa: ARG002 - as the protocol has it
        """Now."""
        now = time.monotonic()
        return Readings(now, now, now, 2, busy_s=0.0, own_s=0.0)


class Bench:
    """A benchmark service over scripted engines, and what it kept."""

    def __init__(self, folder: Path, records: NoRecords | None = None, **scripts: Script) -> None:
        self.made: list[ScriptedBackend] = []
        self.records = records or NoRecords()
        self.told: list[str] = []
        self.rested = 0
        self.candidates = [self._candidate(name, script) for name, script in scripts.items()]
        self.config = AiConfig(log_dir=folder)
        self.service = BenchmarkService(
            lambda: self.config, self._usable, self.records, facts=lambda: {"host": "h"}, watch=Quiet(), before=self._rest,
            after=lambda report: self.told.append(report.id),
        )  # fmt: skip

    def _candidate(self, name: str, script: Script) -> Candidate:
        def make(as_name: str) -> Backend:
            self.made.append(ScriptedBackend(as_name, script))
            return self.made[-1]

        return Candidate(name, "scripted", name.title(), "", "m", "m", None, make)

    async def _usable(self) -> list[Candidate]:
        return self.candidates

    async def _rest(self) -> None:
        self.rested += 1


def test_a_benchmark_is_followed_to_its_verdict_and_kept(tmp_path: Path) -> None:
    """Two engines, one twice as fast: steps and ratios on the way, then a report in records and log."""

    async def run() -> None:
        bench = Bench(tmp_path, slow=Script(ttft=0.01, per_token=0.05), fast=Script(ttft=0.01, per_token=0.012))
        assert bench.service.state() == Benchmark(state="idle")
        started = await bench.service.start(QUICK)
        with pytest.raises(BenchmarkBusy):
            await bench.service.start(QUICK)
        seen: list[Benchmark] = []

        def at_pairs() -> bool:
            seen.append(bench.service.state())
            return bool(seen[-1].ratios.get("fast"))

        await wait_until_async(at_pairs, seconds=20)
        assert [s.step for s in seen[-1].steps] == ["load", "warm-up", "pairs", "batches"]
        assert (seen[-1].left_s or 0) > 0
        assert seen[-1].first_figure_s is not None
        report = await bench.service.wait()
        assert report is not None
        assert report.id == started == bench.told[0]
        assert report.comparisons[0].kind == "faster"
        assert report.host["kind"] == "engines"
        assert bench.service.state().state == "done"
        assert bench.service.state().verdict == report.sentence
        assert bench.rested == 1
        assert bench.records.report(started) == report
        line = (tmp_path / "ai_backend_benchmark.log").read_text("utf-8").splitlines()[0]
        assert json.loads(line)["id"] == started

    asyncio.run(run())


def test_cancelling_keeps_what_was_measured(tmp_path: Path) -> None:
    """The report of a cancelled benchmark has its pairs, and says that it was cancelled."""

    async def run() -> None:
        bench = Bench(tmp_path, one=Script(), two=Script())
        await bench.service.start(QUICK.model_copy(update={"max_blocks": 500, "budget_s": 600}))
        await wait_until_async(lambda: (now := bench.service.state()).phase == "pairs" and now.done >= 2, seconds=20)
        assert bench.service.cancel()
        report = await bench.service.wait()
        assert report is not None
        assert report.state == "cancelled"
        assert report.blocks >= 2
        assert bench.service.state().state == "cancelled"
        assert not bench.service.cancel()

    asyncio.run(run())


def test_quality_tells_its_answers_and_can_be_cancelled(tmp_path: Path) -> None:
    """Posting by posting it says how many are answered and how long it will take; cancelled there, the verdict on speed is kept."""

    async def run() -> None:
        said = '{ "title" : null , "skills" : [ ] }'
        slow, fast = Script(ttft=0.005, per_token=0.06, answer=said), Script(ttft=0.005, per_token=0.012, answer=said)
        bench = Bench(tmp_path, slow=slow, fast=fast)
        await bench.service.start(QUICK.model_copy(update={"postings": 60}))

        def answering() -> bool:
            return "answered" in bench.service.state().message

        await wait_until_async(answering, seconds=30)
        now = bench.service.state()
        assert now.phase == "quality"
        assert now.message.startswith("Quality of slow, ")
        assert (now.left_s or 0) >= 1
        assert (now.figures[1].tokens_per_s or 0) > (now.figures[0].tokens_per_s or 0)
        assert bench.service.cancel()
        report = await bench.service.wait()
        assert report is not None
        assert report.state == "cancelled"
        assert report.comparisons[0].kind == "faster"

    asyncio.run(run())


def test_the_verdict_on_speed_stands_before_quality_is_measured(tmp_path: Path) -> None:
    """It is told while the rest goes on, with the time that the rest takes; the report says the same of speed."""

    async def run() -> None:
        said = '{ "title" : null , "skills" : [ ] }'
        slow, fast = Script(ttft=0.005, per_token=0.06, answer=said), Script(ttft=0.005, per_token=0.012, answer=said)
        bench = Bench(tmp_path, slow=slow, fast=fast)
        await bench.service.start(QUICK.model_copy(update={"postings": 2}))
        seen: list[Benchmark] = []

        def at_quality() -> bool:
            seen.append(bench.service.state())
            return seen[-1].phase == "quality"

        await wait_until_async(at_quality, seconds=40)
        now = seen[-1]
        assert now.state == "running"
        assert "fast" in now.verdict
        assert now.verdict_left_s is None
        assert (now.left_s or 0) >= 1
        before = [state for state in seen if state.phase == "pairs" and not state.verdict]
        assert all(state.verdict_left_s for state in before)
        assert all((state.left_s or 0) >= (state.verdict_left_s or 0) for state in before)
        report = await bench.service.wait()
        assert report is not None
        assert report.sentence.startswith(now.verdict.partition(" takes ")[0].rpartition(" ")[0])
        assert [c.quality.items for c in report.contenders if c.quality] == [2, 2]

    asyncio.run(run())


def test_quality_takes_as_many_postings_as_there_is_time_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decided by what the first ones took; both engines get the same."""
    monkeypatch.setattr("ai.service.benchmarks.progress.QUALITY_S", 0.001)

    async def run() -> None:
        said = '{ "title" : null , "skills" : [ ] }'
        script = Script(ttft=0.005, per_token=0.002, answer=said)
        bench = Bench(tmp_path, one=script, two=script)
        monkeypatch.setattr("ai.service.benchmarks.progress.Job.quality_limit_s", lambda _: 60.0)
        await bench.service.start(QUICK.model_copy(update={"postings": 20}))
        report = await bench.service.wait()
        assert report is not None
        assert [c.quality.items for c in report.contenders if c.quality] == [1, 1]

    asyncio.run(run())


def test_an_engine_that_is_named_wrongly_is_refused(tmp_path: Path) -> None:
    """Not dropped."""

    async def run() -> None:
        bench = Bench(tmp_path, one=Script(), two=Script())
        with pytest.raises(InputError, match="no engine 'too'"):
            await bench.service.start(QUICK.model_copy(update={"backends": ["one", "too"]}))
        assert not bench.service.running

    asyncio.run(run())


def test_closing_ends_a_benchmark_at_once(tmp_path: Path) -> None:
    """The agent's end does not wait for a measurement."""

    async def run() -> None:
        bench = Bench(tmp_path, one=Script(ttft=30.0), two=Script(ttft=30.0))
        await bench.service.start(QUICK)
        await wait_until_async(lambda: bench.service.state().phase == "warm-up", seconds=20)
        async with asyncio.timeout(5):
            await bench.service.close()
        assert not bench.service.running
        assert bench.service.state().state == "interrupted"

    asyncio.run(run())


def test_a_single_engine_is_measured_against_itself_and_says_so(tmp_path: Path) -> None:
    """One engine alone: two contenders of it, no verdict of a winner, and a note that says why."""

    async def run() -> None:
        bench = Bench(tmp_path, only=Script(ttft=0.004, per_token=0.002, jitter=0.02))
        await bench.service.start(QUICK)
        report = await bench.service.wait()
        assert report is not None
        assert [c.name for c in report.contenders] == ["only", "only again"]
        assert report.host["kind"] == "self-check"
        assert "Only is the only engine that can be used here" in report.notes[0]

    asyncio.run(run())


def test_without_an_engine_it_is_refused(tmp_path: Path) -> None:
    """Nothing to measure is an error with a hint, not an empty report."""
    bench = Bench(tmp_path)
    with pytest.raises(NoEngine) as refused:
        asyncio.run(bench.service.start(QUICK))
    assert refused.value.hint


def test_a_repetition_says_whether_it_agrees(tmp_path: Path) -> None:
    """A replay has the same plan, names what it repeats, and compares the two."""

    async def run() -> None:
        bench = Bench(tmp_path, slow=Script(per_token=0.02), fast=Script(per_token=0.002))
        await bench.service.start(QUICK)
        first = await bench.service.wait()
        assert first is not None
        await bench.service.start(BenchmarkRequest(kind="engines", postings=0), first)
        second = await bench.service.wait()
        assert second is not None
        assert second.plan.replay_of == first.id
        assert second.plan.seed == first.plan.seed
        assert second.notes[0].startswith("The repetition ")

    asyncio.run(run())


def test_a_log_that_cannot_be_written_does_not_lose_the_report(tmp_path: Path) -> None:
    """The folder is a file: the benchmark is shown all the same, with what went wrong."""
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")

    async def run() -> None:
        bench = Bench(blocked, one=Script(), two=Script())
        await bench.service.start(QUICK)
        report = await bench.service.wait()
        assert report is not None
        assert bench.service.state().state == "done"
        assert "could not be kept" in bench.service.state().error

    asyncio.run(run())
