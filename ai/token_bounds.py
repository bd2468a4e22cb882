"""Whether an engine read all of a prompt, by what it counts: some servers cut a long one to their context and say nothing.

A text has a least number of tokens, whatever the vocabulary: an engine that counts fewer has dropped a part of it.
Tokenizers split at white space before they merge, so each word is a token at least (vocabularies that merge over spaces save about a tenth of that in
running text). Scripts without spaces have tokens of one to three characters. White space and repeated signs can be long single tokens and count for nothing.
"""

import re
from collections.abc import Iterable
from typing import Final

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


class PromptCheck:
    """Watches one engine's counts of prompt tokens.

    A server that cuts a prompt cuts it to its context: so what fills the context, or by the density of the prompts before cannot have fitted into it, was cut, too.
    A server may leave out of its count what it has kept from the prompt before; what the two begin with alike is not expected in it.
    """

    def __init__(self) -> None:
        self.context: int | None = None
        """Tokens of context a request, where that is known and the server does not refuse by itself what is longer."""
        self.density = 1 / CHARACTERS_PER_TOKEN
        """Tokens a character, learned from prompts that were read whole."""
        self._learned = False
        self._sent = ""

    def dropped_some(self, counted: float | None, texts: Iterable[str]) -> bool:
        """Whether an engine that counted so many tokens (None or 0: it does not say) did not read all of these texts."""
        text = "\n".join(texts)
        kept = _alike(text, self._sent)
        self._sent = text
        if not counted or len(text) < SHORT:
            return False
        if counted < least_tokens([text[kept:]]):
            return True
        if self.context is not None and counted <= self.context:  # with more, what is known of its context is wrong
            full, too_long = counted >= self.context - 1, len(text) * self.density > self.context
            if full or too_long:
                return True
        if not kept:
            found = counted / len(text)
            self.density = 0.8 * self.density + 0.2 * found if self._learned else found
            self._learned = True
        return False


def _alike(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)
