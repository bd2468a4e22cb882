"""Whether an engine read all of a prompt, by what it counts: some servers cut a long one and say nothing.

A server cuts a prompt to what it can read, which may be less than the context it names (half of it: ollama#17427). So a count below what it has
read whole before is that of a whole prompt, a count below the least that the text can have is that of a cut one, and what lies between is open, until
the server has counted the text in another way (`ai.prompt_integrity.proof`).

The least that a text can have, whatever the vocabulary: tokenizers split at white space before they merge, so each word is a token at least (vocabularies
that merge over spaces save about a tenth of that in running text). Scripts without spaces have tokens of one to three characters. White space and
repeated signs can be long single tokens and count for nothing.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

CHARACTERS_PER_TOKEN: Final = 4.0
"""A rule of thumb for English with today's vocabularies; whatever uses it is marked as estimated."""
SHORT: Final = 200
"""Characters below which a template's own tokens, and a word more or less, would decide."""
DROPPED: Final = "The server has read only a part of the prompt."
_WORD: Final = re.compile(r"\S*\w\S*")
_SIGN: Final = re.compile(r"\w")
_NO_SPACES: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_A_WORD: Final = 0.9
_A_SIGN: Final = 0.1
_A_CHARACTER: Final = 0.25


def least_tokens(texts: Iterable[str]) -> float:
    """The fewest tokens that these texts together can have; 0 for little text, of which nothing can be said."""
    whole = "\n".join(texts)
    if len(whole) < SHORT:
        return 0.0
    words, signs, dense = (sum(1 for _ in form.finditer(whole)) for form in (_WORD, _SIGN, _NO_SPACES))
    return max(_A_WORD * words, _A_SIGN * signs) + _A_CHARACTER * dense


FITS_ANYWHERE: Final = 500
"""Tokens; half of the smallest context that a server gives unless it is told otherwise. Of one that names no context this is no more than likely."""
PROOF_S: Final = 900.0
"""How long a proof holds: a server may be started again with less context, and another one may listen there."""
_ALIKE: Final = 0.95
"""Of the length of the text that was proven: one with as many tokens that is longer, or much shorter, may have been cut to what the server reads at most."""
_THIN: Final = 0.8
"""Texts of one kind seldom differ more in their tokens a character; one of which a server leaves half does (older llama.cpp)."""
_LIKE: Final = 0.97
"""For a text longer than all that were proven: some servers take a fifth of it at a time, or a block, and leave less than they could read."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A count that neither says that a prompt was read whole, nor that it was cut.

    Attributes:
        text: the prompt.
        kept: characters of its beginning that the prompt before had, too: some servers leave those out of their count.
        counted: tokens, as the server says.
    """

    text: str
    kept: int
    counted: float


class PromptCheck:
    """Watches the counts of prompt tokens of one engine with one model.

    Args:
        context: tokens of context a request, as the server names it; None where it does not.
    """

    def __init__(self, context: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.context = context
        self.density = 1 / CHARACTERS_PER_TOKEN
        """Tokens a character, learned from prompts that were read whole."""
        self.likely = (
            FITS_ANYWHERE if context is None else min(FITS_ANYWHERE, context // 4)
        )  # it may read half, and leave half of that
        """Tokens that most probably fit."""
        self.proven = self._least = 0 if context is None else self.likely
        """Tokens that fit for sure."""
        self.counts_kept: bool | None = None
        """Whether it counts what it still had of the prompt before; None until that was found out."""
        self._proven_length = self._longest = 0
        self._proven_at = 0.0
        self._clock = clock
        self._learned = False
        self._sent = ""

    def read(self, counted: float | None, texts: Iterable[str]) -> Literal["whole", "cut"] | Doubt:
        """What a count says of a prompt; None or 0: the engine does not count, which says nothing against it."""
        text = "\n".join(texts)
        kept = _alike(text, self._sent)
        self._sent = text
        if not counted or len(text) < SHORT:
            return "whole"
        if counted < least_tokens([text[kept:]]):
            self.refuted()
            return "cut"
        if self._clock() - self._proven_at > PROOF_S:
            self.proven, self._longest = self._least, 0
        doubt = Doubt(text, kept, counted)
        if self._is_open(doubt):
            return doubt
        self._learn_from(doubt)
        return "whole"

    def refuted(self) -> None:
        """The prompt was cut: what the server kept of it is not what it had in common with the next."""
        self._sent = ""

    def proved(self, doubt: Doubt, longer: float = 0.0) -> None:
        """A prompt in doubt was whole; `longer`: tokens of an even longer one that the server read."""
        tokens = int(doubt.counted + self._unseen(doubt))
        self._longest = max(self._longest, len(doubt.text))
        if longer > max(tokens, self.proven):
            self.proven, self._proven_length, self._proven_at = int(longer), 0, self._clock()
        elif tokens >= self.proven:
            longest = max(len(doubt.text), self._proven_length if tokens == self.proven else 0)
            self.proven, self._proven_length, self._proven_at = tokens, longest, self._clock()
        self._learn_from(doubt)

    def _unseen(self, doubt: Doubt) -> float:
        """Tokens that the server may have read, or kept, without counting them."""
        return 0.0 if self.counts_kept else doubt.kept * self.density

    def _is_open(self, doubt: Doubt) -> bool:
        tokens, length = int(doubt.counted + self._unseen(doubt)), len(doubt.text)
        alike = _ALIKE * self._proven_length <= length <= self._proven_length
        if tokens > self.proven or (tokens == self.proven and not alike):
            return True
        expected = self.density * (length - doubt.kept)
        longest = 0 < self._longest < length  # what is left of a longer text may be less than what was proven
        return self._learned and doubt.counted < (_LIKE if longest else _THIN) * expected

    def learn(self, tokens: float, characters: int) -> None:
        """How many tokens a text has."""
        found = tokens / characters
        self.density = 0.8 * self.density + 0.2 * found if self._learned else found
        self._learned = True

    def _learn_from(self, doubt: Doubt) -> None:
        if not doubt.kept or self.counts_kept:
            self.learn(doubt.counted, len(doubt.text))


def _alike(first: str, second: str) -> int:
    """How many characters of whole words two texts have in common at their beginnings."""
    shorter = min(len(first), len(second))
    differs = next((at for at in range(shorter) if first[at] != second[at]), shorter)
    return max(first.rfind(" ", 0, differs), first.rfind("\n", 0, differs), 0) if differs < len(first) else differs
