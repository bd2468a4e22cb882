"""How big one value of a person's own SQL may become.

A value is made in one piece, in memory that the engine's limit does not count, and nothing interrupts it: `repeat('x', 4e9)` takes gigabytes before anybody can
say stop. So the functions that make a value of any length get a length that is written down and not too big.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb

from monitor.errors import QueryError

MOST: Final = 100_000
"""Characters or elements that one call may be asked for."""
_LENGTHS: Final[dict[str, slice]] = {
    "repeat": slice(1, 2),
    "lpad": slice(1, 2),
    "rpad": slice(1, 2),
    "list_resize": slice(1, 2),
    "array_resize": slice(1, 2),
    "range": slice(0, 3),
    "generate_series": slice(0, 3),
    "bar": slice(3, 4),
    "to_base": slice(2, 3),
}
"""Functions that make a value as long as they are told, and which arguments tell it."""
_PATTERNS: Final = frozenset({"printf", "format"})
_WIDTH: Final = re.compile(r"[0-9]{6}|\*|\{[^}]*\{")
"""A width of six digits, or one that comes from another argument."""
_EXPLAINED: Final = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+|\([^)]*\)\s*)*", re.IGNORECASE)


def check_sizes(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """See the module. What the engine cannot take apart (`SHOW`, `DESCRIBE`) makes no values.

    Raises:
        QueryError: a value of any length could be made.
    """
    rows = cursor.execute("SELECT json_serialize_sql(?)", [_EXPLAINED.sub("", sql, count=1)]).fetchall()
    for call in _calls([json.loads(text) for (text,) in rows]):
        name = str(call["function_name"]).lower()
        arguments = [argument["expression"] for argument in call["arguments"]]
        if name in _LENGTHS and not all(_small(length) for length in arguments[_LENGTHS[name]]):
            raise QueryError(
                f"{name}() can make a value of any length.",
                hint=f"Write its length as a number, of {MOST} at most; `FROM range(…)` makes rows.",
            )
        if name in _PATTERNS and not all(_narrow(pattern) for pattern in arguments[:1]):
            raise QueryError(f"{name}() can make a value of any length.", hint="Write the width into the pattern.")


def _calls(node: Any) -> Iterator[dict[str, Any]]:
    """All calls of functions that make values; those that make rows (`FROM range(…)`) come in parts, which can be stopped."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if node.get("class") == "FUNCTION":
                yield node
            inner = node["function"]["arguments"] if node.get("type") == "TABLE_FUNCTION" else None
            waiting += [inner] if inner is not None else node.values()


def _small(length: dict[str, Any]) -> bool:
    """Whether it is a number that is written down, and not too big; `-5` is a call of the minus with one."""
    if length.get("class") == "FUNCTION" and length.get("function_name") == "-" and len(length["arguments"]) == 1:
        return _small(length["arguments"][0]["expression"])
    literal = length.get("literal") or {}
    try:
        return length.get("class") == "CONSTANT" and abs(float(literal["text"])) <= MOST
    except (KeyError, TypeError, ValueError):
        return False


def _narrow(pattern: dict[str, Any]) -> bool:
    literal = pattern.get("literal") or {}
    return pattern.get("class") == "CONSTANT" and not _WIDTH.search(str(literal.get("text", "")))
