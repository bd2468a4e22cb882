"""What `HybridAIBackend` promises of time, of engines that misbehave, and of what it keeps: each test fails without the line that keeps it."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from ai.analysis.ask import NoAnswer
from ai.core.errors import BackendDown, BadOutput
from ai.core.types import Deadlines, Event, GenRequest, LoadReport, LoadSpec, Message
from ai.router import BreakerPolicy, CircuitBreaker, DriftDetector, HybridAIBackend, Member, Policy, Score, choose
from ai.router.drift import LEARN
from ai.router.rolling_metrics import LiveWindow
from ai.shapes.engines import CallRecord
from ai.statistics.intervals import Interval
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.waiting import patient, wait_until_async

REQUEST = GenRequest((Message("user", "How are you today?"),), max_tokens=4)
PATIENT = Deadlines(connect_s=0.2, load_s=30, first_token_s=30, between_tokens_s=30, total_s=1.0)
"""Only the deadline of the whole call ends anything."""


class Odd(ScriptedBackend):
    """An engine with habits that the script does not know."""

    def __init__(self, name: str, script: Script | None = None) -> None:
        super().__init__(name, script or Script(ttft=0.001, per_token=0.0005, tokens=4))
        self.garbled = 0
        self.loads_for_ever = False
        self.loading = self.most_loading = 0
        self.closed = False

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Counts who loads at the same time; may keep no deadline at all."""
        self.loading += 1
        self.most_loading = max(self.most_loading, self.loading)
        try:
            await (asyncio.Event().wait() if self.loads_for_ever else asyncio.sleep(0.01))
            return await super().ensure_loaded(spec, deadline_s=deadline_s)
        finally:
            self.loading -= 1

    async def stream(self, request: GenRequest, **more: Any) -> AsyncGenerator[Event, None]:
        """Answers so many times with something that is no answer."""
        if self.garbled:
            self.garbled -= 1
            raise BadOutput("that was no answer", backend=self.name)
        async for event in super().stream(request, **more):
            yield event

    async def close(self) -> None:
        """Noted."""
        self.closed = True


class World:
    """Some engines behind one door, with a clock moved by hand."""

    def __init__(self, count: int = 2, *, policy: Policy | None = None, deadlines: Deadlines = PATIENT) -> None:
        self.now = 0.0
        self.engines = [Odd(name) for name in ("first", "second", "third", "fourth")[:count]]
        self.hybrid = HybridAIBackend(
            [Member(engine, LoadSpec("m")) for engine in self.engines],
            policy=policy or Policy(preferred=tuple(engine.name for engine in self.engines)),
            breaker=BreakerPolicy(cool_down_s=10), deadlines=deadlines, clock=lambda: self.now,
        )  # fmt: skip

    def breakers(self) -> dict[str, str]:
        """The state of each circuit."""
        return {state.name: state.breaker for state in self.hybrid.states()}


