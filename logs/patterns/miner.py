"""Finds the patterns of messages: which words are values is learned from all messages together.

A word is a value when many different words stand in its place, or a value does that is one by its form: behind the same two words and before the same one, in
messages that begin alike. This needs nothing but counts of different words (`logs.patterns.learning`), so the answer depends on the set of messages, not on their order or on how they were divided.
A word that is written like the name of a state (`Started`, `RUNNING`) weighs less than one that is written like somebody's name.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from logs.patterns.forms import Forms, Messages, Numbers, forms_of
from logs.patterns.learning import learn
from logs.patterns.skeleton import LONGEST, VALUE, Piece, Skeleton, pieces_of, skeleton_of

HOLE: Final = "<*>"
"""Stands for a value in a template."""
EMPTY_TEXT: Final = "(blank)"
"""The template of messages without a word in them."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern.

    `id` follows from its words alone: the same in every run. `template` is the text of its first message with `<*>` for values.
    """

    id: str
    template: str
    words: Skeleton


class PatternMiner:
    """Collects messages, and says what their patterns are.

    >>> miner = PatternMiner()
    >>> first = miner.add(["session opened for ada", "took 12 ms", "took 7 ms"])
    >>> patterns, of = miner.patterns()
    >>> [patterns[number].template for number in of[first].tolist()]
    ['session opened for ada', 'took <*>', 'took <*>']
    """

    def __init__(self) -> None:
        self._forms: dict[str, int] = {}
        self._skeletons: dict[Skeleton, int] = {}
        self._examples: list[tuple[str, str]] = []
        """Of each skeleton the form that is first by the alphabet, and a message of it: whichever that is, the template is the same."""

    def add(self, messages: Messages) -> Numbers:
        """Take messages in; returns a number for each, which `patterns` leads to its pattern. Of several lines the first counts."""
        heads, every = forms_of(messages)
        forms = Forms(every)
        each = zip(forms.texts, forms.first.tolist(), strict=True)
        numbers = np.fromiter((self._number(form, heads, at) for form, at in each), np.int64, len(forms.texts))
        found: Numbers = numbers[forms.of]
        return found

    def _number(self, form: str, heads: pa.Array, at: int) -> int:
        known = self._forms.get(form)
        if known is None:
            example = form, heads[at].as_py()
            skeleton = skeleton_of(form)
            known = self._skeletons.get(skeleton)
            if known is None:
                known = self._skeletons[skeleton] = len(self._examples)
                self._examples.append(example)
            elif example < self._examples[known]:  # whatever came first
                self._examples[known] = example
            self._forms[form] = known
        return known

    def patterns(self) -> tuple[list[Pattern], Numbers]:
        """All patterns, and for each number of `add` the place of its pattern among them."""
        learned, _ = learn(self._skeletons)
        groups: dict[Skeleton, list[int]] = defaultdict(list)
        for skeleton, number in self._skeletons.items():
            groups[learned[skeleton]].append(number)
        found: list[Pattern] = []
        of = np.zeros(len(self._examples), np.int64)
        for words, numbers in sorted(groups.items()):
            of[numbers] = len(found)
            _, example = min(self._examples[number] for number in numbers)
            found.append(Pattern(id_of(words), template_of(example, words), words))
        return found, of


def template_of(message: str, words: Skeleton) -> str:
    """A message with `<*>` for what its pattern takes for values."""
    parts, position = [], 0
    for piece in _aligned(pieces_of(message), words):
        parts += [message[position : piece.begin], HOLE]
        position = piece.end
    text = "".join([*parts, message[position:LONGEST]])
    return text if text.strip() else EMPTY_TEXT


def values_of(message: str, words: Skeleton) -> list[str]:
    """What a message of this pattern has in place of each value."""
    return [message[piece.begin : piece.end] for piece in _aligned(pieces_of(message), words)]


def _aligned(pieces: Sequence[Piece], words: Skeleton) -> list[Piece]:
    """The values of a message whose words are those of its pattern between them."""
    found: list[Piece] = []
    at = 0
    for number, word in enumerate(words):
        if at >= len(pieces):
            break
        if word != VALUE:
            at += 1
            continue
        behind = words[number + 1] if number + 1 < len(words) else None
        end, depth = at + 1, _deeper(pieces[at].text)
        while end < len(pieces) and (depth > 0 or behind is None or pieces[end].text != behind):
            depth += _deeper(pieces[end].text)
            end += 1
        found.append(Piece(VALUE, pieces[at].begin, pieces[end - 1].end))
        at = end
    return found


def _deeper(text: str) -> int:
    """By how much a piece changes how many brackets are open: a list that is one value has its own signs."""
    return 1 if text in {"(", "[", "{"} else -1 if text in {")", "]", "}"} else 0


def id_of(words: Skeleton) -> str:
    """The identity of a pattern: 16 hexadecimal digits that follow from its words."""
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
