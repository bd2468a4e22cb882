"""What a query can name: fields that recent records have, with values they often have."""

from collections import Counter
from typing import Any, Final

import msgspec

from logs.core import access
from logs.core.timestamps import SECOND
from logs.query.search import Questions
from logs.query.tree import RESERVED

_LOOKED_AT: Final = 5000
_OF_A_SOURCE: Final = 200
_AGES_US: Final = (600 * SECOND, 3600 * SECOND, 30 * 86_400 * SECOND)
"""How far back to look, one after the other, until there are enough."""
_NAMES: Final = 100
_VALUES: Final = 8
_LONGEST: Final = 60
_VARIED: Final = 200
"""A field with more different values than this is like an ID: none of them is worth suggesting."""


def field_names(store: Questions, *, deadline_s: float = 5.0) -> list[dict[str, Any]]:
    """`{"name", "count", "values"}` of fields, the most frequent first; as they stand in the newest records of each source.

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
    return [
        {"name": name, "count": count, "values": _frequent(values[name], count)}
        for name, count in counts.most_common(_NAMES)
    ]


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
