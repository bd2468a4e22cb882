"""Where the field cases about trust find the masker."""

from collections.abc import Callable, Sequence

from logs.redaction.masker import Masker


def masking() -> tuple[Callable[[str], str], Callable[[Sequence[str]], str]]:
    """Two functions: one hides secrets in a text, one in the list of words of a command line."""
    masker = Masker()
    return masker.mask_text, masker.mask_cmdline
