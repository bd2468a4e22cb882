"""The least number of tokens that a text can have, held against a real vocabulary; an engine of ours reads all of a prompt, or refuses it."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.errors import ContextOverflow
from ai.core.protocol import complete
from ai.core.types import LoadSpec
from ai.evaluation.labelled import load_postings
from ai.prompt_integrity.check import SHORT, least_tokens
from tests.doubles.ai_kit import CONTEXT, LoopThread, ask
from tests.waiting import patient

SPEC = LoadSpec("demo", context=CONTEXT, parallel=2, threads=1)
FILLER = "We share lunch in the yard and talk about the weather of the week. "


def needles(times: int) -> str:
    """A long text with a word at each end that must not be lost."""
    return f"NEEDLE in Leeds. {FILLER * times}NEEDLE in Oslo."


def test_no_text_has_fewer_tokens_than_the_bound(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """Over labelled postings (nine languages; all of them in the full run), code, rulers, blanks, numbers and scripts without spaces, by a real vocabulary."""
    odd = ["=" * 5000, " " * 5000, "a" * 3000, "- " * 900, "0123456789" * 90, "求人情報です。" * 90, "서울에서 일합니다 " * 90, "{'x': [1, 2]}\n" * 90,
           "\n\t\t<div class='a'>\n" * 60, "👩‍🔬" * 300, "donaudampfschifffahrtsgesellschaft " * 60, "the " * 600]  # fmt: skip
    postings = load_postings()[:: 1 if settings.get_current_profile_name() == "full" else 3]
    texts = [*(posting.text for posting in postings), *odd]
    engine_loop.run(llama.ensure_loaded(SPEC))

    async def counts() -> list[float]:
        return [(await llama.count_tokens(text)).value for text in texts]

    counted = engine_loop.run(counts(), timeout=patient(120))
    closest = min(count / max(least_tokens([text]), 1) for text, count in zip(texts, counted, strict=True))
    assert closest > 1.0
    english = [
        least_tokens([posting.text]) / count
        for posting, count in zip(postings, counted, strict=False)
        if posting.id.startswith("en-") and len(posting.text) > SHORT
    ]
    assert statistics.median(english) > 0.5  # and it is worth something: half of an English text cannot be lost


@given(st.lists(st.text(max_size=400), max_size=4))
def test_the_bound_is_never_below_nothing_nor_wild(texts: list[str]) -> None:
    """Whatever the text: at most a token and a quarter a character."""
    least = least_tokens(texts)
    assert 0 <= least <= 1.25 * (sum(map(len, texts)) + len(texts))


def test_the_embedded_engine_refuses_what_it_cannot_read_whole(llama: LlamaCppBackend, engine_loop: LoopThread) -> None:
    """A needle at both ends: a prompt over the context is an overflow, one below it is read to its last token."""
    engine_loop.run(llama.ensure_loaded(SPEC))
    with pytest.raises(ContextOverflow):
        engine_loop.run(complete(llama, ask(needles(200))), timeout=patient(60))
    text = needles(8)
    done = engine_loop.run(complete(llama, ask(text, max_tokens=1)), timeout=patient(60))
    counted = engine_loop.run(llama.count_tokens(ask(text).messages))
    assert done.final.usage.prompt_tokens == counted
    assert not done.final.truncated
