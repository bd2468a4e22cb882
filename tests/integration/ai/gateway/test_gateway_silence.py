"""An engine that says nothing: the next one is asked beside it, whichever begins first answers, and later calls do not wait for the silent one."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from ai.gateway.link.messages import Engine, Limits, Model
from ai.gateway.routing import Target
from ai.gateway.silence import Beginnings
from tests.doubles.gateway_kit import KEY, RunningGateway, engine, running
from tests.doubles.stub_engine import Stub, serve
from tests.waiting import patient, wait_until

HEDGE_S = 0.3
NEVER_S = 3000.0
STREAM = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "x"}]}
WHOLE = STREAM | {"stream": False}


def ask(gateway: RunningGateway, body: object = STREAM) -> httpx.Response:
    """One answer."""
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=patient(30))


@contextmanager
def two(first: Stub, *, kind: str = "openai", first_byte_s: float = NEVER_S) -> Iterator[tuple[Stub, RunningGateway]]:
    """A gateway over a first engine and a good second one, which is given with it."""
    limits = Limits(first_byte_s=first_byte_s, hedge_s=HEDGE_S)
    with (
        serve(first),
        serve(Stub(words=["second "] * 3)) as second,
        running(engine("first", first.url, kind), engine("second", second.url), limits=limits) as gateway,
    ):
        yield second, gateway


def test_a_silent_engine_costs_a_moment_once_and_nothing_the_second_time() -> None:
    """Long before it is given up the other one has answered; while its silence lasts, calls go to the other one first."""
    with two(Stub(silent=True)) as (_, gateway):
        answers = [ask(gateway) for _ in range(3)]
        rows = gateway.rows(3)
    assert [a.headers["x-watchkeeper-engine"] for a in answers] == ["second"] * 3
    assert [row.attempts for row in rows] == [2, 1, 1]
    assert [row.backend for row in rows] == ["second"] * 3


def test_one_that_begins_after_all_gives_no_word_and_is_asked_first_again() -> None:
    """Its answer comes when the other one has begun: nothing of it reaches the program, and it counts as an engine that lives."""
    slow = Stub(words=["first "] * 3)
    with two(slow) as (_, gateway):
        slow.begins.clear()
        answer = ask(gateway)
        slow.begins.set()
        wait_until(lambda: slow.hung_up + slow.left >= 1, "the slow engine's answer to be let go")
        again = wait_until(
            lambda: (one := ask(gateway)).headers["x-watchkeeper-engine"] == "first" and one, "the first engine again"
        )
        state = gateway.state()
    assert b"first" not in answer.content
    assert answer.content.count(b"second ") == 3
    assert b"second" not in again.content  # type: ignore[union-attr]
    assert state.resting == {}


def test_the_first_engine_may_begin_while_the_second_is_silent_too() -> None:
    """Both are waited for; the one that begins answers, whichever it is."""
    slow = Stub(words=["first "] * 3)
    with two(slow) as (second, gateway):
        slow.begins.clear()
        second.begins.clear()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, gateway)
            wait_until(lambda: second.asked, "the second engine to be asked")
            slow.begins.set()
            assert answer.result().headers["x-watchkeeper-engine"] == "first"
            second.begins.set()
        (row,) = gateway.rows()
    assert (row.backend, row.attempts, row.outcome) == ("first", 2, "answered")


def test_where_the_second_engine_fails_the_first_one_is_still_waited_for() -> None:
    """A refusal of the second is no answer while the first may begin."""
    slow = Stub(words=["first "] * 3)
    with two(slow) as (second, gateway):
        slow.begins.clear()
        second.status = 500
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, gateway)
            wait_until(lambda: second.asked, "the second engine to be asked")
            slow.begins.set()
            assert answer.result().headers["x-watchkeeper-engine"] == "first"


def test_of_a_whole_answer_it_is_looked_whether_the_engine_lives() -> None:
    """One that says which models it has computes, and is waited for; one that says nothing at all is overtaken and then left alone."""
    slow = Stub(words=["first "] * 3)
    with two(slow) as (second, gateway):
        slow.begins.clear()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, gateway, WHOLE)
            wait_until(lambda: sum(path == "/v1/models" for path, *_ in slow.asked) >= 2, "two looks at it")
            slow.begins.set()
            assert answer.result().headers["x-watchkeeper-engine"] == "first"
        assert second.asked == []
        slow.silent = True
        assert ask(gateway, WHOLE).headers["x-watchkeeper-engine"] == "second"
        assert ask(gateway, WHOLE).headers["x-watchkeeper-engine"] == "second"
        rows = gateway.rows(3)
    assert [row.attempts for row in rows] == [1, 2, 1]


def test_one_that_does_not_even_say_its_models_is_not_given_the_time_for_a_long_prompt() -> None:
    """A hundred seconds are granted to read it; one that lives has them, one that hangs as a whole is found out at once."""
    slow = Stub(words=["first "] * 3)
    long = STREAM | {"messages": [{"role": "user", "content": "x" * 44_000}]}
    with two(slow) as (second, gateway):
        slow.begins.clear()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, gateway, long)
            wait_until(lambda: sum(path == "/v1/models" for path, *_ in slow.asked) >= 3, "three looks at it")
            slow.begins.set()
            assert answer.result().headers["x-watchkeeper-engine"] == "first"
        assert second.asked == []
        slow.silent = True
        assert ask(gateway, long).headers["x-watchkeeper-engine"] == "second"


def test_an_ollama_that_loads_its_model_is_waited_for() -> None:
    """It says that nothing is in its memory: it reads the model from a disk, and a second engine would only take cores from it."""
    slow = Stub(words=["first "] * 3)
    with two(slow, kind="ollama") as (second, gateway):
        slow.begins.clear()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, gateway)
            wait_until(lambda: slow.asked, "the first engine to be asked")
            begun = time.perf_counter()
            wait_until(lambda: time.perf_counter() - begun > 3 * HEDGE_S, "its time to pass")
            assert second.asked == []
            slow.begins.set()
            assert answer.result().headers["x-watchkeeper-engine"] == "first"


def test_one_that_was_silent_to_the_end_is_tried_again_at_nobodys_cost() -> None:
    """It is left alone when its time is over. Its next try runs beside the other engine, from the start."""
    silent = Stub(silent=True)
    with two(silent, first_byte_s=HEDGE_S) as (second, gateway):
        assert ask(gateway).headers["x-watchkeeper-engine"] == "second"
        wait_until(lambda: "first" in gateway.state().resting, "the first engine to be left alone")
        silent.silent = False
        wait_until(
            lambda: ask(gateway).headers["x-watchkeeper-engine"] and gateway.state().resting == {},
            "the first engine to be found alive",
            patient(60),
        )
        assert second.asked


@pytest.mark.parametrize(
    ("seen", "size", "seconds"),
    [
        ([], 100, 4.0),
        ([], 44_000, 104.0),
        ([(100, 0.1)], 100, 4.0),
        ([(100, 6.0)], 100, 10.0),
        ([(100, 1.5)], 100, 4.5),
        ([(1000, 2.0), (9000, 9.0)], 1000, 6.0),
        ([(1000, 2.0)], 10_000, 60.0),
        ([(1000, 2.0), (50_000, 90.0)], 100, 6.0),
        ([(50_000, 90.0)], 100, 4.0),
        ([(50_000, 2.0)], 44_000, 6.0),
        ([(100_000, 3.0)], 44_000, 9.0),
    ],
)
def test_an_engine_is_given_what_its_like_took_and_some_more(
    seen: list[tuple[int, float]], size: int, seconds: float
) -> None:
    """Up to three times as long, never more than the setting beyond it. A longer request than all that were seen is given more in proportion; a new engine by the length alone."""
    target = Target(Engine("one", "openai", "One", models=(Model("m"),)), "m")
    beginnings = Beginnings()
    for one in seen:
        beginnings.note(target, *one)
    assert beginnings.patience_s(target, size, 4.0) == pytest.approx(seconds)
