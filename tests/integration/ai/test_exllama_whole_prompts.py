"""ExLlama reads all of a prompt or says that it does not: adapter, worker process, engine and analysis, with a stand-in for the GPU's packages.

The same with the real packages, but for the model's arithmetic: `contract/exllama_needles.py`.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ai.analysis.analyzer import analyze_job_content
from ai.analysis.ask import Reply
from ai.backends.exllama import ExLlamaBackend
from ai.core.errors import BadModelFile, BadRequest, ContextOverflow
from ai.core.protocol import complete
from ai.core.types import GenRequest, LoadSpec, Message
from ai.discovery.packages import Pieces
from ai.router.hybrid import HybridAIBackend, Member
from ai.shapes.posting import JobAnalysisResult
from ai.worker.supervisor import Supervisor, WatchPolicy

CONTEXT = 2048
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"
FIRST, LAST = "Acme Robotics is hiring a welder.", "Salary: 54321 EUR per year."
RESERVED = {2: 0, 3: 1}
both = pytest.mark.parametrize("generation", [2, 3])


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder; the packages are said to be here."""
    monkeypatch.setattr("ai.backends.exllama.exllama_pieces", lambda _: Pieces("0", (), ()))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return folder


def with_backend(
    generation: Any, model: Path, work: Callable[[ExLlamaBackend], Coroutine[Any, Any, None]], context: int = CONTEXT
) -> None:
    """Do something with a loaded back end, and close it."""

    async def go() -> None:
        backend = ExLlamaBackend(generation)
        watch = WatchPolicy(run_dir=model.parent)
        backend.supervisor = Supervisor(backend.name, watch, module="tests.doubles.exllama_double")
        try:
            await backend.ensure_loaded(LoadSpec(str(model), context=context), deadline_s=60)
            await work(backend)
        finally:
            await backend.close()

    asyncio.run(go())


def request(filler: int) -> GenRequest:
    """Needles at both ends, and so many tokens between them."""
    return GenRequest((Message("system", "Be brief."), Message("user", f"{FIRST}{'!' * filler}{LAST}")), max_tokens=300)


@both
def test_the_longest_prompt_is_read_whole_and_one_token_more_is_an_overflow(generation: int, model: Path) -> None:
    """Nothing is cut on the way; the edge is the context less what the generator keeps for itself and one token of an answer."""

    async def work(backend: ExLlamaBackend) -> None:
        frame = (await backend.count_tokens(request(0).messages)).value
        longest = CONTEXT - RESERVED[generation] - 1
        for filler in (0, 900, round(longest - frame)):
            done = await complete(backend, request(filler))
            said = json.loads(done.text)
            assert (said["company"], said["salary_min"]) == ("Acme Robotics", 54321)
            counted = done.final.usage.prompt_tokens
            assert counted is not None
            assert (counted.value, counted.origin) == (frame + filler, "reported")
            assert not done.final.truncated
        with pytest.raises(ContextOverflow) as caught:
            await complete(backend, request(round(longest - frame) + 1))
        error = caught.value
        assert (error.prompt_tokens, error.context, error.outage) == (longest + 1, CONTEXT, False)

    with_backend(generation, model, work)


class Elsewhere:
    """Asks in the loop where the worker is watched: `analyze_job_content` brings one of its own."""

    def __init__(self, router: HybridAIBackend, loop: asyncio.AbstractEventLoop) -> None:
        self._router, self._loop = router, loop

    def models(self) -> dict[str, str]:
        """Its one model."""
        return self._router.models()

    async def ask(self, request: GenRequest, *, avoid: Collection[str] = ()) -> Reply:
        """The router's."""
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._router.ask(request, avoid=avoid), self._loop)
        )

    async def context(self) -> int | None:
        """The router's."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._router.context(), self._loop))

    def leaves_machine(self) -> bool:
        """The router's."""
        return self._router.leaves_machine()


def analysed(generation: int, model: Path, text: str) -> JobAnalysisResult:
    """What the model alone says of a posting."""
    found: list[JobAnalysisResult] = []

    async def work(backend: ExLlamaBackend) -> None:
        router = HybridAIBackend([Member(backend, LoadSpec(str(model), context=CONTEXT))])
        asker = Elsewhere(router, asyncio.get_running_loop())
        found.append(await asyncio.to_thread(analyze_job_content, text, asker=asker, fill=False))
        [state] = router.states()
        assert state.breaker == "closed"

    with_backend(generation, model, work)
    return found[0]


