"""What can be counted in log records without a model: facts, each with the records it rests on.

A tiny model says little that is of use about records; counts do: how many of which kind, what came first, what is new towards the end.
Messages count as alike when they differ in numbers, addresses, quoted words and paths only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ai.shapes.opinion import MAX_FACT_IDS, Fact

_VARIABLE: Final = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b|\"[^\"\n]{0,200}\"|'[^'\n]{0,200}'|(?:/[\w.@-]+){2,}|\b\d[\d.:,TZ-]*\w*",
    re.IGNORECASE,
)
BAD: Final = frozenset({"error", "critical", "fatal", "emergency", "alert"})
WARNING: Final = frozenset({"warn", "warning"})
FIRST_ERROR: Final = "The first error"
_SHOWN: Final = 90
_MAX_FACTS: Final = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as facts see it: masked text, time as shown, level."""

    id: str
    text: str
    ts: str = ""
    level: str = ""


@dataclass(slots=True)
class _Kind:
    """Records whose messages are alike; `places` are their positions."""

    places: list[int] = field(default_factory=list)


def shape(message: str) -> str:
    """A message with what varies taken out."""
    return " ".join(_VARIABLE.sub("*", message[:400]).split())


def find_facts(entries: Sequence[Entry]) -> list[Fact]:
    """Facts about records, oldest first; at most six. Nothing is guessed: each is a count or an order."""
    if not entries:
        return []
    facts = [_overview(entries)]
    kinds: dict[str, _Kind] = {}
    for place, entry in enumerate(entries):
        kinds.setdefault(shape(entry.text), _Kind()).places.append(place)
    bad = [place for place, entry in enumerate(entries) if entry.level.lower() in BAD]
    if bad and bad[0] > 0:
        facts.append(_about(entries, f"{FIRST_ERROR} is record {bad[0] + 1} of {len(entries)}", bad[:1]))
    often = sorted(kinds.values(), key=lambda k: (-len(k.places), k.places[0]))[:2]
    facts.extend(_repeated(entries, kind) for kind in often if len(kind.places) >= 2)
    facts.extend(_late(entries, kinds))
    return facts[:_MAX_FACTS]


def _overview(entries: Sequence[Entry]) -> Fact:
    levels: dict[str, int] = {}
    for entry in entries:
        if entry.level:
            levels[entry.level.lower()] = levels.get(entry.level.lower(), 0) + 1
    counts = ", ".join(f"{count} {level}" for level, count in sorted(levels.items(), key=lambda pair: -pair[1]))
    first, last = entries[0].ts, entries[-1].ts
    when = f", {first} to {last}" if first and last and first != last else f", at {first}" if first else ""
    noun = "record" if len(entries) == 1 else "records"
    return Fact(
        text=f"{len(entries)} {noun}{when}{f': {counts}' if counts else ''}."[:400],
        records=_ids(entries, [0, len(entries) - 1]),
    )


def _repeated(entries: Sequence[Entry], kind: _Kind) -> Fact:
    share = f"{len(kind.places)} of {len(entries)} records are alike"
    first, last = entries[kind.places[0]].ts, entries[kind.places[-1]].ts
    when = f" from {first} to {last}" if first and last and first != last else ""
    return _about(entries, f"{share}{when}", kind.places)


def _late(entries: Sequence[Entry], kinds: dict[str, _Kind]) -> list[Fact]:
    """Kinds that appear for the first time in the last third, at most two, errors before others."""
    if len(entries) < 6:
        return []
    since = len(entries) * 2 // 3
    new = [kind for kind in kinds.values() if kind.places[0] >= since]
    if len(new) > len(kinds) / 2:
        return []
    new.sort(key=lambda k: (entries[k.places[0]].level.lower() not in BAD, k.places[0]))
    return [_about(entries, f"New from record {kind.places[0] + 1} on", kind.places) for kind in new[:2]]


def _about(entries: Sequence[Entry], what: str, places: Sequence[int]) -> Fact:
    message = " ".join(entries[places[0]].text.split())
    shown = message if len(message) <= _SHOWN else message[: _SHOWN - 1] + "…"
    return Fact(text=f"{what}: “{shown}”"[:400], records=_ids(entries, places))


def _ids(entries: Sequence[Entry], places: Sequence[int]) -> list[str]:
    return list(dict.fromkeys(entries[place].id for place in places))[:MAX_FACT_IDS]
