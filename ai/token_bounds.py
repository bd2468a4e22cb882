"""The least number of tokens that a text can have, whatever the vocabulary: an engine that counts fewer has dropped a part of it.

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
