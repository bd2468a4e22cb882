"""A prompt that an engine cut in silence is found out, whichever engine it is; one that it read is not called cut."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.errors import ContextOverflow
from ai.evaluation.postings_file import load_postings
from ai.protocol import complete
from ai.token_bounds import SHORT, PromptCheck, least_tokens
from ai.types import LoadSpec
from tests.ai.kit import CONTEXT, LoopThread, ask

SPEC = LoadSpec("demo", context=CONTEXT, parallel=2)
FILLER = "We share lunch in the yard and talk about the weather of the week. "


def needles(times: int) -> str:
    """A long text with a word at each end that must not be lost."""
    return f"NEEDLE in Leeds. {FILLER * times}NEEDLE in Oslo."


def test_no_text_has_fewer_tokens_than_the_bound(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Over all labelled postings (nine languages), code, rulers, blanks, numbers and scripts without spaces, by a real vocabulary."""
    odd = ["=" * 5000, " " * 5000, "a" * 3000, "- " * 900, "0123456789" * 90, "求人情報です。" * 90, "서울에서 일합니다 " * 90, "{'x': [1, 2]}\n" * 90,
           "\n\t\t<div class='a'>\n" * 60, "👩‍🔬" * 300, "donaudampfschifffahrtsgesellschaft " * 60, "the " * 600]  # fmt: skip
    texts = [*(posting.text for posting in load_postings()), *odd]
    engine_loop.run(llama.ensure_loaded(SPEC))

    async def counts() -> list[float]:
        return [(await llama.count_tokens(text)).value for text in texts]

    counted = engine_loop.run(counts(), timeout=120)
    closest = min(count / max(least_tokens([text]), 1) for text, count in zip(texts, counted, strict=True))
    assert closest > 1.0
    english = [
        least_tokens([posting.text]) / count
        for posting, count in zip(load_postings(), counted, strict=False)
        if posting.id.startswith("en-") and len(posting.text) > SHORT
    ]
    assert statistics.median(english) > 0.5  # and it is worth something: half of an English text cannot be lost


@given(st.lists(st.text(max_size=400), max_size=4), st.floats(0, 5000))
def test_the_bound_is_never_below_nothing_nor_wild(texts: list[str], counted: float) -> None:
    """Whatever the text: at most a token and a quarter a character, and a higher count never turns a whole prompt into a cut one."""
    least = least_tokens(texts)
    assert 0 <= least <= 1.25 * (sum(map(len, texts)) + len(texts))
    assert not PromptCheck().dropped_some(None, texts)
    if not PromptCheck().dropped_some(counted, texts):
        assert not PromptCheck().dropped_some(counted + 1, texts)


WORDY = "We share lunch in the yard. " * 40
"""1,120 characters, 280 tokens."""


@pytest.mark.parametrize(
    ("context", "times", "counted", "cut"),
    [
        (None, 1, 280, False), (None, 1, 100, True), (512, 1, 280, False), (512, 2, 512, True), (512, 3, 511, True), (512, 3, 840, False), (4096, 3, 840, False),
        (None, 3, 840, False),
    ],
)  # fmt: skip
def test_what_fills_the_context_or_cannot_fit_into_it_was_cut(
    context: int | None,
    times: int,
    counted: int,
    cut: bool,  # noqa: FBT001
) -> None:
    """Where the context is known: a count that fills it, and one too small for the text at the density of a prompt before."""
    check = PromptCheck()
    check.context = context
    assert not check.dropped_some(282, [f"1 {WORDY}"])
    assert check.dropped_some(counted, [WORDY * times]) == cut


def test_a_server_that_leaves_out_what_it_kept_is_no_cutter() -> None:
    """An older Ollama counts only what it had to read anew; the beginning that the prompts share is not missed, and teaches no density."""
    check, rules = PromptCheck(), f"These are the rules. {WORDY}"
    assert not check.dropped_some(400, [rules, "A first posting. " * 30])
    before = check.density
    assert not check.dropped_some(130, [rules, "Quite another one. " * 30])
    assert check.density == before
    assert check.dropped_some(30, [rules, "The third of them is cut. " * 60])


def test_the_embedded_engine_refuses_what_it_cannot_read_whole(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """A needle at both ends: a prompt over the context is an overflow, one below it is read to its last token."""
    engine_loop.run(llama.ensure_loaded(SPEC))
    with pytest.raises(ContextOverflow):
        engine_loop.run(complete(llama, ask(needles(200))), timeout=60)
    text = needles(20)
    done = engine_loop.run(complete(llama, ask(text, max_tokens=1)), timeout=60)
    counted = engine_loop.run(llama.count_tokens(ask(text).messages))
    assert done.final.usage.prompt_tokens == counted
    assert not done.final.truncated
