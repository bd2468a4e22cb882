"""One benchmark at a time: begun, followed, cancelled, kept, repeated; on scripted engines."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ai.backends.scripted import Script, ScriptedBackend
from ai.benchmark.guards import Readings
from ai.protocol import Backend
from ai.service.bench import BenchmarkDesk
from ai.service.candidates import Candidate
from ai.service.config import AiConfig
from ai.service.errors import BenchmarkBusy, NoEngine
from ai.service.options import BenchmarkOptions
from ai.service.records import NoRecords
from tests.ai.kit import until

QUICK = BenchmarkOptions(depth="quick", budget_s=30, max_blocks=10, batches=[1, 2], postings=0, max_tokens=6)


class Quiet:
    """A machine on which nothing else runs."""

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:  # noqa: ARG002 - as the protocol has it
        """Now."""
        now = time.monotonic()
        return Readings(now, now, now, 2, busy_s=0.0, own_s=0.0)


class Bench:
    """A benchmark desk over scripted engines, and what it kept."""

    def __init__(self, folder: Path, **scripts: Script) -> None:
        self.made: list[ScriptedBackend] = []
        self.records = NoRecords()
        self.told: list[str] = []
        self.rested = 0
        self.candidates = [self._candidate(name, script) for name, script in scripts.items()]
        self.config = AiConfig(log_dir=folder)
        self.desk = BenchmarkDesk(
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
        bench = Bench(tmp_path, slow=Script(ttft=0.01, per_token=0.04), fast=Script(ttft=0.01, per_token=0.003))
        assert bench.desk.state() == {"state": "idle"}
        started = await bench.desk.start(QUICK)
        with pytest.raises(BenchmarkBusy):
            await bench.desk.start(QUICK)
        seen: list[dict[str, Any]] = []

        def at_pairs() -> bool:
            seen.append(bench.desk.state())
            return any(seen[-1].get("ratios", {}).get("fast", []))

        await until(at_pairs, 20)
        assert [s["step"] for s in seen[-1]["steps"]] == ["load", "warm-up", "pairs", "batches"]
        assert seen[-1]["left_s"] > 0
        assert seen[-1]["first_figure_s"] is not None
        report = await bench.desk.wait()
        assert report is not None
        assert report.id == started == bench.told[0]
        assert report.comparisons[0].kind == "faster"
        assert report.host["kind"] == "engines"
        assert bench.desk.state()["state"] == "done"
        assert bench.desk.state()["verdict"] == report.sentence
        assert bench.rested == 1
        assert bench.records.report(started) == report
        line = (tmp_path / "ai_backend_benchmark.log").read_text("utf-8").splitlines()[0]
        assert json.loads(line)["id"] == started

    asyncio.run(run())


def test_cancelling_keeps_what_was_measured(tmp_path: Path) -> None:
    """The report of a cancelled benchmark has its pairs, and says that it was cancelled."""

    async def run() -> None:
        bench = Bench(tmp_path, one=Script(), two=Script())
        await bench.desk.start(QUICK.model_copy(update={"max_blocks": 500, "budget_s": 600}))
        await until(lambda: len(bench.desk.state()["ratios"].get("two", [])) >= 2, 20)
        assert bench.desk.cancel()
        report = await bench.desk.wait()
        assert report is not None
        assert report.state == "cancelled"
        assert report.blocks >= 2
        assert bench.desk.state()["state"] == "cancelled"
        assert not bench.desk.cancel()

    asyncio.run(run())


def test_quality_tells_its_answers_and_can_be_cancelled(tmp_path: Path) -> None:
    """Posting by posting it says how many are answered and how long it will take; cancelled there, the verdict on speed is kept."""

    async def run() -> None:
        said = '{ "title" : null , "skills" : [ ] }'
        slow, fast = Script(ttft=0.005, per_token=0.02, answer=said), Script(ttft=0.005, per_token=0.002, answer=said)
        bench = Bench(tmp_path, slow=slow, fast=fast)
        await bench.desk.start(QUICK.model_copy(update={"postings": 60}))

        def answering() -> bool:
            return "answer" in bench.desk.state().get("message", "")

        await until(answering, 30)
        now = bench.desk.state()
        assert now["phase"] == "quality"
        assert now["message"].startswith("Quality of slow, ")
        assert now["left_s"] >= 1
        assert now["figures"][1]["tokens_per_s"] > now["figures"][0]["tokens_per_s"]
        assert bench.desk.cancel()
        report = await bench.desk.wait()
        assert report is not None
        assert report.state == "cancelled"
        assert report.comparisons[0].kind == "faster"

    asyncio.run(run())


def test_closing_ends_a_benchmark_at_once(tmp_path: Path) -> None:
    """The agent's end does not wait for a measurement."""

    async def run() -> None:
        bench = Bench(tmp_path, one=Script(ttft=30.0), two=Script(ttft=30.0))
        await bench.desk.start(QUICK)
        await until(lambda: bench.desk.state()["phase"] == "warm-up", 20)
        async with asyncio.timeout(5):
            await bench.desk.close()
        assert not bench.desk.running
        assert bench.desk.state()["state"] == "cancelled"

    asyncio.run(run())


def test_a_single_engine_is_measured_against_itself_and_says_so(tmp_path: Path) -> None:
    """One engine alone: two contenders of it, no verdict of a winner, and a note that says why."""

    async def run() -> None:
        bench = Bench(tmp_path, only=Script(ttft=0.004, per_token=0.002, jitter=0.02))
        await bench.desk.start(QUICK)
        report = await bench.desk.wait()
        assert report is not None
        assert [c.name for c in report.contenders] == ["only", "only again"]
        assert report.host["kind"] == "self-check"
        assert "Only is the only engine that can be used here" in report.notes[0]

    asyncio.run(run())


def test_without_an_engine_it_is_refused(tmp_path: Path) -> None:
    """Nothing to measure is an error with a hint, not an empty report."""
    bench = Bench(tmp_path)
    with pytest.raises(NoEngine) as refused:
        asyncio.run(bench.desk.start(QUICK))
    assert refused.value.hint


def test_a_repetition_says_whether_it_agrees(tmp_path: Path) -> None:
    """A replay has the same plan, names what it repeats, and compares the two."""

    async def run() -> None:
        bench = Bench(tmp_path, slow=Script(per_token=0.02), fast=Script(per_token=0.002))
        await bench.desk.start(QUICK)
        first = await bench.desk.wait()
        assert first is not None
        await bench.desk.start(BenchmarkOptions(kind="engines", postings=0), first)
        second = await bench.desk.wait()
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
        await bench.desk.start(QUICK)
        report = await bench.desk.wait()
        assert report is not None
        assert bench.desk.state()["state"] == "done"
        assert "could not be kept" in bench.desk.state()["error"]

    asyncio.run(run())
