"""The one place that hides secrets in command lines and log lines; the other modules of this folder are its rules.

A masked secret keeps the mark of its family (`sk-***`, `ghp_***`), or the name it was given under
(`--password ***`, `API_KEY=***`), so that a person sees what stood there and nothing of its value.

The rules err on the side of showing ordinary text: `max_tokens=512`, `tokens/s`, `eos_token=</s>`, a path after
`--key` stay as they are. Most lines hold nothing suspicious: one expression lets them through.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from logs.redaction import commands, families, forms, places, suspects
from logs.redaction.values import HIDDEN

_RULES: Final[tuple[tuple[Any, Callable[[str], str]], ...]] = tuple(
    (suspects.compiled(suspect), rule)
    for suspect, rule in (
        (suspects.FAMILY, families.hide_families),
        (suspects.URL, forms.hide_urls),
        (suspects.PRIVATE_KEY, forms.hide_keys),
        (suspects.HEADER, forms.hide_headers),
        (places.SUSPECT, places.hide_places),
        (suspects.COMMAND, commands.hide_commands),
        (suspects.PAIR, forms.hide_pairs),
        (suspects.OPTION, forms.hide_options),
        (suspects.LISTED, forms.hide_listed),
    )
)
"""Each rule, and where it may find something."""
SUSPECT: Final = "|".join(suspected.pattern.decode() for suspected, _ in _RULES)
"""An expression for RE2 that every line with a secret matches, and few others do."""
_SUSPECTED: Final[Any] = suspects.compiled(SUSPECT)


class Masker:
    """Masks secrets; made once, then used from any thread.

    Args:
        extra: further regular expressions. What the group named `secret` matches is hidden; without such a group, all of the match.

    Raises:
        re.error: an extra pattern is not a regular expression.
    """

    def __init__(self, extra: Sequence[str] = ()) -> None:
        self.extra = tuple(extra)
        self._extra = tuple(re.compile(pattern) for pattern in extra)

    @property
    def suspect(self) -> str | None:
        """`SUSPECT` with the extra patterns, as far as each has words that must be there; None when one has none: then any line may hold a secret."""
        needed = [suspects.needed_text(pattern) for pattern in self.extra]
        if "" in needed:
            return None
        return "|".join([SUSPECT, *(re.escape(text) for text in needed)])

    def mask_text(self, text: str) -> str:
        """The text with secrets hidden; the very same object when there is nothing to hide.

        Masking twice changes nothing more, and a masked text is never longer than three characters a secret above the original.
        """
        return self._masked(text, None)

    def mask_cmdline(self, argv: Sequence[str]) -> str:
        """The words of a command line joined by spaces, with secrets hidden."""
        words = [self.mask_text(word) for word in commands.hide_words(argv)]
        # Joined, a message of several words would be read as words of the command.
        return self._masked(" ".join(words), commands.hide_commands)

    def _masked(self, text: str, without: Callable[[str], str] | None) -> str:
        """The text with secrets hidden by all rules but one."""
        data = text.encode("utf-8", "surrogatepass")
        if _SUSPECTED.search(data):
            for suspected, rule in _RULES:
                if rule is not without and suspected.search(data):
                    text = rule(text)
        for pattern in self._extra:
            text = pattern.sub(_hide_extra, text)
        return text


def hide(text: str) -> str:
    """What all rules make of a text, wherever they may find something."""
    for _, rule in _RULES:
        text = rule(text)
    return text


def _hide_extra(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex or match["secret"] is None:
        return HIDDEN
    start, end = match.span("secret")
    return match[0][: start - match.start()] + HIDDEN + match[0][end - match.start() :]
