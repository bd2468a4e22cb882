"""placeholder"""

from collections.abc import Sequence


class Masker:
    """Masks."""

    def __init__(self, extra: Sequence[str] = ()) -> None:
        self._extra = tuple(extra)

    def mask_text(self, text: str) -> str:
        """Mask."""
        return text

    def mask_cmdline(self, argv: Sequence[str]) -> str:
        """Mask."""
        return " ".join(argv)
