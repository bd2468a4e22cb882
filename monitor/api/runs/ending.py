"""Why a run ended, and what led to it, from the store."""

import json
from collections.abc import Mapping
from typing import Any, Final

from logs import LogFilter, LogRecord
from logs.query import search
from monitor.api.runs.detail import ended_run, finite
from monitor.api_models.endings import FinalMinute, LastError, RunEnding
from monitor.api_models.processes import RunRef
from monitor.core.error_words import cause_of as error_words
from monitor.core.exit_words import failed, signal_name
from monitor.core.process_title import title_of
from monitor.lifecycle.causes import Evidence, cause_of
from monitor.store.interface import Store
from monitor.store.lives import UNSEEN
from monitor.store.tiers import DAY, MINUTE, SECOND

NEAR: Final = 3 * SECOND
"""How long before a run its parent may have ended to be what took it along."""
TIMED_OUT: Final = 124
"""Exit code of `timeout` that ended its command."""
EARLIER: Final = 6
ERROR: Final = 40
TRACEBACK: Final = "Traceback (most recent call last):"


def run_ending(store: Store, run: int) -> RunEnding | None:
    """Why a run ended; None if the store does not know the run."""
    rows = store.query("run_ending", run=run, near=NEAR).to_pylist()
    if not rows:
        return None
    row = rows[0]
    ended = row["end_ts"]
    newest = next(iter(search.search(store, LogFilter(run=run), limit=1).records), None)
    error = _last_error(store, run, newest)
    bad = None if ended is None else failed(row["exit_code"], row["exit_signal"], row["asked"])
    limits = json.loads(row["limits"]) if row["limits"] else {}
    parent, role = _parent(row, limits.get("parent"))
    named = None if parent is None else f"{title_of(parent.name, parent.cmdline, parent.member)} ({parent.pid})"
    cause, why = cause_of(
        Evidence(
            ended=ended is not None,
            exit_code=row["exit_code"],
            exit_signal=row["exit_signal"],
            seen=row["end_source"] != UNSEEN,
            out_of_memory=bool(limits.get("out_of_memory")),
            memory_group=limits.get("memory_group"),
            memory_limit=limits.get("memory_limit"),
            cpu_limit_s=limits.get("cpu_limit_s"),
            exception=_exception(error, ended),
            asked=row["asked"],
            ended_for=row["ended_for"],
            parent=named if role == "gone" else None,
            timed_out_by=named if role == "timer" else None,
        )
    )
    total, earlier = _earlier(store, run, row["start_ts"])
    return RunEnding(
        run=str(run),
        pid=row["pid"],
        title=title_of(row["name"], row["cmdline"], row["member"]),
        command=row["cmdline"] or row["name"],
        directory=row["cwd"],
        cause=cause,
        why=why,
        started=row["start_ts"],
        ended=ended,
        at_least=row["end_source"] == UNSEEN,
        exit_code=row["exit_code"],
        signal=row["exit_signal"],
        signal_name=None if row["exit_signal"] is None else signal_name(row["exit_signal"]),
        failed=bad,
        asked=row["asked"],
        sender=parent if cause == "parent_gone" or (cause != "stopped" and role == "timer") else None,
        out_of_memory=bool(limits.get("out_of_memory")),
        memory_group=limits.get("memory_group"),
        memory_limit=limits.get("memory_limit"),
        last_error=_told(error),
        last_line=_told(newest) if bad and error is None and _is_at_end(newest, ended) else None,
        peak_rss=row["peak_rss"],
        cpu_seconds=finite(row["cpu_seconds"]),
        bytes_read=row["bytes_read"],
        bytes_written=row["bytes_written"],
        final=None if ended is None else _final(store, run, ended),
        earlier_24h=total,
        earlier=earlier,
    )


def _parent(row: Mapping[str, Any], last: int | None) -> tuple[RunRef | None, str]:
    """The parent, if it may have ended the run: by its own end (`gone`), or as its time was over (`timer`).

    One that the same signal ended went along with it. One that was still there (`last` is the parent at the end of the run) ended because
    its child did, as a script does; so may one whose end was told together with the child's.
    """
    if row["parent_run"] is None or row["exit_signal"] is None or row["parent_signal"] == row["exit_signal"]:
        return None, ""
    was_there = row["parent_over"] >= row["end_ts"] if last is None else last == row["parent_pid"]
    timer = was_there and (row["parent_name"], row["parent_code"]) == ("timeout", TIMED_OUT)
    if was_there and not timer:
        return None, ""
    parent = RunRef(
        run=str(row["parent_run"]),
        pid=row["parent_pid"],
        name=row["parent_name"],
        cmdline=row["parent_cmdline"] or "",
        member=row["parent_member"],
    )
    return parent, "timer" if timer else "gone"


def _last_error(store: Store, run: int, newest: LogRecord | None) -> LogRecord | None:
    """Its last error. What it logged last may end with the traceback that nobody caught, whatever level that record has: read together, the two are one record."""
    if newest is not None and newest.lines > 1 and TRACEBACK in newest.message:
        return newest
    found = search.search(store, LogFilter(run=run, least=ERROR), limit=1).records
    return found[-1] if found else None


def _is_at_end(record: LogRecord | None, ended: int | None) -> bool:
    """Whether it was written in the last minute of its run."""
    return record is not None and ended is not None and record.ts >= ended - MINUTE


def _told(record: LogRecord | None) -> LastError | None:
    if record is None:
        return None
    return LastError(record=f"{record.file_id}:{record.pos}", ts=record.ts, text=error_words(record.message))


def _exception(error: LogRecord | None, ended: int | None) -> str | None:
    """The exception of the last error, if it was logged at the end."""
    if error is None or not _is_at_end(error, ended):
        return None
    words = error_words(error.message)
    return words if words != error.message.split("\n", 1)[0] or error.lines > 1 else None


def _final(store: Store, run: int, ended: int) -> FinalMinute | None:
    (row,) = store.query("run_final", run=run, start=ended - MINUTE, end=ended).to_pylist()
    if not row.pop("samples"):
        return None
    return FinalMinute(start=ended - MINUTE, end=ended, **{name: finite(value) for name, value in row.items()})


def _earlier(store: Store, run: int, started: int | None) -> tuple[int, list[Any]]:
    if started is None:
        return 0, []
    rows = store.query("runs_like", run=run, since=started - DAY, limit=EARLIER).to_pylist()
    return (rows[0]["total"] if rows else 0), [ended_run(row) for row in rows if row["end_ts"] is not None]
