"""`HybridAIBackend` on scripted engines with faults."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from ai.analysis.ask import NoAnswer
from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, Contender
from ai.benchmark.samples.guards import Readings
from ai.benchmark.watch import NoMeter
from ai.core.errors import Cancelled, ContextOverflow
from ai.core.types import Deadlines, GenRequest, LoadSpec, Message
from ai.router import BreakerPolicy, DriftAlarm, HybridAIBackend, Member, Policy
from ai.service.benchmarks.scores import scores
from ai.shapes.engines import CallRecord
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.waiting import patient, wait_until_async

REQUEST = GenRequest((Message("user", "How are you today?"),), max_tokens=4)
QUICK = Deadlines(connect_s=0.2, load_s=1, first_token_s=0.3, between_tokens_s=0.3, total_s=2)


class Still:
    """A machine on which nothing happens."""

    def read(self, engine_pids: Sequence[int] = ()) -> Readings:  # noqa: ARG002 - as the protocol has it
        """Now."""
        now = time.monotonic()
        return Readings(now, now, now, 2)


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class World:
    """Two scripted engines behind one door."""

    def __init__(self, deadlines: Deadlines = QUICK, **second: object) -> None:
        self.clock = Clock()
        self.calls: list[CallRecord] = []
        self.alarms: list[DriftAlarm] = []
        self.first = ScriptedBackend("first", Script(ttft=0.001, per_token=0.0005, tokens=4))
        self.second = ScriptedBackend("second", Script(ttft=0.001, per_token=0.0005, tokens=4, **second))
        self.hybrid = HybridAIBackend(
            [Member(self.first, LoadSpec("m")), Member(self.second, LoadSpec("m"))],
            policy=Policy(preferred=("first", "second")),
            breaker=BreakerPolicy(cool_down_s=10),
            deadlines=deadlines,
            sink=self.calls.append,
            on_drift=self.alarms.append,
            clock=self.clock,
        )

    async def settle(self) -> None:
        """Let probes that run aside come to their end."""
        await wait_until_async(lambda: all(state.breaker != "half-open" for state in self.hybrid.states()))


def play(scene: Callable[[World], Coroutine[Any, Any, None]], **world: Any) -> World:
    """Run a scene and close everything."""

    async def whole() -> World:
        made = World(**world)
        try:
            await scene(made)
        finally:
            await made.hybrid.close()
        return made

    return asyncio.run(whole())


def test_the_first_backend_answers_and_the_call_is_noted() -> None:
    """An answered request leaves one record with its figures and the reason for the choice."""

    async def scene(world: World) -> None:
        reply = await world.hybrid.ask(REQUEST)
        assert (reply.name, reply.backend) == ("first", "scripted")

    world = play(scene)
    (call,) = world.calls
    assert (call.backend, call.outcome, call.attempt) == ("first", "answered", 1)
    assert call.ttft_s is not None
    assert call.tokens_per_s is not None
    assert "first is used because" in call.explanation


@pytest.mark.parametrize(
    "fault",
    [
        "down",
        "hang",
        "hang midway",
        "cut",
        "overloaded",
        "out of memory",
        "model missing",
        "bad request",
        "context overflow",
    ],
)
def test_every_failure_falls_back(fault: Any) -> None:
    """Whatever the first backend does, the second answers, and both tries are told."""

    async def scene(world: World) -> None:
        world.first.fault = fault
        reply = await world.hybrid.ask(REQUEST)
        assert reply.name == "second"
        assert [a.backend for a in reply.attempts] == ["first", "second"]

    world = play(scene)
    assert [c.outcome == "answered" for c in world.calls] == [False, True]
    assert len({c.call for c in world.calls}) == 1


@pytest.mark.parametrize("fault", ["model missing", "context overflow", "bad request"])
def test_what_is_no_outage_leaves_the_circuit_closed(fault: Any) -> None:
    """A prompt that is too long, or a model that is not there, does not open the circuit."""

    async def scene(world: World) -> None:
        world.first.fault = fault
        for _ in range(5):
            await world.hybrid.ask(REQUEST)
        assert {s.name: s.breaker for s in world.hybrid.states()} == {"first": "closed", "second": "closed"}

    play(scene)


def test_an_outage_costs_little_loses_nothing_and_is_probed_once_a_cool_down() -> None:
    """After the first failure no answer waits for the engine that is out, none is lost, and there is one probe a cool-down."""
    probes: list[int] = []

    async def scene(world: World) -> None:
        world.first.fault = "hang"
        await world.hybrid.ask(REQUEST)
        seen = world.first.calls
        for second in range(60):
            world.clock.now = float(second)
            reply = await world.hybrid.ask(REQUEST)
            assert [attempt.backend for attempt in reply.attempts] == ["second"]
            await world.settle()
        probes.append(world.hybrid.states()[0].probes)
        assert world.first.calls - seen <= probes[0]

    world = play(scene)
    assert len([c for c in world.calls if c.outcome == "answered"]) == 61
    assert probes[0] <= 60 // 10


def test_a_recovered_engine_is_used_again_after_one_cool_down() -> None:
    """The probe that finds it well closes the circuit."""

    async def scene(world: World) -> None:
        world.first.fault = "down"
        await world.hybrid.ask(REQUEST)
        world.first.fault = None
        assert (await world.hybrid.ask(REQUEST)).name == "second"
        world.clock.now = 10.0
        await world.hybrid.ask(REQUEST)
        await world.settle()
        assert (await world.hybrid.ask(REQUEST)).name == "first"
        assert world.hybrid.states()[0].breaker == "closed"

    play(scene)


def test_when_all_rest_the_last_resort_is_a_probe_by_the_request_itself() -> None:
    """With every circuit open nothing is asked until a cool-down ends; then the request is the probe."""

    async def scene(world: World) -> None:
        world.first.fault = world.second.fault = "down"
        with pytest.raises(NoAnswer):
            await world.hybrid.ask(REQUEST)
        with pytest.raises(NoAnswer, match="paused"):
            await world.hybrid.ask(REQUEST)
        world.first.fault = None
        world.clock.now = 10.0
        assert (await world.hybrid.ask(REQUEST)).name == "first"

    play(scene)


def test_the_deadline_covers_all_tries() -> None:
    """Two engines that hang cost one deadline together, not two."""
    deadlines = Deadlines(connect_s=0.2, load_s=1, first_token_s=30, between_tokens_s=30, total_s=0.5)

    async def scene(world: World) -> None:
        world.first.fault = world.second.fault = "hang"
        async with asyncio.timeout(patient(2)):
            with pytest.raises(NoAnswer) as caught:
                await world.hybrid.ask(REQUEST)
        assert len(caught.value.attempts) == 2

    play(scene, deadlines=deadlines)


def test_an_overflow_everywhere_is_told_as_such() -> None:
    """When no context is long enough the error says so, so that the caller can shorten."""

    async def scene(world: World) -> None:
        world.first.fault = "context overflow"
        world.second.fault = "down"
        with pytest.raises(NoAnswer) as caught:
            await world.hybrid.ask(REQUEST)
        assert isinstance(caught.value.last, ContextOverflow)

    play(scene)


def test_cancelling_is_no_failure() -> None:
    """A cancelled request raises Cancelled, tries nobody else and opens nothing."""

    async def scene(world: World) -> None:
        world.first.fault = "hang"
        cancel = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, cancel.set)
        with pytest.raises(Cancelled):
            await world.hybrid.ask(REQUEST, cancel=cancel)
        assert world.hybrid.states()[0].breaker == "closed"

    assert play(scene).second.calls == 0


def test_requests_at_the_same_time_all_come_back_in_an_outage() -> None:
    """Forty requests at once while the first engine dies: none is lost."""

    async def scene(world: World) -> None:
        async def one(at: int) -> str:
            if at == 20:
                world.first.fault = "cut"
            return (await world.hybrid.ask(REQUEST)).name

        names = await asyncio.gather(*(one(i) for i in range(40)))
        assert len(names) == 40

    play(scene)


def test_a_slower_engine_is_noticed_from_live_calls() -> None:
    """When answers become half as fast, an alarm proposes a new benchmark."""

    async def scene(world: World) -> None:
        world.first.script = Script(ttft=0.004, per_token=0.002, tokens=4, slowdown=lambda n: 1.0 if n < 40 else 2.5)
        for _ in range(75):
            await world.hybrid.ask(REQUEST)

    world = play(scene)
    assert world.alarms
    assert world.alarms[0].backend == "first"


def test_without_any_engine_a_posting_is_still_analysed() -> None:
    """The rules are the last fallback, and the result says who failed."""

    async def scene(world: World) -> None:
        world.first.fault = world.second.fault = "down"
        result = await world.hybrid.analyze_job_content("Python Engineer\nAcme Ltd is hiring in London. Python.")
        assert result.backend == "rules"
        assert result.title == "Python Engineer"
        assert [a.outcome for a in result.provenance.attempts] == ["BackendDown", "BackendDown"]

    play(scene)


def test_a_benchmark_decides_what_is_used() -> None:
    """The report's ratios become scores: a clearly faster engine takes over, and the sentence gives its interval."""
    plan = BenchmarkPlan(max_tokens=16, max_blocks=24, budget_s=30, batches=[], prompts=["summary"])

    async def scene(world: World) -> None:
        world.first.script = Script(ttft=0.02, per_token=0.012, tokens=256)
        world.second.script = Script(ttft=0.004, per_token=0.002, tokens=256)
        contenders = [Contender(e, LoadSpec("m")) for e in (world.first, world.second)]
        report = await AIBackendBenchmark(contenders, plan, watch=Still(), meter=NoMeter()).run()
        found = scores([report])
        assert found["first"].speed is not None
        for name, score in found.items():
            world.hybrid.set_score(name, score)
        choice = world.hybrid.choice()
        assert choice.chosen == "second"
        assert "95 % between" in choice.sentence

    play(scene)
