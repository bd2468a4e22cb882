"""How many threads are fastest is measured once for each machine and model, kept, and used; what cannot be measured says so."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.llamacpp_embedded import LlamaCppBackend, chosen_threads, default_threads
from ai.core.types import LoadSpec
from ai.service.benchmarks.history import in_use
from ai.service.context.candidates import Candidate
from ai.worker import threads
from ai.worker.threads import ThreadRates, counts_up_to, known_threads, measured_threads
from tests.doubles.ai_kit import LoopThread
from tests.waiting import patient


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has measured nothing."""
    monkeypatch.setattr(threads, "_MEASURED", {})


def rates(generate: dict[int, float], **more: Any) -> ThreadRates:
    """A measurement of a quiet machine."""
    return ThreadRates.model_validate(
        {"generate": generate, "read": generate, "neighbours": 0.0, "taken": time.time()} | more
    )


def scripted(monkeypatch: pytest.MonkeyPatch, *found: ThreadRates) -> list[int]:
    """Measurements that find this, one after the other; the list grows with each."""
    asked: list[int] = []

    def measure(_: Path, most: int) -> ThreadRates:
        asked.append(most)
        return found[len(asked) - 1]

    monkeypatch.setattr(threads, "_measure", measure)
    return asked


@pytest.mark.timeout(200)
def test_a_real_model_is_measured_with_each_number_of_threads(demo_path: Path, tmp_path: Path) -> None:
    """By the library itself, in a process of its own; kept in the file, and not measured again."""
    kept = tmp_path / "threads.json"
    found = measured_threads(demo_path, 2, kept)
    assert found.problem == ""
    assert 1 in found.generate
    assert all(rate > 0 for rate in (*found.generate.values(), *found.read.values()))
    assert found.best() is not None
    assert known_threads(demo_path, 2, kept) == found
    (stored,) = json.loads(kept.read_text()).values()
    assert ThreadRates.model_validate(stored) == found


def test_it_is_measured_once_and_known_after_a_restart(
    demo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model, or another most, is another measurement; a damaged file is written anew."""
    asked = scripted(monkeypatch, *[rates({1: 40.0, 2: 70.0})] * 4)
    kept = tmp_path / "threads.json"
    for _ in range(3):
        measured_threads(demo_path, 2, kept)
    threads._MEASURED.clear()
    measured_threads(demo_path, 2, kept)
    assert asked == [2]
    measured_threads(demo_path, 4, kept)
    assert asked == [2, 4]
    threads._MEASURED.clear()
    kept.write_text("[")
    measured_threads(demo_path, 2, kept)
    assert asked == [2, 4, 2]
    assert len(json.loads(kept.read_text())) == 1


def test_a_busy_machine_is_measured_again_later(
    demo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are used meanwhile; soon afterwards nothing is measured again."""
    busy = rates({1: 40.0, 2: 3.0}, neighbours=1.9)
    asked = scripted(monkeypatch, busy, rates({1: 40.0, 2: 70.0}))
    assert measured_threads(demo_path, 2, tmp_path / "t").best() == (1, 1)
    assert measured_threads(demo_path, 2, tmp_path / "t").best() == (1, 1)
    assert "busy" in busy.sentence()
    monkeypatch.setattr(threads, "_AGAIN_S", 0.0)
    assert measured_threads(demo_path, 2, tmp_path / "t").best() == (2, 2)
    assert asked == [2, 2]


@given(st.dictionaries(st.integers(1, 64), st.floats(0.1, 1000), min_size=1))
def test_the_fewest_threads_that_are_as_good_as_the_best_are_chosen(generate: dict[int, float]) -> None:
    """Within three per cent."""
    best = rates(generate).best()
    assert best is not None
    most = max(generate.values())
    assert generate[best[0]] >= 0.97 * most
    assert all(rate < 0.97 * most for count, rate in generate.items() if count < best[0])


@given(st.integers(1, 512))
def test_the_counts_that_are_tried_are_few_and_reach_the_most(most: int) -> None:
    """From one to the most."""
    counts = counts_up_to(most)
    assert counts == sorted(set(counts))
    assert (counts[0], counts[-1]) == (1, most)
    assert len(counts) <= 12


def test_what_cannot_be_measured_follows_from_the_size(
    demo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why, and is not tried at each load."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    found = measured_threads(broken, 2, None)
    assert found.best() is None
    assert found.problem
    assert "could not be measured" in found.sentence()
    monkeypatch.setattr(threads, "measured_threads", lambda *_: found)
    assert chosen_threads(demo_path, LoadSpec("demo")) == (1, default_threads())


def test_a_measurement_that_hangs_ends(demo_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load does not wait for it for ever."""
    monkeypatch.setattr(threads, "_DEADLINE_S", 0.001)
    assert "longer" in measured_threads(demo_path, 2, None).problem


def test_settings_given_by_a_person_win(demo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over what was measured."""
    scripted(monkeypatch, rates({1: 40.0, 2: 70.0}, read={1: 10.0, 2: 9.0}))
    kept = tmp_path / "t"
    assert chosen_threads(demo_path, LoadSpec("demo"), kept, measure=True) == (2, 1)
    assert chosen_threads(demo_path, LoadSpec("demo"), kept) == (2, 1)
    assert chosen_threads(demo_path, LoadSpec("demo", threads=3), kept) == (3, 3)
    assert chosen_threads(demo_path, LoadSpec("demo", prompt_threads=5), kept) == (2, 5)


def test_the_card_says_what_was_measured(demo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it was, that it will be."""
    kept = tmp_path / "t"
    candidate = Candidate(
        "llamacpp",
        "llamacpp",
        "llama.cpp",
        "",
        "demo",
        "demo",
        demo_path,
        lambda _: LlamaCppBackend(),
        threads_file=kept,
    )
    assert "measured at its first load" in in_use(candidate, None).sentence
    scripted(monkeypatch, rates({1: 40.0, 2: 70.0}))
    measured_threads(demo_path, default_threads(), kept)
    assert (
        "2 threads, 2 for prompts, as measured on this machine (tokens/s by threads: 1: 40, 2: 70)"
        in in_use(candidate, None).sentence
    )


@pytest.mark.timeout(200)
def test_a_worker_loads_with_what_was_measured_and_stays(
    demo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_loop: LoopThread
) -> None:
    """A later measurement does not restart a worker that serves."""
    scripted(monkeypatch, rates({1: 70.0, 2: 40.0}, neighbours=2.0), rates({1: 40.0, 2: 70.0}))
    monkeypatch.setattr(threads, "_AGAIN_S", 0.0)

    async def go() -> None:
        backend = LlamaCppBackend(threads_file=tmp_path / "t")
        try:
            first = await backend.ensure_loaded(LoadSpec(str(demo_path), context=512))
            again = await backend.ensure_loaded(LoadSpec(str(demo_path), context=512))
            assert (first.threads, again.threads, again.cold) == (1, 1, False)
            await backend.unload()
            assert (await backend.ensure_loaded(LoadSpec(str(demo_path), context=512))).threads == 2
        finally:
            await backend.close()

    engine_loop.run(go(), timeout=patient(60))
