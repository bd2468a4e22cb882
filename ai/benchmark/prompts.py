"""The prompts of a benchmark. Each begins with words of its own, so that no engine can reuse an earlier prompt's work."""

import random
from functools import lru_cache
from typing import Final

from ai.types import GenRequest, Message

_HEAD_WORDS: Final = ["apple", "river", "stone", "cloud", "green", "paper", "light", "music", "table", "water", "north", "house", "sugar", "bread", "train", "glass", "world", "plant", "horse", "money", "sound", "field", "night", "beach", "color", "metal", "class", "board", "earth", "forest", "window", "garden", "summer", "winter", "silver"]  # fmt: skip
_HEAD: Final = 12
PROMPTS: Final = {
    "summary": "Write a short text about why a calm harbour helps ships in a storm.",
    "posting": "Say in a few plain sentences what this job is about.\n\n{posting}",
    "long": "Say in a few plain sentences what this job is about.\n\n{long}",
}
"""Name → text; `posting` and `long` hold one of the labelled postings."""


def build_request(name: str, unique: str, max_tokens: int) -> GenRequest:
    """The request of a prompt whose first words follow from `unique`; greedy, of exactly `max_tokens` where the engine can.

    Raises:
        KeyError: no such prompt.
    """
    draw = random.Random(unique)  # noqa: S311 - a head, not a secret
    head = " ".join(draw.choice(_HEAD_WORDS) for _ in range(_HEAD))
    text = f"{head}.\n{_body(name)}"
    return GenRequest((Message("user", text),), max_tokens, reuse_prompt=False, ignore_eos=True)


@lru_cache(maxsize=8)
def _body(name: str) -> str:
    from ai.evaluation.postings_file import load_postings  # the evaluation knows the benchmark, not the other way round

    template = PROMPTS[name]
    if "{" not in template:
        return template
    texts = {p.id: p.text for p in load_postings()}
    return template.format(posting=texts["en-22"], long=texts["en-23"][:4000])