@both
def test_needles_at_both_ends_of_a_long_posting_are_found(generation: int, model: Path) -> None:
    """Employer in the first words, pay in the last, many contexts apart; no piece overflows."""
    text = f"{FIRST}\n" + "We share lunch and talk about the weather of the week.\n" * 400 + LAST
    result = analysed(generation, model, text)
    assert result.company == "Acme Robotics"
    assert result.salary is not None
    assert result.salary.minimum == 54321
    assert result.provenance.chunks > 5
    assert {result.provenance.fields[name] for name in ("company", "salary")} == {f"exllamav{generation}"}
    assert {attempt.outcome for attempt in result.provenance.attempts} == {"answered"}


@both
def test_a_text_denser_than_expected_overflows_and_is_read_in_halves(generation: int, model: Path) -> None:
    """A token a character: the pieces do not fit. That is no outage; the posting is split, and nothing of it is lost."""
    result = analysed(generation, model, f"{FIRST}\n" + "- - + + " * 500 + f"\n{LAST}")
    assert {attempt.outcome for attempt in result.provenance.attempts} == {"ContextOverflow", "answered"}
    assert result.company == "Acme Robotics"
    assert result.salary is not None
    assert result.salary.minimum == 54321
    assert {result.provenance.fields[name] for name in ("company", "salary")} == {f"exllamav{generation}"}


def test_a_generator_that_reads_less_than_it_was_given_is_found_out(model: Path) -> None:
    """Its own count gives it away: smaller pieces are asked about; where none is small enough, the result says that the engine did not read it."""
    (model / "config.json").write_text('{"reads": 560}')
    text = f"{FIRST}\n" + "We share lunch and talk about the weather of the week.\n" * 20 + LAST
    result = analysed(2, model, text)
    assert {attempt.outcome for attempt in result.provenance.attempts} == {"ContextOverflow", "answered"}
    assert (result.company, result.salary and result.salary.minimum) == ("Acme Robotics", 54321)
    (model / "config.json").write_text('{"reads": 60}')
    result = analysed(2, model, text)
    assert result.backend == "rules"
    assert {attempt.outcome for attempt in result.provenance.attempts} == {"ContextOverflow"}
    assert "has read 60 of the prompt's" in result.provenance.attempts[0].detail


def test_a_template_that_leaves_something_out_is_told(model: Path) -> None:
    """One without what the system says gets it with the user's words; one that cuts is a bad request, with the reason; one without what the user says is no model to load."""

    def template(source: str) -> None:
        (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": source}))

    async def works(backend: ExLlamaBackend) -> None:
        for asked in (request(3), GenRequest((Message("user", f" {FIRST}\n\n{LAST} "),))):
            assert json.loads((await complete(backend, asked)).text)["salary_min"] == 54321

    async def work(backend: ExLlamaBackend) -> None:
        with pytest.raises(BadRequest, match="template leaves out a part"):
            await complete(backend, request(3))

    template("{% for m in messages if m.role == 'user' %}{{ m.content | trim }}{% endfor %}")
    with_backend(2, model, works)
    template("{% for m in messages if m.role == 'user' %}{{ m.content[:40] }}{% endfor %}")
    with_backend(2, model, work)
    template("{% for m in messages if m.role == 'user' %}{{ m.content[:4] }}{% endfor %}")
    with pytest.raises(BadModelFile, match="template leaves out"):
        with_backend(2, model, work)


@both
def test_a_context_beyond_what_the_model_was_trained_for_is_told(generation: int, model: Path) -> None:
    """It is read whole, but who loads it learns what to expect of the far end."""
    (model / "config.json").write_text('{"max_position_embeddings": 2047}')

    async def work(backend: ExLlamaBackend) -> None:
        report = await backend.ensure_loaded(LoadSpec(str(model), context=CONTEXT))
        assert report.notes == ("The model was trained for 2047 tokens of context, not 2048.",)
        (model / "config.json").write_text('{"max_position_embeddings": 2048}')
        assert (await backend.ensure_loaded(LoadSpec(str(model), context=CONTEXT))).notes == ()

    with_backend(generation, model, work)
