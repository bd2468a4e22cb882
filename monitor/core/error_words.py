"""The one line that says what an error is."""

import re
from typing import Final

_RAISED: Final = re.compile(r"(?:Caused by: )?[A-Za-z_][\w.$]*(?:: .*)?")
"""The line of a traceback that names the exception: `ValueError: …`, `Caused by: java.io.IOException: …`."""

_CAUSED: Final = "Caused by: "

_IN_THREAD: Final = re.compile(r'(?:Exception )?in thread "[^"]*" (?=[A-Za-z_])')
"""What a Java program says before an exception that ended a thread."""

_BAR: Final = re.compile(r" *\| (?=\S)")
"""What stands before a line of a group of exceptions that is no deeper in its traceback."""

_GROUP: Final = "+ Exception Group Traceback (most recent call last):"

_SHOWN: Final = 3
"""Exceptions of a group that are named."""

_THROWN: Final = re.compile(r"terminate called after throwing an instance of '(.+)'\n\s*what\(\): +(.+)")
"""How a C++ program tells of an exception that nothing caught."""


def cause_of(message: str) -> str:
    """The exception of a record with a traceback, else its first line. Of a group of exceptions, the group and what is in it; of a Java program's
    exception what failed, and what that came from.
    """
    if (thrown := _THROWN.match(message)) is not None:
        return f"{thrown[1]}: {thrown[2]}"
    first, *others = message.split("\n")
    if _GROUP in message:
        bare = [_BAR.sub("", line, count=1).rstrip() for line in message.split("\n") if _BAR.match(line)]
        raised = [line for line in bare if _RAISED.fullmatch(line)]
        return _group(raised) if raised else first.strip()
    traced = any(line.startswith((" ", "\t")) for line in others)
    raised = [line.rstrip() for line in others if _RAISED.fullmatch(line.rstrip())] if traced else []
    said = _IN_THREAD.sub("", first, count=1)
    if not raised:
        return said
    inner = raised[-1].removeprefix(_CAUSED)
    if inner == raised[-1]:
        return inner
    outer = next((line for line in (*raised, said) if not line.startswith(_CAUSED) and _RAISED.fullmatch(line)), None)
    if outer is None or inner in outer:  # an exception made of another one alone has the text of that
        return outer or inner
    return f"{outer}, caused by {inner}"


def _group(raised: list[str]) -> str:
    """`ExceptionGroup: two failed (2 sub-exceptions): ValueError: one; KeyError: 'two'`."""
    within = [line for line in raised[1:] if "ExceptionGroup: " not in line]
    more = len(within) - _SHOWN
    told = "; ".join(within[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return f"{raised[0]}: {told}" if told else raised[0]
