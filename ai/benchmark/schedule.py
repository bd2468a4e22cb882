"""What each measurement asks, and in which order: interleaved, balanced, seeded.

Each prompt begins with words of its own, so that no engine can reuse an earlier prompt's work.

A block measures every backend twice: in some order, then in the reverse one (two backends: ABBA or BAAB). A steady
drift over the block cancels in each pair's ratio. The first half-blocks come from a Williams square, in which each
backend takes each place, and follows each other backend, equally often; rows are drawn in a random order and each is
turned around or not by a fair coin, so that under "no difference" every ratio is symmetric about 1.
"""

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from ai.core.types import GenRequest, Message


def williams_square(n: int) -> list[list[int]]:
    """Rows in which each of n treatments takes each place equally often and follows each other one equally often.

    n rows for even n; 2n for odd n (the second n are the first, reversed).

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        msg = f"a square needs at least one treatment, not {n}"
        raise ValueError(msg)
    first = [0]
    low, high = 1, n - 1
    while len(first) < n:
        first.append(low)
        low += 1
        if len(first) < n:
            first.append(high)
            high -= 1
    rows = [[(value + shift) % n for value in first] for shift in range(n)]
    return rows if n % 2 == 0 else rows + [row[::-1] for row in rows]


def block_order(names: Sequence[str], block: int, seed: int) -> list[str]:
    """The order of one block's measurements, each backend twice; the same for the same arguments."""
    if len(names) == 1:
        return [names[0], names[0]]
    rows = williams_square(len(names))
    cycle = random.Random(f"{seed}:cycle:{block // len(rows)}")  # noqa: S311 - a design, not secrets
    order = list(range(len(rows)))
    cycle.shuffle(order)
    row = rows[order[block % len(rows)]]
    coin = random.Random(f"{seed}:coin:{block}")  # noqa: S311 - a design, not secrets
    if coin.random() < 0.5:
        row = row[::-1]
    half = [names[i] for i in row]
    return half + half[::-1]


def turns(order: Sequence[str]) -> list[str]:
    """A block's order for engines that take turns in memory: in the order of their first places, both measurements in a row."""
    return [name for first in dict.fromkeys(order) for name in (first, first)]


HEAD_WORDS: Final = ["apple", "river", "stone", "cloud", "green", "paper", "light", "music", "table", "water", "north", "house", "sugar", "bread", "train", "glass", "world", "plant", "horse", "money", "sound", "field", "night", "beach", "color", "metal", "class", "board", "earth", "forest", "window", "garden", "summer", "winter", "silver"]  # fmt: skip
_HEAD: Final = 12
PROMPTS: Final = {
    "summary": "Write a short text about why a calm harbour helps ships in a storm.",
    "posting": "Say in a few plain sentences what this job is about.\n\n{posting}",
    "long": "Say in a few plain sentences what this job is about.\n\n{long}",
}
"""Name → text; `posting` and `long` hold one of the labelled postings."""


def build_request(name: str, unique: str, max_tokens: int, own: Mapping[str, str] | None = None) -> GenRequest:
    """The request of a prompt whose first words follow from `unique`; greedy, of exactly `max_tokens` where the engine can.

    Args:
        name: of the prompt.
        unique: what its first words follow from.
        max_tokens: of the answer.
        own: prompts of the user's own, by name; they come before those of the program.

    Raises:
        KeyError: no such prompt.
    """
    draw = random.Random(unique)  # noqa: S311 - a head, not a secret
    head = " ".join(draw.choice(HEAD_WORDS) for _ in range(_HEAD))
    text = f"{head}.\n{(own or {}).get(name) or _body(name)}"
    return GenRequest((Message("user", text),), max_tokens, reuse_prompt=False, ignore_eos=True)


@lru_cache(maxsize=8)
def _body(name: str) -> str:
    from ai.evaluation.labelled import load_postings  # loads the analysis, which only these prompts need

    template = PROMPTS[name]
    if "{" not in template:
        return template
    texts = {p.id: p.text for p in load_postings()}
    return template.format(posting=texts["en-22"], long=texts["en-23"][:4000])
