"""Why a run ended, and what led to it, from the store."""

import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from logs import LogFilter, LogRecord
from logs.query import search
from monitor.api.runs.detail import ended_run, finite
from monitor.api_models.endings import FinalMinute, LastError, RunEnding
from monitor.api_models.processes import RunRef
from monitor.core.error_words import cause_of as error_words
from monitor.core.exit_words import failed, signal_name
from monitor.core.process_title import title_of
from monitor.lifecycle.causes import Cause, Evidence, cause_of
from monitor.lifecycle.senders import SENDERS, names, time_of
from monitor.store.interface import Store
from monitor.store.lives import UNSEEN
from monitor.store.tiers import DAY, MINUTE, SECOND

NEAR: Final = 3 * SECOND
"""How long before a run its parent may have ended to be what took it along."""
TIMED_OUT: Final = 124
"""Exit code of `timeout` that ended its command."""
KILL: Final = getattr(signal, "SIGKILL", 9)
NEAR_SENDER: Final = SECOND // 2
"""How long before an end the command may have ended that sent its signal."""
MOST_BELOW: Final = 100
_SENT: Final = frozenset({"terminated", "killed", "signal", "segfault", "aborted", "cpu_limit"})
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
    own = LogFilter(run=run)
    newest = _newest(store, own)
    error = _last_error(store, own, newest)
    bad = None if ended is None else failed(row["exit_code"], row["exit_signal"], row["asked"])
    limits = json.loads(row["limits"]) if row["limits"] else {}
    parent, role = _parent(row, limits.get("parent"))
    named = None if parent is None else f"{title_of(parent.name, parent.cmdline, parent.member)} ({parent.pid})"
    exception = _exception(error, ended)
    if bad and newest is None and (below := _of_its_own(store, run, ended)) is not None:
        newest = _newest(store, below)
        error = _last_error(store, below, newest)
    by = _sender(store, row) if parent is None else None
    cause, why = cause_of(
        Evidence(
            ended=ended is not None,
            exit_code=row["exit_code"],
            exit_signal=row["exit_signal"],
            seen=row["end_source"] != UNSEEN,
            rebooted=row["rebooted"],
            out_of_memory=bool(limits.get("out_of_memory")),
            memory_group=limits.get("memory_group"),
            memory_limit=limits.get("memory_limit"),
            cpu_limit_s=limits.get("cpu_limit_s"),
            exception=exception,
            asked=row["asked"],
            ended_for=row["ended_for"],
            parent=named if role == "gone" else None,
            timed_out_by=named if role == "timer" else None,
            sent_by=None if by is None else f"{by.cmdline} ({by.pid})",
            time_over_s=_own_time(row),
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
        sender=_who(cause, role, parent, by),
        out_of_memory=bool(limits.get("out_of_memory")),
        memory_group=limits.get("memory_group"),
        memory_limit=limits.get("memory_limit"),
        last_error=_told(error),
        last_line=_last_line(newest) if bad and error is None and _is_at_end(newest, ended) else None,
        peak_rss=row["peak_rss"],
        cpu_seconds=finite(row["cpu_seconds"]),
        bytes_read=row["bytes_read"],
        bytes_written=row["bytes_written"],
        final=None if ended is None else _final(store, run, ended),
        earlier_24h=total,
        earlier=earlier,
    )


def said_last(ending: RunEnding) -> str:
    """The error that a run ended with, or the line that it wrote last, where no signal came between, in one line; empty if there is none."""
    error, line = ending.last_error, ending.last_line if ending.signal is None else None
    told = error if _is_at_end(error, ending.ended) else line
    return "" if told is None else " ".join(told.text.split())


def _who(cause: Cause, role: str, parent: RunRef | None, by: RunRef | None) -> RunRef | None:
    """Who ended it, where the cause is that somebody did."""
    if cause == "parent_gone" or (cause != "stopped" and role == "timer"):
        return parent
    return by if cause in _SENT else None


def _sender(store: Store, row: Mapping[str, Any]) -> RunRef | None:
    """The command that sent the signal which ended the run, if one ran at that moment that names it."""
    number = row["exit_signal"]
    if number is None or row["end_ts"] is None or row["end_source"] == UNSEEN:
        return None
    for one in store.query("run_senders", run=row["run"], near=NEAR_SENDER, names=list(SENDERS)).to_pylist():
        if names(
            one["cmdline"], pid=row["pid"], name=row["name"], command=row["cmdline"] or row["name"], number=number
        ):
            return RunRef(**one | {"run": str(one["run"])})
    return None


def _parent(row: Mapping[str, Any], last: int | None) -> tuple[RunRef | None, str]:
    """The parent, if it may have ended the run: by its own end (`gone`), or as its time was over (`timer`).

    One that the same signal ended went along with it. One that was still there (`last` is the parent at the end of the run) ended because
    its child did, as a script does; so may one whose end was told together with the child's.
    """
    killed = row["parent_run"] is not None and _kills(row)
    if row["parent_run"] is None or row["exit_signal"] is None:
        return None, ""
    if row["parent_signal"] == row["exit_signal"] and not killed:
        return None, ""
    was_there = row["parent_over"] >= row["end_ts"] if last is None else last == row["parent_pid"]
    timer = killed or (was_there and (row["parent_name"], row["parent_code"]) == ("timeout", TIMED_OUT))
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


def _kills(row: Mapping[str, Any]) -> bool:
    """Whether the parent is a `timeout` that kills when its time is over: it kills itself then, too."""
    if row["parent_name"] != "timeout" or row["parent_signal"] != KILL or row["exit_signal"] != KILL:
        return False
    given = time_of(row["parent_cmdline"] or "")
    return given is not None and row["parent_over"] - row["parent_start"] >= given * SECOND


def _own_time(row: Mapping[str, Any]) -> float | None:
    """The time, s, of a `timeout` that killed what it ran and itself when that was over; None of all else."""
    if row["name"] != "timeout" or row["exit_signal"] != KILL or row["start_ts"] is None:
        return None
    given = time_of(row["cmdline"] or "")
    return given if given is not None and row["end_ts"] - row["start_ts"] >= given * SECOND else None


def _of_its_own(store: Store, run: int, ended: int | None) -> LogFilter | None:
    """The records of what a run began until its end: those of a script stand in the file that its commands write."""
    runs = tuple(one["run"] for one in store.query("runs_below", run=run, most=MOST_BELOW).to_pylist())
    return LogFilter(runs=runs, until=None if ended is None else ended + SECOND) if runs else None


def _newest(store: Store, of: LogFilter) -> LogRecord | None:
    return next(iter(search.search(store, of, limit=1).records), None)


def _last_error(store: Store, of: LogFilter, newest: LogRecord | None) -> LogRecord | None:
    """Its last error. What it logged last may end with the traceback that nobody caught, whatever level that record has: read together, the two are one record."""
    if newest is not None and newest.lines > 1 and TRACEBACK in newest.message:
        return newest
    found = search.search(store, replace(of, least=ERROR), limit=1).records
    return found[-1] if found else None


def _is_at_end(record: LogRecord | LastError | None, ended: int | None) -> bool:
    """Whether it was written in the last minute of its run."""
    return record is not None and ended is not None and record.ts >= ended - MINUTE


def _told(record: LogRecord | None, text: str | None = None) -> LastError | None:
    if record is None:
        return None
    said = error_words(record.message) if text is None else text
    run = None if record.run is None else str(record.run)
    return LastError(record=f"{record.file_id}:{record.pos}", run=run, ts=record.ts, text=said)


def _last_line(record: LogRecord | None) -> LastError | None:
    """The last line of what a run wrote last: `sys.exit("no settings")` prints one without a header, behind the record before it."""
    if record is None:
        return None
    lines = [line for line in record.message.split("\n") if line.strip()]
    return _told(record, lines[-1].strip() if lines else None)


def _exception(error: LogRecord | None, ended: int | None) -> str | None:
    """The exception of the last error, if it was logged at the end."""
    if error is None or not _is_at_end(error, ended):
        return None
    words = error_words(error.message).removeprefix("Caused by: ")
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