def play(world: World, scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene and close everything."""

    async def whole() -> None:
        try:
            await scene
        finally:
            await world.hybrid.close()

    asyncio.run(whole())
    assert all(engine.closed for engine in world.engines)


@pytest.mark.parametrize("fault", ["hang", "hang midway"])
def test_an_engine_that_hangs_leaves_the_next_one_time(fault: Any) -> None:
    """Whether it hangs while it loads or in the middle of its answer, it has a part of the call's time and no more."""
    world = World()
    world.engines[0].fault = fault

    async def scene() -> None:
        reply = await world.hybrid.ask(REQUEST)
        assert reply.name == "second"
        assert reply.attempts[0].seconds < 0.95

    play(world, scene())


def test_an_engine_that_trickles_is_left_in_time() -> None:
    """It is never late with a piece, and would take ten times as long as the call has."""
    world = World()
    world.engines[0].script = Script(ttft=0.001, per_token=0.1, tokens=100)

    async def scene() -> None:
        reply = await world.hybrid.ask(replace(REQUEST, max_tokens=100))
        assert reply.name == "second"
        assert reply.attempts[0].outcome == "BackendTimeout"

    play(world, scene())


def test_an_engine_that_keeps_no_deadline_is_given_up() -> None:
    """A load that would last for ever ends by the caller's clock."""
    world = World()
    world.engines[0].loads_for_ever = True

    async def scene() -> None:
        reply = await asyncio.wait_for(world.hybrid.ask(REQUEST), 20)
        assert (reply.name, reply.attempts[0].outcome) == ("second", "BackendTimeout")

    play(world, scene())


def test_who_has_no_time_left_is_not_asked_and_who_had_little_is_not_blamed() -> None:
    """Of four engines that hang the last is skipped; the second had a fifth of the time, which tells nothing of its health."""
    world = World(4)
    for engine in world.engines:
        engine.fault = "hang midway"

    async def scene() -> None:
        with pytest.raises(NoAnswer) as caught:
            await world.hybrid.ask(REQUEST)
        outcomes = [attempt.outcome for attempt in caught.value.attempts]
        assert outcomes[:2] == ["BackendTimeout", "BackendTimeout"]
        assert outcomes[-1] == "skipped"
        assert [world.breakers()[name] for name in ("first", "second", "fourth")] == ["open", "closed", "closed"]

    play(world, scene())


def test_a_request_that_is_a_probe_and_is_dropped_leaves_the_next_cool_down_its_probe() -> None:
    """When its caller goes away in the middle, the engine is not held for being probed for ever."""
    world = World(1)
    (engine,) = world.engines

    async def scene() -> None:
        engine.fault = "down"
        with pytest.raises(NoAnswer):
            await world.hybrid.ask(REQUEST)
        world.now, engine.fault = 10.0, "hang"
        asking = asyncio.create_task(world.hybrid.ask(REQUEST))
        await wait_until_async(lambda: world.hybrid.states()[0].probes == 1 and engine.loading == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        engine.fault, world.now = None, 25.0
        assert (await world.hybrid.ask(REQUEST)).name == "first"

    play(world, scene())


def test_an_answer_that_is_none_is_asked_for_once_more() -> None:
    """One garbled answer is no reason to leave an engine; two are."""
    world = World()

    async def scene() -> None:
        world.engines[0].garbled = 1
        assert (await world.hybrid.ask(REQUEST)).name == "first"
        world.engines[0].garbled = 2
        assert (await world.hybrid.ask(REQUEST)).name == "second"

    play(world, scene())


def test_requests_that_come_together_load_once() -> None:
    """They wait for the same load, so that an engine is not told twice at the same time."""
    world = World(deadlines=Deadlines())

    async def scene() -> None:
        await asyncio.gather(*(world.hybrid.ask(REQUEST) for _ in range(8)))
        assert world.engines[0].most_loading == 1

    play(world, scene())


def test_the_context_is_the_one_in_force() -> None:
    """Not the one that was asked for: a text is cut into pieces by it."""
    world = World()
    world.engines[0].script = Script(context=1024, ttft=0.001, tokens=2)

    async def scene() -> None:
        assert await world.hybrid.context() == 4096
        await world.hybrid.ask(REQUEST)
        assert await world.hybrid.context() == 1024

    play(world, scene())


def test_the_one_in_use_stays_until_a_challenger_clearly_wins() -> None:
    """Over two benchmarks, the second of which shows another one faster by a hair."""
    world = World()

    async def scene() -> None:
        world.hybrid.set_score("first", Score(speed=Interval(1, 1, 1, 0.95, "t")))
        await world.hybrid.ask(REQUEST)
        world.hybrid.set_score("second", Score(speed=Interval(1.3, 1.02, 1.5, 0.95, "t")))
        assert world.hybrid.choice().chosen == "first"
        assert "it is in use" in world.hybrid.choice().sentence
        world.hybrid.set_score("second", Score(speed=Interval(1.3, 1.2, 1.5, 0.95, "t")))
        assert world.hybrid.choice().chosen == "second"

    play(world, scene())


def test_an_engine_elsewhere_stays_elsewhere_whatever_is_measured_of_it() -> None:
    """A measurement does not say where it runs, and a text is sent there only where that is allowed."""
    members = [Member(Odd("cloud"), LoadSpec("m"), Score(remote=True)), Member(Odd("here"), LoadSpec("m"))]
    hybrid = HybridAIBackend(members, policy=Policy())
    hybrid.set_score("cloud", Score(speed=Interval(9, 9, 9, 0.95, "t")))
    assert hybrid.choice().order == ("here",)
    assert not hybrid.leaves_machine()
    assert HybridAIBackend(members, policy=Policy(allow_remote=True)).leaves_machine()
    assert not HybridAIBackend(members[1:], policy=Policy(allow_remote=True)).leaves_machine()


def call(backend: str, seconds: float, *, purpose: str = "analysis", outcome: str = "answered") -> CallRecord:
    """A call with a time to its first token; its tokens come a hundred a second."""
    return CallRecord(
        "c", 1, 0, purpose, backend, "scripted", "m", outcome, "", 1.0, ttft_s=seconds, tokens_per_s=100.0
    )


def test_only_calls_of_its_own_purpose_are_remembered() -> None:
    """What a benchmark or an opinion asked is another kind of work."""
    hybrid = HybridAIBackend([Member(Odd("first"), LoadSpec("m"))])
    hybrid.remember([call("first", 0.1), call("first", 9.0, purpose="explain"), call("gone", 0.1)])
    assert hybrid.states()[0].live.calls == 1


def test_calls_that_failed_set_no_level() -> None:
    """An engine that failed at once and then answers has not become slower."""
    window = LiveWindow("first")
    for _ in range(LEARN):
        window.add(call("first", 0.001, outcome="BackendDown"))
    assert [window.add(call("first", 0.1)) for _ in range(2 * LEARN)] == [[]] * (2 * LEARN)


def test_slower_tokens_are_seen_though_the_first_comes_as_ever() -> None:
    """Each figure has a watch of its own."""
    window = LiveWindow("first")
    for _ in range(LEARN):
        window.add(call("first", 0.1))
    slow = CallRecord(
        "c", 1, 0, "analysis", "first", "scripted", "m", "answered", "", 1.0, ttft_s=0.1, tokens_per_s=40.0
    )
    alarms = [alarm for _ in range(30) for alarm in window.add(slow)]
    assert {alarm.figure for alarm in alarms} == {"time a token"}


def test_an_engine_that_never_varied_may_vary_a_little() -> None:
    """Two percent are nothing to measure again for, however alike the first calls were; a tenth is."""
    detector = DriftDetector("a", "time a token")
    for _ in range(LEARN):
        detector.add(0.02)
    assert all(detector.add(0.0204) is None for _ in range(500))
    assert any(detector.add(0.022) is not None for _ in range(30))


def test_an_alarm_counts_the_calls_since_the_change_and_begins_anew() -> None:
    """It tells of the slow calls, not of all, by how much, and then takes the new level for granted."""
    detector = DriftDetector("a", "time a token")
    for at in range(LEARN + 300):
        assert detector.add(0.02 if at % 2 else 0.021) is None
    alarm = next(a for _ in range(60) if (a := detector.add(0.03)) is not None)
    assert alarm.calls < 40
    assert alarm.factor == pytest.approx(0.03 / 0.0205, rel=0.05)
    assert not detector.ready
    assert all(detector.add(0.03) is None for _ in range(LEARN + 100))


def test_failures_of_those_still_on_their_way_do_not_lengthen_the_rest() -> None:
    """Requests that were sent before the circuit opened fail after it; the cool-down runs from the first."""
    now = [0.0]
    breaker = CircuitBreaker(BreakerPolicy(cool_down_s=10), lambda: now[0])
    breaker.failed(BackendDown("away"))
    now[0] = 5.0
    breaker.failed(BackendDown("away"))
    now[0] = 10.0
    assert breaker.begin_probe()
    breaker.succeeded()
    breaker.failed(BackendDown("away again"))
    assert breaker.retry_in_s() == 10.0


SURE, SURER = Interval(1, 1, 1, 0.95, "t"), Interval(2, 2, 2, 0.95, "t")


@pytest.mark.parametrize(
    ("policy", "known", "unknown", "incumbent"),
    [
        (Policy(quality_floor=0.5), Score(quality=0.6, speed=SURE), Score(speed=SURER), None),
        (Policy(latency_target_s=2), Score(latency_s=1.0, speed=SURE), Score(speed=SURER), None),
        (Policy(latency_target_s=2), Score(latency_s=1.0, speed=SURE), Score(latency_s=3.0, speed=SURER), "unknown"),
    ],
    ids=["quality not measured", "latency not measured", "the one in use is too late"],
)  # fmt: skip
def test_who_is_known_to_be_good_enough_comes_first(
    policy: Policy, known: Score, unknown: Score, incumbent: str | None
) -> None:
    """Speed decides only among those that are known to have the quality and the latency that are wanted."""
    choice = choose({"unknown": unknown, "known": known}, policy, incumbent)
    assert choice.order == ("known", "unknown")


def test_the_sentence_says_what_is_over_the_target() -> None:
    """Where nobody reaches the target, the first is not praised for it."""
    choice = choose({"late": Score(latency_s=3.0)}, Policy(latency_target_s=2))
    assert "its answers take 3.0 s, over the target of 2.0 s" in choice.sentence


def test_the_whole_call_ends_in_its_time() -> None:
    """However many engines hang, in whatever way, the caller has an answer about when the deadline passes."""
    world = World(4)
    for engine, fault in zip(world.engines, ("hang", "hang midway", "hang", "hang midway"), strict=True):
        engine.fault = fault  # type: ignore[assignment] # these are faults

    async def scene() -> None:
        async with asyncio.timeout(patient(10)):  # without the deadline it would be thirty seconds
            with pytest.raises(NoAnswer):
                await world.hybrid.ask(REQUEST)

    play(world, scene())
