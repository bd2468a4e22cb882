"""The records for an opinion: given ones with their neighbours, or the newest of a filter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from logs import LogFilter, record_json
from logs.query import search
from monitor.api.http.errors import NotFound
from monitor.api_models.ai import Citation
from monitor.core.errors import ConfigError
from monitor.store.interface import Store

MOST: Final = 60
"""Maximum number of records for a question. What does not fit into the model's context is left out and counted."""
TEXT_CHARS: Final = 100_000
SHOWN_CHARS: Final = 400
Kind = Literal["record", "process", "reading"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be cited: a record (`id` of the log API), a process (`run:<run>`) or a reading (`reading:<metric>`). `ts` in µs."""

    id: str
    kind: Kind
    text: str
    ts: int | None = None
    level: str | None = None
    source: str | None = None

    @property
    def clock(self) -> str:
        """Its local time of day, for the model."""
        return f"{datetime.fromtimestamp(self.ts / 1e6).astimezone():%H:%M:%S}" if self.ts else ""

    def cited(self, number: int) -> Citation:
        """The citation in an answer; `number` is the one that the model used."""
        return Citation(
            id=self.id, kind=self.kind, number=number, text=self.text[:SHOWN_CHARS], ts=self.ts, level=self.level, source=self.source,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a model is given, oldest first and the most telling last; `matched` counts all records that were meant, `span` is their time in µs."""

    items: Sequence[Item]
    matched: int
    span: tuple[int, int] | None = None
    question: str = ""
    """The default question."""
    records: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "records", sum(item.kind == "record" for item in self.items))


def named(store: Store, ids: Sequence[str], around: int = 0) -> Evidence:
    """The given records, oldest first, each with `around` neighbours before and after it in its file.

    Raises:
        NotFound: one of them is not there.
        LogsError: an id has not the form of one.
    """
    rows: dict[str, dict[str, Any]] = {}
    first = ""
    for name in ids:
        row = search.record(store, name)
        if row is None:
            raise NotFound(f"there is no record {name[:40]!r}", hint="it may have been deleted since")
        first = first or str(row["message"])
        near = [record_json(one) for one in search.context(store, name, around, around)] if around else []
        rows |= {one["id"]: one for one in [*near, row]}
    items = [item_of(row) for row in sorted(rows.values(), key=lambda row: (row["ts"] or 0, row["pos"]))]
    asked = f"Explain this record: {' '.join(first.split())[:200]}" if len(ids) == 1 else ""
    return Evidence(items[-MOST:], len(rows), _span(items), asked)


def filtered(store: Store, wanted: LogFilter) -> Evidence:
    """The newest records of a filter.

    Raises:
        LogsError, QueryError: the filter is wrong, or the search took too long.
    """
    page = search.search(store, wanted, limit=MOST)
    matched = len(page.records) if page.older is None else int(search.count(store, wanted)["count"])
    items = [item_of(record_json(record)) for record in page.records]
    return Evidence(items, matched, _span(items))


def item_of(row: dict[str, Any]) -> Item:
    """A record as an item that can be cited."""
    return Item(row["id"], "record", row["message"][:TEXT_CHARS], row["ts"], row["level"], row["source"])


def bounds(wanted: LogFilter, now: int) -> tuple[int, int]:
    """The time range of a filter in µs.

    Raises:
        ConfigError: it has no beginning, or ends before it.
    """
    if wanted.since is None:
        raise ConfigError("the start of the time range is missing", hint='{"since": "15m", "readings": true}')
    until = now if wanted.until is None else wanted.until
    if until <= wanted.since:
        raise ConfigError("the time range ends before it starts", hint="give `since` before `until`")
    return wanted.since, until


def _span(items: Sequence[Item]) -> tuple[int, int] | None:
    times = [item.ts for item in items if item.ts]
    return (min(times), max(times)) if times else None
