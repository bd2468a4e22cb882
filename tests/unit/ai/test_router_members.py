"""Who is asked, and for how long: members that come and go, silent engines, and engines that want to be left alone."""

import asyncio
import time
from typing import Any

import pytest

from ai.core.errors import BackendLoading, BackendOverloaded
from ai.core.types import Deadlines, GenRequest, LoadReport, LoadSpec, Message
from ai.router import BreakerPolicy, CircuitBreaker, HybridAIBackend, Member, Policy
from ai.router.patience import patience
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.waiting import patient, wait_until_async

REQUEST = GenRequest((Message("user", "How are you today?"),), max_tokens=4)
QUICK = Deadlines(connect_s=1, load_s=30, first_token_s=0.3, between_tokens_s=30, total_s=30)


def engine(name: str, **script: Any) -> ScriptedBackend:
    """An engine that answers at once."""
    return ScriptedBackend(name, Script(**({"ttft": 0.001, "per_token": 0.0005, "tokens": 4} | script)))


def over(*engines: ScriptedBackend, deadlines: Deadlines = QUICK) -> HybridAIBackend:
    """A router over engines, in this order."""
    members = [Member(e, LoadSpec("m")) for e in engines]
    return HybridAIBackend(members, policy=Policy(preferred=tuple(e.name for e in engines)), deadlines=deadlines)


def adopt(hybrid: HybridAIBackend, *engines: ScriptedBackend) -> None:
    """Go on with these."""
    names = tuple(e.name for e in engines)
    hybrid.adopt([Member(e, LoadSpec("m")) for e in engines], policy=Policy(preferred=names), deadlines=QUICK)


def test_who_was_taken_out_is_asked_no_more() -> None:
    """Not by the next request, and not as the next try of one that is under way; what is under way ends by itself."""

    async def run() -> None:
        first, second, third = engine("first", ttft=0.4), engine("second"), engine("third")
        first.fault = "cut"
        hybrid = over(first, second, third, deadlines=Deadlines(first_token_s=30))
        asked = asyncio.create_task(hybrid.ask(REQUEST))
        await wait_until_async(lambda: first.active == 1)
        adopt(hybrid, third)
        left = asyncio.create_task(hybrid.released(first))
        await asyncio.sleep(0)
        assert not left.done()
        reply = await asked
        assert reply.name == "third"
        assert [a.outcome for a in reply.attempts] == ["StreamCut", "skipped", "answered"]
        async with asyncio.timeout(patient(5)):
            await left
            await hybrid.released(second)
        calls = first.calls + second.calls
        assert (await hybrid.ask(REQUEST)).name == "third"
        assert first.calls + second.calls == calls
        await hybrid.close()

    asyncio.run(run())


def test_who_stays_keeps_what_is_known_of_it() -> None:
    """A circuit that is open stays open when another member comes."""

    async def run() -> None:
        first, second, third = engine("first"), engine("second"), engine("third")
        first.fault = "down"
        hybrid = over(first, second)
        assert (await hybrid.ask(REQUEST)).name == "second"
        adopt(hybrid, first, second, third)
        states = {state.name: state for state in hybrid.states()}
        assert states["first"].breaker == "open"
        assert states["second"].live.calls == 1
        adopt(hybrid, engine("first"), second)
        assert {s.name: s.breaker for s in hybrid.states()} == {"first": "closed", "second": "closed"}
        await hybrid.close()

    asyncio.run(run())


class Busy(ScriptedBackend):
    """An engine that can be seen at work until it answers."""

    looks = 0

    async def working(self) -> bool:
        """It computes."""
        self.looks += 1
        await asyncio.sleep(0.05)
        return True


class Pending(ScriptedBackend):
    """A server that loads its model with the first request."""

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Says so."""
        report = await super().ensure_loaded(spec, deadline_s=deadline_s)
        values = {name: getattr(report, name) for name in report.__slots__}
        return LoadReport(**(values | {"pending": True}))


def test_a_silent_engine_costs_the_first_token_and_then_nothing() -> None:
    """The next one is asked after that time, and at once the second time."""

    async def run() -> None:
        silent, second = engine("silent", ttft=60), engine("second")
        hybrid = over(silent, second)
        begun = time.perf_counter()
        reply = await hybrid.ask(REQUEST)
        assert reply.name == "second"
        assert "did not begin to answer" in reply.attempts[0].detail
        assert 0.3 <= time.perf_counter() - begun < patient(3)
        assert silent.active == 0, "its slot is free again"
        assert [a.backend for a in (await hybrid.ask(REQUEST)).attempts] == ["second"]
        await hybrid.close()

    asyncio.run(run())


@pytest.mark.parametrize("kind", [Busy, Pending])
def test_an_engine_that_reads_or_loads_is_waited_for(kind: type[ScriptedBackend]) -> None:
    """It is silent, and not dead."""

    async def run() -> None:
        slow = kind("slow", Script(ttft=0.9, per_token=0.0005, tokens=4))
        hybrid = over(slow, engine("second"))
        assert (await hybrid.ask(REQUEST)).name == "slow"
        await hybrid.close()

    asyncio.run(run())


def test_the_last_one_may_take_its_time() -> None:
    """There is nobody to ask instead."""

    async def run() -> None:
        slow = engine("slow", ttft=0.9)
        hybrid = over(slow)
        assert (await hybrid.ask(REQUEST)).name == "slow"
        await hybrid.close()

    asyncio.run(run())


def test_patience_grows_with_the_prompt_and_with_what_an_engine_needed() -> None:
    """A posting of usual length has the usual time."""
    posting = GenRequest((Message("user", "x" * 4000),))
    book = GenRequest((Message("user", "x" * 44_000),))
    assert patience(5.0, posting, lambda _: None) == 5.0
    assert patience(5.0, book, lambda _: None) == pytest.approx(105.0)
    assert patience(5.0, posting, lambda tokens: tokens * 0.03) == pytest.approx(90.0)
    assert patience(5.0, posting, lambda tokens: tokens * 0.0001) == 5.0


def test_an_engine_is_left_alone_as_long_as_it_wants() -> None:
    """Its word is a floor: for a weight that opens nothing, for a probe, and while it rests already."""
    now = [0.0]
    breaker = CircuitBreaker(BreakerPolicy(cool_down_s=15, longest_s=60), lambda: now[0])
    busy = BackendOverloaded("busy")
    busy.retry_after_s = 120
    breaker.failed(busy)
    assert breaker.retry_in_s() == 120
    now[0] = 120
    assert breaker.begin_probe()
    busy.retry_after_s = 500
    breaker.failed(busy)
    assert breaker.retry_in_s() == 500
    busy.retry_after_s = None
    breaker.failed(busy)
    assert breaker.retry_in_s() == 500
    short = CircuitBreaker(BreakerPolicy(cool_down_s=15), lambda: now[0])
    busy.retry_after_s = 2
    short.failed(busy)
    assert short.retry_in_s() == 2


def test_a_model_that_loads_does_not_make_the_rest_longer() -> None:
    """It will be there soon: no probe waits longer than the first cool-down."""
    now = [0.0]
    breaker = CircuitBreaker(BreakerPolicy(cool_down_s=15), lambda: now[0])
    breaker.failed(BackendOverloaded("busy"))
    for _ in range(3):
        breaker.failed(BackendLoading("loading"))
        assert 0 < breaker.retry_in_s() <= 15
        now[0] += 15
        assert breaker.begin_probe()
