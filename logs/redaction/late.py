"""Expressions that are compiled when they are first used."""

import re
from typing import Any, cast


class _Late:
    """Stands in for a compiled expression; what is asked of it once is its own from then on, so that later calls cost nothing more."""

    def __init__(self, expression: str, flags: int) -> None:
        self._expression, self._flags = expression, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(self._expression, self._flags), name)
        setattr(self, name, value)
        return value


def late(expression: str, flags: int = 0) -> re.Pattern[str]:
    """`re.compile(expression, flags)`, once it is used.

    A hundred rules take a process 65 ms to compile, a third of a sampler's start; most processes never meet a text that needs them.

    Raises:
        re.error: at the first use.
    """
    return cast("re.Pattern[str]", _Late(expression, flags))
