"""The scripted engine keeps its times and its faults, and the protocol's helpers with it: what others measure against."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendOutOfMemory,
    BackendOverloaded,
    BackendTimeout,
    BadRequest,
    Cancelled,
    ContextOverflow,
    ModelMissing,
    StreamCut,
)
from ai.core.protocol import Backend, Completion, complete
from ai.core.types import Deadlines, Figure, Final, LoadSpec, Timings, Usage
from tests.doubles.ai_kit import ask
from tests.doubles.scripted_backend import Fault, Script, ScriptedBackend
from tests.waiting import wait_until_async


def answer(script: Script, **more: Any) -> Completion:
    """One answer."""
    return asyncio.run(complete(ScriptedBackend(script=script), ask("one two three", max_tokens=100), **more))


def test_times_are_never_shorter_than_scripted() -> None:
    """First token and generation are at least what the script says, and reported as it says."""
    final = answer(Script(ttft=0.05, per_token=0.01, tokens=11)).final
    assert final.timings.ttft is not None
    assert final.timings.generation_measured is not None
    assert final.timings.ttft.value >= 0.05
    assert (
        final.timings.ttft.value + final.timings.generation_measured.value >= 0.15
    )  # a late first piece makes the rest no later
    assert final.timings.prompt == Figure(0.05, "reported")
    rate = final.generation_rate()
    assert rate is not None
    assert rate.value == pytest.approx(100.0)
    assert final.usage == Usage(Figure(3, "reported"), Figure(11, "reported"), Figure(0, "reported"))


def test_chunks_hold_as_many_tokens_as_scripted() -> None:
    """Reasoning first, then content; nothing reported when the script says so."""
    made = answer(Script(tokens=7, tokens_per_chunk=3, reasoning_tokens=2, per_token=0, reports=False))
    assert len(made.arrivals) == 1 + 3
    assert made.reasoning == "hm hm "
    assert made.final.usage == Usage()
    assert made.final.timings.prompt is None


def test_an_answer_can_be_given() -> None:
    """A text, or a function of the request."""
    assert answer(Script(answer='{"a": 1}', per_token=0)).text == '{"a": 1}'
    assert answer(Script(answer=lambda request: request.messages[0].content, per_token=0)).text == "one two three"


FAULTS: list[tuple[Fault, type[BackendError]]] = [
    ("down", BackendDown),
    ("overloaded", BackendOverloaded),
    ("out of memory", BackendOutOfMemory),
    ("context overflow", ContextOverflow),
    ("model missing", ModelMissing),
    ("bad request", BadRequest),
    ("cut", StreamCut),
    ("hang", BackendTimeout),
    ("hang midway", BackendTimeout),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
def test_each_fault_comes_at_its_call_and_frees_the_slot(fault: Fault, kind: type[BackendError]) -> None:
    """The second call fails as scripted, the third is well again, and no slot stays taken."""

    async def go() -> None:
        backend = ScriptedBackend(script=Script(faults={1: fault}, per_token=0, ttft=0))
        deadlines = Deadlines(first_token_s=0.1, between_tokens_s=0.1)
        await complete(backend, ask("hi"), deadlines=deadlines)
        with pytest.raises(kind):
            await complete(backend, ask("hi"), deadlines=deadlines)
        await complete(backend, ask("hi"), deadlines=Deadlines())
        assert (backend.calls, backend.active, backend.closed_early) == (3, 0, 1)

    asyncio.run(go())


def test_contaminations_are_scripted_too() -> None:
    """A truncated prompt, a cached one, a length stop, output of the wrong form."""

    async def go() -> list[Completion]:
        backend = ScriptedBackend(
            script=Script(faults={0: "truncate", 1: "cached", 2: "length", 3: "bad output"}, per_token=0)
        )
        return [await complete(backend, ask("one two three four", max_tokens=50)) for _ in range(4)]

    cut, cached, length, bad = asyncio.run(go())
    assert cut.final.usage.prompt_tokens == Figure(2, "reported")
    assert cached.final.usage.cached_tokens == Figure(3, "reported")
    assert length.final.finish_reason == "length"
    assert bad.text.startswith("{")


def test_an_outage_lasts_until_it_is_over() -> None:
    """Health, loading and calls fail together; then all is well."""

    async def go() -> None:
        backend = ScriptedBackend()
        assert isinstance(backend, Backend)
        backend.fault = "down"
        assert (await backend.health()).state == "down"
        for call in (backend.ensure_loaded(LoadSpec("m")), complete(backend, ask("hi"))):
            with pytest.raises(BackendDown):
                await call
        backend.fault = None
        assert (await backend.ensure_loaded(LoadSpec("m"))).cold
        assert not (await backend.ensure_loaded(LoadSpec("m"))).cold
        assert (await backend.health()).state == "ready"
        assert (await backend.memory()).rss is not None
        await backend.unload()
        assert (await backend.memory()).rss is None

    asyncio.run(go())


def test_closing_a_stream_early_frees_the_slot() -> None:
    """A reader who has enough."""

    async def go() -> None:
        backend = ScriptedBackend(script=Script(tokens=1000, per_token=0.01))
        async with aclosing(backend.stream(ask("hi", max_tokens=1000))) as events:
            await anext(events)
            assert backend.active == 1
        assert (backend.active, backend.closed_early) == (0, 1)

    asyncio.run(go())


def test_cancelling_ends_a_wait_at_once() -> None:
    """Before the first token, where a deadline would be long."""

    async def go() -> None:
        backend = ScriptedBackend(script=Script(ttft=60))
        cancel = asyncio.Event()
        call = asyncio.create_task(complete(backend, ask("hi"), cancel=cancel))
        await wait_until_async(lambda: backend.active == 1)
        cancel.set()
        async with asyncio.timeout(10):
            with pytest.raises(Cancelled):
                await call
        assert backend.active == 0

    asyncio.run(go())


def test_a_cancelled_task_frees_the_slot_too() -> None:
    """Asyncio's own cancellation passes through."""

    async def go() -> None:
        backend = ScriptedBackend(script=Script(ttft=60))
        call = asyncio.create_task(complete(backend, ask("hi")))
        await wait_until_async(lambda: backend.active == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert backend.active == 0

    asyncio.run(go())


def test_concurrent_calls_are_counted() -> None:
    """For tests of batches."""

    async def go() -> int:
        backend = ScriptedBackend(script=Script(ttft=0.05, per_token=0))
        await asyncio.gather(*(complete(backend, ask("hi")) for _ in range(4)))
        return backend.peak_active

    assert asyncio.run(go()) == 4


def test_a_slowdown_by_call_is_drift() -> None:
    """The third call is twice as slow."""

    async def go() -> list[float]:
        backend = ScriptedBackend(
            script=Script(ttft=0.02, per_token=0, slowdown=lambda call: 2.0 if call == 2 else 1.0)
        )
        finals = [(await complete(backend, ask("hi"))).final for _ in range(3)]
        return [final.timings.prompt.value for final in finals if final.timings.prompt]

    assert asyncio.run(go()) == [0.02, 0.02, 0.04]


def test_loading_takes_its_time_and_keeps_its_deadline() -> None:
    """Cold is slow; too slow is a timeout that says `load`."""

    async def go() -> None:
        backend = ScriptedBackend(script=Script(load=0.1))
        assert (await backend.ensure_loaded(LoadSpec("m"))).seconds.value >= 0.1
        with pytest.raises(BackendTimeout) as caught:
            await backend.ensure_loaded(LoadSpec("n"), deadline_s=0.01)
        assert caught.value.phase == "load"

    asyncio.run(go())


def test_rates_are_none_where_they_cannot_be_known() -> None:
    """No counts, one token, no time: no rate rather than a wrong one."""

    def final(usage: Usage, timings: Timings) -> Final:
        return Final(0, 1, "stop", usage, timings)

    one = Figure(1, "reported")
    assert final(Usage(), Timings()).generation_rate() is None
    assert final(Usage(completion_tokens=one), Timings(generation=one)).generation_rate() is None
    assert (
        final(
            Usage(completion_tokens=Figure(9, "reported")), Timings(generation_measured=Figure(0, "measured"))
        ).measured_rate()
        is None
    )
    assert final(Usage(prompt_tokens=one, cached_tokens=one), Timings(prompt=one)).prompt_rate() is None
    estimated = final(
        Usage(completion_tokens=Figure(9, "estimated")), Timings(generation_measured=Figure(2, "measured"))
    ).measured_rate()
    assert estimated is None
