"""What a query can name: fields that recent records have, with values they often have, and values in patterns of messages."""

import re
from collections import Counter
from typing import Any, Final

import msgspec

from logs.analytics.parameters import names_of
from logs.core import access
from logs.core.timestamps import SECOND
from logs.query.expressions import compiled
from logs.query.matching import pair_expressions
from logs.query.search import Questions
from logs.query.tree import RESERVED

_LOOKED_AT: Final = 5000
_OF_A_SOURCE: Final = 200
_AGES_US: Final = (600 * SECOND, 3600 * SECOND, 30 * 86_400 * SECOND)
"""How far back to look, one after the other, until there are enough."""
_NAMES: Final = 100
_WORD: Final = re.compile(r"[A-Za-z_](?:[\w.\-]*\w)?", re.ASCII)
_VALUES: Final = 8
_LONGEST: Final = 60
_PATTERNS: Final = 500
"""Patterns whose values are looked at, those that were seen last."""
_VARIED: Final = 200
"""A field with more different values than this is like an ID: none of them is worth suggesting."""


def field_names(store: Questions, *, most: int = _NAMES, deadline_s: float = 5.0) -> list[dict[str, Any]]:
    """`{"name", "count", "values"}` of `most` fields, the most frequent first; as they stand in the newest records of each source.

    A name is written as in a query (`fields.level` beside `level`, `http.status` for `status` within `http`).
    """
    newest = store.query("log_bounds", deadline_s=deadline_s).to_pylist()[0]["newest"]
    texts: list[dict[str, Any]] = []
    for age in _AGES_US if newest is not None else ():
        rows = store.query("log_fields", deadline_s=deadline_s, since=newest - age, each=_OF_A_SOURCE, limit=_LOOKED_AT)
        texts = rows.to_pylist()
        if len(texts) >= _OF_A_SOURCE:
            break
    counts: Counter[str] = Counter()
    values: dict[str, Counter[str]] = {}
    for row in texts:
        found = msgspec.json.decode(row["fields"]) if row["fields"] is not None else access.fields(row["line"])
        for name, value in _flat(found) if isinstance(found, dict) else ():
            counts[name] += 1
            seen = values.setdefault(name, Counter())
            if len(seen) <= _VARIED and len(value) <= _LONGEST:
                seen[value] += 1
    found = [
        {"name": name, "count": count, "values": _frequent(values[name], count)}
        for name, count in counts.most_common(most)
    ]
    named = (name for name in _in_patterns(store, deadline_s) if name not in counts)
    return found + [{"name": name, "count": 0, "values": []} for name in named][: most - len(found)]


def _in_patterns(store: Questions, deadline_s: float) -> list[str]:
    """The words by which a query finds values in messages: `took` of `took <*> ms`; those of most patterns first."""
    rows = store.query("log_templates", deadline_s=deadline_s).to_pylist()
    rows.sort(key=lambda row: (-row["last_seen"], row["number"]))
    counts: Counter[str] = Counter()
    for row in rows[:_PATTERNS]:
        body = row["example"].encode("utf-8", "replace")
        for word in dict.fromkeys(names_of(row["text"])):
            if _WORD.fullmatch(word) and any(
                compiled(one, case=True).search(body) for one in pair_expressions(word, units=False)
            ):
                counts[f"fields.{word}" if word in RESERVED else word] += 1
    return [name for name, _ in counts.most_common()]


def _flat(fields: dict[str, Any], within: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in fields.items():
        name = f"{within}{key}"
        if isinstance(value, dict) and not within:
            found += _flat(value, f"{name}.")
        elif isinstance(value, str | int | float) and name.replace("_", "").replace(".", "").replace("-", "").isalnum():
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            found.append((f"fields.{name}" if name in RESERVED else name, text))
    return found


def _frequent(seen: Counter[str], count: int) -> list[str]:
    """Values that several records share."""
    if len(seen) > _VARIED:
        return []
    return [value for value, times in seen.most_common(_VALUES) if times > 1 or count < _VALUES]
