"""Records counted by pattern, level, time and source. The counts of all patterns add up to the records of the filter."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from logs.core import levels
from logs.core.timestamps import SECOND
from logs.patterns.book import OTHER, OTHER_ID, OTHER_TEXT
from logs.patterns.miner import EMPTY_TEXT
from logs.query.filters import LogFilter
from logs.query.search import Questions

UNGROUPED: Final = -1
"""Stands for the records that were stored before there were patterns."""
_UNGROUPED_ID: Final = "none"
_UNGROUPED_TEXT: Final = "Records stored before patterns were kept"
HOUR: Final = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is known of a pattern, whatever the range: `first_seen` and `last_seen` of its records, the `source` of its first one. Times are µs, None where unknown."""

    number: int
    id: str
    text: str
    example: str
    source: str
    first_seen: int | None
    last_seen: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """All patterns by number; `of` leads from the number of a record to its pattern; `began` says when a source wrote its first record."""

    patterns: Mapping[int, Pattern]
    of: Mapping[int, int]
    began: Mapping[str, int]

    def is_new(self, pattern: Pattern, since: int) -> bool:
        """Whether it occurred first since a time (µs), in a source that had been read for a while."""
        if pattern.first_seen is None or pattern.number == OTHER or pattern.first_seen < since:
            return False
        return pattern.first_seen >= self.began[pattern.source] + _SETTLED

    def began_of(self, sources: Iterable[str]) -> int:
        """When the first of some sources wrote its first record (µs); 0 where nothing is known of any. Before that, its silence says nothing."""
        return min((self.began[source] for source in sources if source in self.began), default=0)


_SETTLED: Final = 600 * SECOND
"""Whatever a source says in its first minutes is not news."""


@dataclass(slots=True)
class Tally:
    """Records of one pattern in a range: by level, by time (`trend`, oldest first), by source, the first and the last of them (µs)."""

    pattern: Pattern
    buckets: int
    levels: Counter[int] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    trend: list[int] = field(default_factory=list)
    first: int = 1 << 62
    last: int = -(1 << 62)

    def __post_init__(self) -> None:
        self.trend = [0] * self.buckets

    @property
    def count(self) -> int:
        """All of them."""
        return self.levels.total()

    @property
    def errors(self) -> int:
        """Those of level error or above."""
        return sum(number for level, number in self.levels.items() if level >= levels.ERROR)

    @property
    def level(self) -> str | None:
        """The highest level, as a word."""
        return levels.NAMES.get(max(self.levels))

    def json(self) -> dict[str, Any]:
        """As the API gives it."""
        pattern = self.pattern
        return {
            "number": pattern.number, "id": pattern.id, "text": pattern.text, "example": pattern.example, "level": self.level, "count": self.count,
            "errors": self.errors, "levels": by_word(self.levels), "sources": by_source(self.sources), "first": self.first, "last": self.last,
            "first_seen": pattern.first_seen, "last_seen": pattern.last_seen, "trend": self.trend,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tallies:
    """All patterns of a range that have records in it, most first; `ts` is where each bucket of their trends begins (µs)."""

    since: int
    until: int
    width: int
    ts: list[int]
    patterns: list[Tally]

    @property
    def total(self) -> int:
        """All records."""
        return sum(one.count for one in self.patterns)

    def slot_of(self, ts: int) -> int:
        """The first bucket that lies behind a time (µs)."""
        return max(0, -(-(ts - self.ts[0]) // self.width))

    @property
    def hours(self) -> float:
        """The length of the range."""
        return (self.until - self.since) / HOUR


def known_patterns(store: Questions) -> Known:
    """What the store knows of patterns."""
    rows = store.query("log_templates").to_pylist()
    told = {row["number"]: row["pattern"] for row in rows}
    of = {UNGROUPED: UNGROUPED, OTHER: OTHER} | {number: _stands_for(number, told) for number in told}
    members: dict[int, list[dict[str, Any]]] = defaultdict(list)
    began: dict[str, int] = {}
    for row in rows:
        members[of[row["number"]]].append(row)
        began[row["source"]] = min(row["first_seen"], began.get(row["source"], row["first_seen"]))
    patterns = {OTHER: Pattern(OTHER, OTHER_ID, OTHER_TEXT, "", "", None, None)}
    patterns |= {number: _pattern(number, group) for number, group in members.items()}
    patterns[UNGROUPED] = Pattern(UNGROUPED, _UNGROUPED_ID, _UNGROUPED_TEXT, "", "", None, None)
    return Known(patterns, of, began)


def _stands_for(number: int, told: Mapping[int, int]) -> int:
    """The pattern of a template. In stores of earlier versions it may be of another one itself."""
    seen = {number}
    while (above := told.get(number, number)) in told and above not in seen:
        seen.add(above)
        number = above
    return number


def _pattern(number: int, members: Iterable[dict[str, Any]]) -> Pattern:
    found = list(members)
    own = next((row for row in found if row["number"] == number), found[0])
    first = min(found, key=lambda row: (row["first_seen"], row["number"]))
    last = max(row["last_seen"] for row in found)
    return Pattern(
        number, own["id"], own["text"].strip() or EMPTY_TEXT, own["example"], first["source"], first["first_seen"], last
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """What the store counted in [since, until), by template: rows by level and bucket, whose `source` is None, and rows by source. It is asked before the
    templates are, so that each of them is known then.
    """

    since: int
    until: int
    width: int
    rows: list[dict[str, Any]]

    def by_pattern(self, known: Known) -> Tallies:
        """The counts of all patterns."""
        begin = self.since - self.since % self.width
        slots = max(1, -(-(self.until - begin) // self.width))
        found: dict[int, Tally] = {}
        for row in self.rows:
            number = known.of.get(row["number"], OTHER)
            one = found.get(number) or found.setdefault(number, Tally(known.patterns[number], slots))
            if row["source"] is not None:
                one.sources[row["source"]] += row["n"]
                continue
            one.levels[row["level"]] += row["n"]
            one.trend[(row["bucket"] - begin) // self.width] += row["n"]
            one.first, one.last = min(one.first, row["first"]), max(one.last, row["last"])
        ordered = sorted(found.values(), key=lambda one: (-one.count, one.pattern.number))
        return Tallies(
            self.since, self.until, self.width, [begin + slot * self.width for slot in range(slots)], ordered
        )


def count(store: Questions, wanted: LogFilter, since: int, until: int, *, buckets: int, deadline_s: float) -> Counted:
    """Count the records of a filter in [since, until), in at most so many `buckets` (+1) of equal width."""
    width = max(1, -(-(until - since) // max(1, buckets)))
    params = {**wanted.params(), "since": since, "until": until}
    rows = store.query("log_pattern_counts", deadline_s=deadline_s, width=width, **params).to_pylist()
    return Counted(since, until, width, rows)


def by_word(counted: Mapping[int, int]) -> dict[str, int]:
    """Counts by level as words, the highest level first."""
    words: Counter[str] = Counter()
    for level in sorted(counted, reverse=True):
        words[levels.NAMES.get(level, "unknown")] += counted[level]
    return dict(words)


def by_source(counted: Counter[str]) -> list[dict[str, Any]]:
    """Counts by source, most first."""
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return [{"source": source, "count": number} for source, number in ordered]
