"""Parameters that several routes share."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Path, Query
from pydantic import BaseModel, Field

from logs import LogFilter
from logs.query.filters import FILTER_KEYS
from monitor.api.http.errors import NotFound
from monitor.core.errors import QueryError
from monitor.live.snapshot import Snapshot

FromTime = Annotated[int, Query(alias="from", description="Begin, microseconds since the epoch.", ge=0, le=2**62)]
ToTime = Annotated[int, Query(alias="to", description="End (exclusive), microseconds since the epoch.", ge=0, le=2**62)]
Points = Annotated[int, Query(description="Buckets at most.", ge=1, le=10_000)]
PastTime = Annotated[
    str,
    Query(
        description="µs since the epoch, ISO 8601, `03:12`, `2h` (ago) or `yesterday 14:00`.",
        min_length=1,
        max_length=60,
    ),
]
Zone = Annotated[
    str,
    Query(
        description="Time zone of a time without one, such as Europe/Berlin; empty: that of the agent.", max_length=60
    ),
]
RunPart = Annotated[str, Path(description="The run, a decimal number.", max_length=30)]


def zone_of(name: str) -> tzinfo | None:
    """The time zone of this name; None for none.

    Raises:
        QueryError: there is none.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryError(f"there is no time zone {name!r}", hint="give one such as Europe/Berlin") from error


def run_number(text: str) -> int:
    """The run as a number.

    Raises:
        NotFound: it is none.
    """
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise NotFound(
            f"there is no run {text[:40]!r}", hint="the Processes page and `watchkeeper ps --json` list the runs"
        )
    return int(text)


class EndedFilter(BaseModel):
    """Which of the runs that have ended."""

    q: str | None = Field(None, description="Text in name or command; or a user or a PID.", max_length=500)
    since: str | None = Field(None, description="Ended at or after; a time as for log records.", max_length=60)
    until: str | None = Field(None, description="Ended before.", max_length=60)
    mine: bool = Field(default=False, description="Only those of the user who runs the agent.")
    failed: bool = Field(
        default=False,
        description="Only those with another exit code than 0, or ended by a signal, unless somebody asked for it.",
    )
    lived_s: float = Field(0, description="Only those that lived as long, in seconds.", ge=0, le=1e9)
    limit: int = Field(200, description="Runs at most.", ge=1, le=10_000)


class LivesFilter(BaseModel):
    """Which of the runs that lived in a range of time."""

    q: str | None = Field(None, description="Text in name or command; or a user or a PID.", max_length=500)
    mine: bool = Field(default=False, description="Only those of the user who runs the agent.")
    lived_s: float = Field(0, description="Only those that lived as long, in seconds.", ge=0, le=1e9)
    limit: int = Field(300, description="Runs at most.", ge=1, le=5_000)


class ActivityFilter(BaseModel):
    """Whose activity, and how much of it."""

    run: str | None = Field(
        None, description="Runs, separated by commas; without any those that used most.", max_length=500
    )
    limit: int = Field(200, description="Events, jobs and actions at most, each.", ge=1, le=5_000)
    records: int = Field(20, description="Newest records at most.", ge=0, le=1_000)
    buckets: int = Field(120, description="Buckets of the counts of records at most.", ge=1, le=2_000)


def parse_filter(given: Mapping[str, Any], now: int, snapshot: Snapshot) -> LogFilter:
    """A filter from parameters of any JSON type. Parameters that are not filters are ignored.

    Args:
        given: the parameters.
        now: the present, µs since the epoch.
        snapshot: knows the processes that write, for live records.

    Raises:
        LogsError: naming what is wrong.
    """
    params = {}
    for key in FILTER_KEYS:
        value = given.get(key)
        if value is None or value == "":
            continue
        if isinstance(value, list | tuple):
            value = ",".join(str(part) for part in value)
        params[key] = str(int(value)) if isinstance(value, bool) else str(value)
    return LogFilter.parse(params, now, snapshot.name_of, snapshot.paths_of)
