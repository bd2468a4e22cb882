"""Log records, their sources, and files to import."""

import operator
from typing import Any, Literal

from pydantic import ConfigDict, Field

from logs.core.reading import FileReading, MarkedLine, Reading
from logs.core.settings import SourceState
from monitor.api_models.base import Level, Shape

__all__ = ["FileReading", "MarkedLine", "Reading"]

LONGEST_PID = 7
"""Digits of a process ID; the number of a run has more."""
ARCHIVED: Any = Field(default=False, description="Whether the archive of older records was read for the answer.")


class LogEntry(Shape):
    """A record that a program shows to everybody who watches; it is not stored. `ts` is µs, now if it is absent."""

    source: str = Field(min_length=1, max_length=200)
    message: str = Field(max_length=16_384)
    level: Literal["trace", "debug", "info", "warn", "error", "fatal"] | None = None
    logger: str | None = Field(None, max_length=200)
    pid: int | None = Field(None, ge=1, lt=1 << 31)
    ts: int | None = Field(None, gt=0, lt=1 << 62)


class BroadcastDone(Shape):
    """How many streams and open pages a record went to."""

    streams: int


class Record(Shape):
    """One log record, however many lines; `id` is `<file_id>:<pos>`."""

    id: str
    ts: int
    level: str | None
    source: str
    logger: str | None
    pid: int | None
    run: str | None
    message: str
    lines: int
    format: str | None
    file_id: str
    pos: int
    line_no: int | None
    coloured: str | None = Field(
        default=None,
        exclude_if=operator.not_,
        description="The first line of the message with the colour codes it was written with; absent where it has none.",
    )
    fields: dict[str, Any] | None = Field(
        default=None,
        exclude_if=operator.not_,
        description="The fields of a structured record; absent where it has none, or very long ones.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        exclude_if=operator.not_,
        description="Values of the fields that were asked for; absent where none were found.",
    )


class RecordDetail(Record):
    """A record with its fields, its original text and its file."""

    fields: dict[str, Any] | None
    raw: str
    path: str | None


class Mark(Shape):
    """A text, or an RE2 expression, that was searched."""

    text: str
    regex: bool
    case: bool


class LogPage(Shape):
    """Matching records, oldest first, with cursors to older and newer ones, and what to mark in them."""

    records: list[Record]
    older: str | None
    newer: str | None
    elapsed_ms: float
    scanned: int | None = None
    archived: bool = ARCHIVED
    marks: list[Mark] = Field(default_factory=list)
    streams: bool = Field(default=True, description="Whether new records of the filter come over the live socket.")


class LogContext(Shape):
    """The neighbours of a record in its file."""

    records: list[Record]


class LogCount(Shape):
    """The number of matching records."""

    count: int
    archived: bool = ARCHIVED
    elapsed_ms: float


class LogHistogram(Shape):
    """Records over time by level."""

    model_config = ConfigDict(populate_by_name=True)

    bucket_us: int
    start: int | None = Field(default=None, alias="from")
    end: int | None = Field(default=None, alias="to")
    ts: list[int]
    levels: dict[str, list[int]]
    total: int
    archived: bool = ARCHIVED
    elapsed_ms: float


class SourceCount(Shape):
    """The number of matching records of one source."""

    source: str
    count: int


class LogFacets(Shape):
    """Counts by level and by source."""

    levels: dict[str, int]
    sources: list[SourceCount]
    archived: bool = ARCHIVED


class QueryProblem(Shape):
    """Where a query is wrong, why, and what would be right. Columns count from 1; `end` is behind the part that is wrong."""

    column: int
    end: int
    message: str
    hint: str


class QueryCheck(Shape):
    """Whether a query can be read; None when it can."""

    problem: QueryProblem | None


class UnknownName(Shape):
    """A field, a source or a condition that no record has; `nearest` are names that are written nearly so."""

    name: str
    nearest: list[str]


class FoundInstead(Shape):
    """The newest record that is found without a part of a filter."""

    id: str
    ts: int


class WhyNothing(Shape):
    """What keeps a filter from finding anything: what no record has, or what around the query to leave out, and the newest record that is found then."""

    unknown: list[UnknownName]
    without: list[Literal["range", "levels", "sources", "process"]]
    newest: FoundInstead | None


class FieldName(Shape):
    """A field of records, how many of those looked at have it, and values that it often has."""

    name: str
    count: int
    values: list[str]


class FieldNames(Shape):
    """Fields that recent records have."""

    fields: list[FieldName]


class LogSources(Shape):
    """All sources."""

    sources: list[SourceState]


