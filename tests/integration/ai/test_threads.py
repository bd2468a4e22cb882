"""How many threads are fastest is measured once for each machine and model, kept, and used; what cannot be measured says so."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.llamacpp_embedded import LlamaCppBackend, chosen_threads, default_threads
from ai.core.protocol import complete
from ai.core.types import LoadSpec
from ai.service.benchmarks.history import in_use
from ai.service.context.candidates import Candidate
from ai.worker.threads import ThreadRates, ThreadTable, counts_up_to, measure_threads
from tests.doubles.ai_kit import LoopThread, ask
from tests.waiting import CORES, patient, wait_until_async


def rates(generate: dict[int, float], **more: Any) -> ThreadRates:
    """A measurement of a quiet machine."""
    return ThreadRates.model_validate(
        {"generate": generate, "read": generate, "neighbours": 0.0, "taken": time.time()} | more
    )


class Scripted:
    """Measurements that find this, one after the other; `asked` grows with each."""

    def __init__(self, *found: ThreadRates) -> None:
        self.asked: list[int] = []
        self._found = found

    def __call__(self, _model: Path, most: int) -> ThreadRates:
        """The next of them."""
        self.asked.append(most)
        return self._found[len(self.asked) - 1]


@pytest.mark.timeout(200)
def test_a_real_model_is_measured_with_each_number_of_threads(demo_path: Path, tmp_path: Path) -> None:
    """By the library itself, in a process of its own; kept in the file, and not measured again."""
    kept = tmp_path / "threads.json"
    table = ThreadTable()
    found = table.measured(demo_path, 2, kept)
    assert found.problem == ""
    assert 1 in found.generate
    assert all(rate > 0 for rate in (*found.generate.values(), *found.read.values()))
    assert found.best() is not None
    assert table.known(demo_path, 2, kept) == ThreadTable().known(demo_path, 2, kept) == found
    (stored,) = json.loads(kept.read_text()).values()
    assert ThreadRates.model_validate(stored) == found


def test_it_is_measured_once_and_known_after_a_restart(demo_path: Path, tmp_path: Path) -> None:
    """Another model, or another most, is another measurement; a damaged file is written anew."""
    measure = Scripted(*[rates({1: 40.0, 2: 70.0})] * 4)
    kept = tmp_path / "threads.json"
    first = ThreadTable(measure)
    for _ in range(3):
        first.measured(demo_path, 2, kept)
    second = ThreadTable(measure)
    second.measured(demo_path, 2, kept)
    assert measure.asked == [2]
    second.measured(demo_path, 4, kept)
    assert measure.asked == [2, 4]
    kept.write_text("[")
    ThreadTable(measure).measured(demo_path, 2, kept)
    assert measure.asked == [2, 4, 2]
    assert len(json.loads(kept.read_text())) == 1


def test_a_busy_machine_is_measured_again_later(demo_path: Path, tmp_path: Path) -> None:
    """Its figures are used meanwhile; soon afterwards nothing is measured again."""
    busy, kept = rates({1: 40.0, 2: 3.0}, neighbours=1.9), tmp_path / "t"
    measure = Scripted(busy, rates({1: 40.0, 2: 70.0}))
    soon, later = ThreadTable(measure), ThreadTable(measure, again_s=0.0)
    assert soon.measured(demo_path, 2, kept).best() == (1, 1)
    assert soon.measured(demo_path, 2, kept).best() == (1, 1)
    assert "busy" in busy.sentence()
    assert "Fewer generate while other programs" not in busy.sentence()
    assert later.measured(demo_path, 2, kept).best() == (2, 2)
    assert measure.asked == [2, 2]


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


def test_what_cannot_be_measured_follows_from_the_size(demo_path: Path, tmp_path: Path) -> None:
    """It says why, and is not tried at each load."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    found = ThreadTable().measured(broken, 2, None)
    assert found.best() is None
    assert found.problem
    assert "could not be measured" in found.sentence()
    measure = Scripted(found)
    table = ThreadTable(measure)
    for _ in range(2):
        assert chosen_threads(demo_path, LoadSpec("demo"), measure=True, table=table) == (1, default_threads())
    assert len(measure.asked) == 1


