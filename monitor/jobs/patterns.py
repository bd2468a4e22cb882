"""Jobs of programs that do not report them, from their log records: what `jobs.patterns` says a record means.

Records are taken from the store in the order of their file, once they are final: another follows, or nothing was added for a while. How
far that was is committed with what was counted, as for spool files, so each record counts once.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from monitor.config.job_patterns import JobPattern, parse_pattern
from monitor.jobs.lines import ID_CHARS, TEXT_CHARS, Line
from monitor.jobs.spool import SpoolFile
from monitor.store.interface import Store

BLOCK: Final = 5_000
SETTLED_US: Final = 2_000_000
"""A record to which nothing was added for so long is final."""
PREFIX: Final = "log "
"""Begin of the names under which positions in log files are kept, beside the names of spool files."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a record means: `line` is the event, `position` its number, `process` the run that wrote it."""

    worker: str
    position: int
    process: int | None
    line: Line


@dataclass(frozen=True, slots=True)
class LogBlock:
    """Records of a file that were looked at, and how far that is."""

    found: list[Found]
    file_id: int
    after: SpoolFile


class LogPatterns:
    """Finds jobs in stored records.

    Args:
        store: where the records are.
        host: the machine's name in it.
        patterns: `jobs.patterns`, as they are now.
        now: µs since the epoch.
    """

    def __init__(self, store: Store, host: str, patterns: Callable[[], Sequence[str]], now: Callable[[], int]) -> None:
        self._store, self._host, self._patterns, self._now = store, host, patterns, now
        self._quiet: dict[int, tuple[int, int]] = {}
        """Files in which nothing is new, as they were then."""

    def blocks(self, known: Callable[[str], SpoolFile]) -> Iterator[LogBlock]:
        """What is new in the files that a pattern names, block by block.

        Args:
            known: how far a name was read. It is asked again after each block, which the caller commits in between.

        Raises:
            StoreError: the records cannot be read now.
        """
        patterns = _compiled(tuple(self._patterns()))
        if not patterns:
            return
        settled = self._now() - SETTLED_US
        for row in self._store.query("job_log_files", host=self._host).to_pylist():
            file_id, as_it_is = row["file_id"], (row["size"] or 0, row["updated_us"] or 0)
            name = f"{PREFIX}{file_id}"
            rotated = "*" if known(name).inode else ""  # what was read under its first name goes on under `app.log.1`
            own = [pattern for pattern in patterns if fnmatchcase(row["path"], pattern.files + rotated)]
            if not own or self._quiet.get(file_id) == as_it_is:
                continue
            more = True
            while more:
                bounds = {"start": known(name).position, "stop": row["stored_to"], "settled": settled, "limit": BLOCK}
                rows = self._store.query("job_log_records", file_id=file_id, **bounds).to_pylist()
                if more := bool(rows):
                    found = [one for record in rows if (one := _meaning(own, record)) is not None]
                    yield LogBlock(found, file_id, SpoolFile(name, 1, rows[-1]["pos"] + 1))
            if as_it_is[1] < settled:
                self._quiet[file_id] = as_it_is


@functools.lru_cache(maxsize=4)
def _compiled(lines: tuple[str, ...]) -> tuple[JobPattern, ...]:
    return tuple(map(parse_pattern, lines))


def _meaning(patterns: Sequence[JobPattern], row: dict[str, Any]) -> Found | None:
    """The event that the first pattern that matches makes of a record."""
    for pattern in patterns:
        match = pattern.regex.search(row["message"])
        if match is None:
            continue
        groups = match.groupdict()
        line = Line(
            pattern.event,
            t=row["at"],
            job=(groups.get("id") or "")[:ID_CHARS],
            s=_number(groups.get("seconds")),
            error=(groups.get("error") or row["message"])[:TEXT_CHARS] if pattern.event == "failed" else None,
        )
        return Found(pattern.worker, row["pos"], row["run"], line)
    return None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
