"""Patterns of log records, and what changed between two ranges."""

from typing import Literal

from pydantic import ConfigDict, Field

from monitor.api_models.base import Shape
from monitor.api_models.logs import SourceCount


class LogPattern(Shape):
    """A pattern: `text` has `<*>` for values. `number` is its name in this store (`pattern:17` in a query), `id` the same in every store."""

    number: int
    id: str
    text: str
    example: str
    level: str | None = Field(description="The highest level of its records in the range.")
    count: int
    errors: int
    levels: dict[str, int]
    sources: list[SourceCount]
    first: int
    last: int
    first_seen: int | None = Field(description="The time of its first record of all.")
    last_seen: int | None = Field(description="The time of its last record; up to ten minutes old.")
    trend: list[int] = Field(description="Records in each bucket, oldest first.")
    new: bool = Field(description="Whether it occurred first in the range.")
    bursting: bool = Field(description="Whether the end of the range has far more than the time before.")


class LogPatterns(Shape):
    """The most frequent patterns of a filter. `found` and `total` count all patterns and records; `ts` is where each bucket of a trend begins."""

    model_config = ConfigDict(populate_by_name=True)

    patterns: list[LogPattern]
    found: int
    total: int
    start: int = Field(alias="from")
    end: int = Field(alias="to")
    bucket_us: int
    ts: list[int]
    elapsed_ms: float


class ValueCount(Shape):
    """A text that records often have in one place."""

    value: str
    count: int


class ValueStats(Shape):
    """Numbers of a column; times in seconds, sizes in bytes."""

    min: float
    p50: float
    p95: float
    p99: float
    max: float


class PatternColumn(Shape):
    """What the records of a pattern have in place of one value. `p50` and `p95` have an entry for each bucket, null where it has no records; `top` is of texts."""

    place: int
    name: str = Field(description="The word before the value.")
    kind: Literal["time", "bytes", "number", "text"]
    count: int
    different: int
    stats: ValueStats | None
    p50: list[float | None]
    p95: list[float | None]
    top: list[ValueCount]


class PatternValues(Shape):
    """The columns of a pattern in a range. Of `total` records, `looked_at` were looked at: all, or an even part of many."""

    model_config = ConfigDict(populate_by_name=True)

    number: int
    text: str
    total: int
    looked_at: int
    start: int = Field(alias="from")
    end: int = Field(alias="to")
    bucket_us: int
    ts: list[int]
    columns: list[PatternColumn]
    elapsed_ms: float


class SlowingPattern(Shape):
    """A pattern with a duration whose median grew in the newest quarter of its records, from `before` to `after` seconds."""

    number: int
    name: str
    before: float
    after: float
    ratio: float


class SlowingPatterns(Shape):
    """Patterns whose durations grow."""

    patterns: list[SlowingPattern]


class Rates(Shape):
    """Records in two ranges, and an hour; `ratio` is null where there was nothing before."""

    before: int
    after: int
    before_per_hour: float
    after_per_hour: float
    ratio: float | None


class LogChange(Rates):
    """A pattern that is new, gone, more or less frequent than chance explains."""

    kind: Literal["new", "gone", "more", "fewer"]
    number: int
    id: str
    text: str
    example: str
    level: str | None
    errors: int
    sources: list[SourceCount]
    last_seen: int | None


class NamedRates(Rates):
    """A level or a source, and whether it writes more or less than chance explains."""

    name: str
    changed: bool


class ComparedRange(Shape):
    """One of the two ranges."""

    model_config = ConfigDict(populate_by_name=True)

    start: int = Field(alias="from")
    end: int = Field(alias="to")
    records: int
    per_hour: float


class LogChanges(Shape):
    """What changed from one range to the next: new patterns first, then those that are gone, more and fewer. `found` counts all of them."""

    before: ComparedRange
    after: ComparedRange
    changes: list[LogChange]
    found: int
    levels: list[NamedRates]
    sources: list[NamedRates]
    elapsed_ms: float
