"""Why a search found nothing: names and conditions that no record has, and what around the query leaves out the records that meet it."""

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from logs.analytics.vocabulary import field_names
from logs.core.record import LogRecord
from logs.query.filters import LogFilter
from logs.query.search import Questions, search
from logs.query.tree import (
    RESERVED,
    And,
    Compares,
    Equals,
    Field,
    Glob,
    Holds,
    Level,
    Matches,
    Node,
    Not,
    Or,
    Time,
    fields,
)

Newest = Callable[[LogFilter], LogRecord | None]

_ALL_NAMES: Final = 3000
_NEAR: Final = 0.7
"""How alike two names are for one to be meant by the other, as `difflib` has it."""
_CONDITIONS: Final = 8
"""So many conditions at most are each asked of the whole store."""
_SOURCE: Final = Field("source", column=True)
_AROUND: Final[Mapping[str, Mapping[str, Any]]] = {
    "range": {"since": None, "until": None},
    "levels": {"least": 0, "levels": frozenset()},
    "sources": {"sources": ()},
    "process": {"pid": None, "run": None, "runs": ()},
}
"""What stands around a query, and the fields of a filter without it."""


def explain(store: Questions, filter: LogFilter, *, deadline_s: float = 10.0) -> dict[str, Any]:  # noqa: A002 - the API's word
    """What keeps a filter from finding anything.

    Returns:
        `unknown`: `{"name", "nearest"}` of the fields, the sources and, of several, the conditions that no record has, with up to three names that are written
        nearly so. Else `without`: which of `range`, `levels`, `sources` and `process` to leave out to find something, and `newest`, what is found then, `{"id", "ts"}`;
        empty and None where nothing is.

    Raises:
        QueryError: the deadline passed.
    """
    end = time.monotonic() + deadline_s

    def newest(wanted: LogFilter) -> LogRecord | None:
        left = max(0.05, end - time.monotonic())
        return next(iter(search(store, wanted, limit=1, deadline_s=left).records), None)

    unknown = _unknown_fields(store, filter.where, newest)
    unknown += _unmet(store, filter, newest, {one["name"] for one in unknown})
    without, found = ([], None) if unknown else _left_out(filter, newest)
    return {
        "unknown": unknown,
        "without": without,
        "newest": None if found is None else {"id": found.id, "ts": found.ts},
    }


def _unknown_fields(store: Questions, where: Node | None, newest: Newest) -> list[dict[str, Any]]:
    named = fields(where) if where is not None else []
    if not named:
        return []
    known = [one["name"] for one in field_names(store, most=_ALL_NAMES)]
    whole = {name.lower(): name for name in known}
    lower = {name.rpartition(".")[2]: name for name in (*whole, *RESERVED)} | whole
    return [
        {"name": str(field), "nearest": _nearest(field.name, lower)}
        for field in named
        if field.name not in known and newest(LogFilter(query=Glob(field, "*"))) is None
    ]


def _unmet(store: Questions, filter: LogFilter, newest: Newest, unknown: set[str]) -> list[dict[str, Any]]:  # noqa: A002 - as above
    """Sources that there are not, and conditions of several, that no record meets by itself; without those on fields that are unknown."""
    conditions = list(_conditions(filter.where))
    several = len(conditions) > 1
    conditions += [Glob(_SOURCE, name) for name in filter.sources]
    asked = [
        one
        for one in conditions
        if (several or _is_of_source(one)) and not any(str(field) in unknown for field in fields(one))
    ]
    found = [
        one
        for one in asked[:_CONDITIONS]
        if newest(LogFilter(query=one, names=filter.names, paths=filter.paths)) is None
    ]
    sources: dict[str, str] = {}
    if any(_is_of_source(one) for one in found):
        names = [row["source"] for row in store.query("log_source_names").to_pylist()]
        sources = {name.lower().rpartition("/")[2]: name for name in names} | {name.lower(): name for name in names}
    return [
        {"name": str(one), "nearest": _nearest(_text_of(one), sources) if _is_of_source(one) else []} for one in found
    ]


def _left_out(filter: LogFilter, newest: Newest) -> tuple[list[str], LogRecord | None]:  # noqa: A002 - as above
    """What around the query to leave out, one thing or else all, and the newest record that is found then."""
    around = {
        name: empty
        for name, empty in _AROUND.items()
        if any(getattr(filter, key) != value for key, value in empty.items())
    }
    tries = [[name] for name in around] + ([list(around)] if len(around) > 1 else [])
    for names in tries:
        empty = {key: value for name in names for key, value in around[name].items()}
        if (found := newest(replace(filter, **empty))) is not None:
            return names, found
    return [], None


def _conditions(node: Node | None) -> Iterator[Node]:
    """What the query asks for, each by itself; not what it excludes, nor levels and times, which every record has."""
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from _conditions(part)
    elif node is not None and not isinstance(node, Not | Level | Time):
        yield node


def _is_of_source(node: Node) -> bool:
    return isinstance(node, Holds | Equals | Glob | Matches | Compares) and node.field == _SOURCE


def _text_of(node: Node) -> str:
    """The name that a condition on sources was given."""
    return node.text if isinstance(node, Holds | Equals) else node.pattern.strip("*") if isinstance(node, Glob) else ""


def _nearest(name: str, known: Mapping[str, str]) -> list[str]:
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=_NEAR)
    return list(dict.fromkeys(known[one] for one in near))