class ErrorTrend(Shape):
    """Errors per minute, as the mean of the previous ten minutes, from a time (µs) in equal steps (µs)."""

    model_config = ConfigDict(populate_by_name=True)

    start: int = Field(alias="from")
    step_us: int
    per_minute: list[float]


class LogErrors(Shape):
    """The number of errors, and the newest."""

    per_minute: list[int] | float | None
    last_10_min: int
    fatal_10_min: int
    fatal_sources: list[SourceCount]
    sources: list[SourceCount]
    trend: ErrorTrend
    newest: Record | None
    recent: list[Record]


class IngestRequest(Shape):
    """Files to read into the store."""

    paths: list[str] = Field(min_length=1, max_length=1000, description="Absolute paths of files.")
    format: str | None = Field(default=None, description="Log format to use; null detects it.")


class IngestStarted(Shape):
    """The job that reads the files."""

    job: str


class IngestJob(Shape):
    """The progress of a job. Lines, records and bytes count the whole files; `added` counts the records that this job stored."""

    state: Literal["running", "done", "failed"]
    lines: int
    records: int
    added: int
    bytes: int
    seconds: float
    progress: float | None
    error: str | None


class OwnFormat(Shape):
    """A log format that somebody described: its file, what is wrong with its samples, and the files it reads."""

    name: str
    toml: str
    samples: int
    wrong: list[str]
    files: list[str]


class OwnFormats(Shape):
    """All of them, and per file that cannot be used, why. `known` names the formats that need no description."""

    folder: str
    formats: list[OwnFormat]
    errors: dict[str, str]
    known: list[str]


class SavedSearch(Shape):
    """A search of logs under a name: what the boxes of the Logs page say, without its time range. `process` is a PID or the number of a run."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    query: str = Field("", max_length=4000)
    case: bool = False
    raw: bool = False
    sources: list[str] = Field(default_factory=list, max_length=100)
    levels: list[Level | Literal["unknown"]] = Field(default_factory=list, max_length=7)
    process: str = Field("", max_length=20, pattern=r"^\d*$")

    @property
    def said(self) -> str:
        """What it asks for, in one line for people."""
        process = f"process {self.process}" if self.process else ""
        flags = [word for word, on in (("match case", self.case), ("raw", self.raw)) if on]
        parts = [self.query, " ".join(self.sources), " ".join(self.levels), process, *flags]
        return " · ".join(part for part in parts if part)

    def params(self) -> dict[str, Any]:
        """The filters that it stands for, as the log API takes them; empty if it asks for nothing."""
        found: dict[str, Any] = {}
        if self.query.strip():
            found["query"] = self.query
            found |= {name: 1 for name in ("case", "raw") if getattr(self, name)}
        if self.sources:
            found["source"] = ",".join(self.sources)
        if self.levels:
            found["levels"] = ",".join(self.levels)
        if self.process:
            found["pid" if len(self.process) <= LONGEST_PID else "run"] = self.process
        return found


class SavedSearches(Shape):
    """All of them by name, the file that they are in, and what is wrong with those that cannot be used."""

    file: str
    searches: list[SavedSearch]
    wrong: list[str]


class SearchSaving(Shape):
    """A search to keep. `was` is the name that it had until now; `replace` lets it take the place of another with its name."""

    search: SavedSearch
    was: str | None = Field(None, max_length=200)
    replace: bool = False


class LogReadings(Shape):
    """How the files of a source are read, and the names of the formats that could be named for them."""

    source: str
    files: list[FileReading]
    formats: list[str]


class ReadingCorrection(Shape):
    """How a file is to be read from now on."""

    source: str = Field(max_length=1000)
    path: str = Field(description="`named` of one of its files: the file and its rotated generations.", max_length=4000)
    read_as: str = Field(
        description="A format, `day-first`, `month-first` or `year-first`, or a format and one of these; `detect`: find it out.",
        max_length=100,
    )


class FormatTrial(Shape):
    """Lines to read, and the format to read them by; without `toml` one is drafted from the lines."""

    lines: list[str] = Field(max_length=200)
    toml: str | None = Field(None, max_length=100_000)


class LineParts(Shape):
    """How a format reads a line. A line that does not match is its own message."""

    line: str
    matches: bool
    ts: str | None
    level: Level | None
    logger: str | None
    pid: int | None
    message: str
    fields: dict[str, Any] | None


class FormatTried(Shape):
    """The format, and how it reads the lines."""

    toml: str
    lines: list[LineParts]
    wrong: list[str]


class FormatSaving(Shape):
    """A format to keep, and the patterns of the files that it reads from now on."""

    toml: str = Field(max_length=100_000)
    files: list[str] = Field(default_factory=list, max_length=100)