def test_a_measurement_that_hangs_ends(demo_path: Path) -> None:
    """A load does not wait for it for ever."""
    assert "longer" in measure_threads(demo_path, 2, deadline_s=0.001).problem


def test_settings_given_by_a_person_win(demo_path: Path, tmp_path: Path) -> None:
    """Over what was measured."""
    table = ThreadTable(Scripted(rates({1: 40.0, 2: 70.0}, read={1: 10.0, 2: 9.0})))

    def chosen(*, measure: bool = False, **given: Any) -> tuple[int, int]:
        return chosen_threads(demo_path, LoadSpec("demo", **given), tmp_path / "t", measure=measure, table=table)

    assert chosen(measure=True) == (2, 1)
    assert chosen() == (2, 1)
    assert chosen(threads=3) == (3, 3)
    assert chosen(prompt_threads=5) == (2, 5)


def test_the_card_says_what_was_measured(demo_path: Path, tmp_path: Path) -> None:
    """Before it was, that it will be."""
    table = ThreadTable(Scripted(rates({1: 40.0, 2: 70.0})))
    candidate = Candidate(
        "llamacpp",
        "llamacpp",
        "llama.cpp",
        "",
        "demo",
        "demo",
        demo_path,
        lambda _: LlamaCppBackend(),
        threads_file=tmp_path / "t",
        threads=table,
    )
    assert "measured at its first load" in in_use(candidate, None).sentence
    table.measured(demo_path, default_threads(), tmp_path / "t")
    assert (
        "2 threads, 2 for prompts, as measured on this machine (tokens/s by threads: 1: 40, 2: 70). Fewer generate while other programs use the cores."
        in in_use(candidate, None).sentence
    )


@pytest.mark.timeout(200)
def test_a_worker_loads_with_what_was_measured_and_stays(
    demo_path: Path, tmp_path: Path, engine_loop: LoopThread
) -> None:
    """A later measurement does not restart a worker that serves."""
    table = ThreadTable(Scripted(rates({1: 70.0, 2: 40.0}, neighbours=2.0), rates({1: 40.0, 2: 70.0})), again_s=0.0)

    async def go() -> None:
        backend = LlamaCppBackend(threads_file=tmp_path / "t", threads=table)
        try:
            first = await backend.ensure_loaded(LoadSpec(str(demo_path), context=512))
            again = await backend.ensure_loaded(LoadSpec(str(demo_path), context=512))
            assert (first.threads, again.threads, again.cold) == (1, 1, False)
            await backend.unload()
            assert (await backend.ensure_loaded(LoadSpec(str(demo_path), context=512))).threads == 2
        finally:
            await backend.close()

    engine_loop.run(go(), timeout=patient(60))


@pytest.mark.timeout(300)
def test_fewer_threads_generate_while_other_programs_use_the_cores(demo_path: Path, engine_loop: LoopThread) -> None:
    """Within an answer, and it is the same answer; a number that was asked for is obeyed whatever others do."""
    request = ask("Write a long story.", max_tokens=48, ignore_eos=True)

    async def go() -> None:
        backend, fixed = LlamaCppBackend(), LlamaCppBackend()
        busy = []
        try:
            loaded = await backend.ensure_loaded(LoadSpec(str(demo_path), context=512, threads=2, yields=True))
            exact = await fixed.ensure_loaded(LoadSpec(str(demo_path), context=512, threads=2))
            assert (loaded.threads, loaded.yields, exact.threads, exact.yields) == (2, True, 2, False)
            loops = max(2, 3 * CORES // 2)  # so many that two threads have no core of their own
            busy += [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]  # noqa: ASYNC220 - starts at once
            texts = set()

            async def one_thread_generates() -> bool:
                texts.add((await complete(backend, request)).text)
                return backend.fewest_threads() == 1

            await wait_until_async(one_thread_generates, "one thread generates", 60)
            beginning = (
                await complete(fixed, replace(request, max_tokens=12))
            ).text  # two threads are slow beside the loops
            assert len(texts) == 1
            assert beginning
            assert texts.pop().startswith(beginning)
            assert fixed.fewest_threads() is None
        finally:
            for one in busy:
                one.kill()
                one.wait()
            await backend.close()
            await fixed.close()

    engine_loop.run(go(), timeout=patient(150))
