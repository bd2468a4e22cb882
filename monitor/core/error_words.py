"""The one line that says what an error is."""

import re
from typing import Final

_RAISED: Final = re.compile(r"(?:Caused by: )?[A-Za-z_][\w.$]*(?:: .*)?")
"""The line of a traceback that names the exception: `ValueError: …`, `Caused by: java.io.IOException: …`."""

_THROWN: Final = re.compile(r"terminate called after throwing an instance of '(.+)'\n\s*what\(\): +(.+)")
"""How a C++ program tells of an exception that nothing caught."""


def cause_of(message: str) -> str:
    """The exception of a record with a traceback, else its first line."""
    if (thrown := _THROWN.match(message)) is not None:
        return f"{thrown[1]}: {thrown[2]}"
    first, *others = message.split("\n")
    traced = any(line.startswith((" ", "\t")) for line in others)
    raised = [line.rstrip() for line in others if _RAISED.fullmatch(line.rstrip())] if traced else []
    return raised[-1] if raised else first
