"""One life of one process, from the snapshot and from the store."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from monitor.api.runs.coming import coming_rows
from monitor.api_models.processes import EndedRun, EndedRuns, Life, Lives, Process, Run, RunRef
from monitor.core.exit_words import ended_with, failed
from monitor.core.paths import own_uid
from monitor.core.process_title import folder_of, title_of, told_apart
from monitor.core.units import unit_name, unit_pattern
from monitor.live.snapshot import Snapshot, status_word
from monitor.live.unstored import Ended
from monitor.store.interface import Store
from monitor.store.lives import UNSEEN

MOST_CHILDREN: Final = 200
"""The newest ones."""
MOST_ANCESTORS: Final = 16

_TOOK: Final = {"peak_rss": "rss", "cpu_seconds": "cpu_s", "bytes_read": "bytes_read", "bytes_written": "bytes_written"}
"""What a run took, by the columns of `runs_ended`, and those of `runs_took` that stand for them."""
Relatives = tuple[list[RunRef], list[RunRef]]
"""The parent and those above it, and the children."""


def stored_run(store: Store, run: int) -> dict[str, Any] | None:
    """What the store has about a run: identity, end and last readings; None if it has nothing."""
    table = store.query("run", run=run)
    if table.num_rows == 0:
        return None
    row: dict[str, Any] = table.to_pylist()[0]
    status = row.pop("status_code")
    for name, value in row.items():
        if isinstance(value, float) and math.isnan(value):
            row[name] = None
    known = {name: row[name] for name in row if name != "user_name"}
    return {
        **known,
        "user": row["user_name"],
        "status": None if status is None else status_word(status),
        "kernel_thread": bool(row["kernel_thread"]),
        "mine": row["uid"] == own_uid() and not row["kernel_thread"],
        "gpu_mem": None,
    }


def ended_runs(
    store: Store,
    host: str,
    filters: Mapping[str, str | int | None],
    coming: Sequence[Ended] = (),
    *,
    every: bool = False,
) -> EndedRuns:
    """Runs that have ended, the newest end first. Filters: `q`, `since`, `until`, `lived` (µs), `uid`, `failed`, `limit`; None leaves one out.

    `coming` are those on their way to the store (`UnstoredEnds.ended`), taken before the store is asked: it may have some of them by now.
    If they are `every` one of the range, it is not asked for more.
    """
    given: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    given |= _unit(given)
    rows = coming_rows(coming, given)
    if not every and (without := [row["run"] for row in rows]):
        given |= {"without": without, "without_since": min(row["end_ts"] for row in rows)}
    longer = given.get("lived", 0)
    long = [row for row in rows if row["start_ts"] is None or row["end_ts"] - row["start_ts"] >= longer]
    total, shorter, rows = len(long), len(rows) - len(long), long
    stored: list[dict[str, Any]] = []
    if not every:
        found = store.query("runs_ended", host=host, **given).to_pylist()
        total, shorter = total + found[0]["total"], shorter + found[0]["shorter"]
        stored = [row for row in found if row["run"] is not None]
    if rows:
        rows = sorted([*rows, *stored], key=lambda row: (-row["end_ts"], row["run"]))[: given["limit"]]
    shown = rows or stored
    _complete(store, shown)
    return EndedRuns(total=total, runs=[ended_run(row) for row in titled(shown)], shorter=shorter)


def _complete(store: Store, rows: list[dict[str, Any]]) -> None:
    """What ends do not tell: what a run took, of its samples, and that memory ran out. To look for it takes as long as all the rest, and mostly nothing lacks."""
    lacks = [
        row
        for row in rows
        if (row["exit_signal"] is not None and "out_of_memory" not in row) or any(row[name] is None for name in _TOOK)
    ]
    if not lacks:
        return
    found = store.query("runs_took", runs=[row["run"] for row in lacks]).to_pylist()
    known = {one["run"]: one for one in found}
    for row in lacks:
        one = known.get(row["run"], {})
        row.setdefault("out_of_memory", one.get("out_of_memory"))
        for name, sampled in _TOOK.items():
            if row[name] is None:
                row[name] = one.get(sampled)


def memory_ends(store: Store, runs: Sequence[int]) -> dict[int, str]:
    """Which of these runs the kernel ended to free memory, with that in words."""
    found = store.query("runs_took", runs=list(runs)).to_pylist() if runs else []
    return {row["run"]: row["out_of_memory"] for row in found if row["out_of_memory"]}


def _unit(given: Mapping[str, Any]) -> dict[str, str]:
    """What a search means for the container or unit of a run."""
    return {"unit": unit_pattern(given["q"])} if "q" in given else {}


def titled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a list, each with the title of its run: with its folder where only that tells two of them apart."""
    plain = [title_of(row["name"], row["cmdline"], row["member"]) for row in rows]
    titles = told_apart(plain, [folder_of(row["name"], row["cmdline"], row["cwd"]) for row in rows])
    return [row | {"title": title} for row, title in zip(rows, titles, strict=True)]


def ended_run(row: Mapping[str, Any]) -> EndedRun:
    """A row of `runs_ended`, or one that has at least its identity and end."""
    code, signal = row["exit_code"], row["exit_signal"]
    return EndedRun(
        run=str(row["run"]),
        pid=row["pid"],
        ppid=row.get("ppid"),
        user=row.get("user_name"),
        name=row["name"],
        title=row.get("title") or title_of(row["name"], row["cmdline"], row["member"]),
        cmdline=row["cmdline"] or "",
        member=row["member"],
        started=row["start_ts"],
        ended=row["end_ts"],
        exit_code=code,
        signal=signal,
        outcome=outcome_of(row),
        failed=failed(code, signal, row["asked"]),
        asked=row["asked"],
        out_of_memory=bool(row.get("out_of_memory")),
        peak_rss=row.get("peak_rss"),
        cpu_seconds=finite(row.get("cpu_seconds")),
        bytes_read=row.get("bytes_read"),
        bytes_written=row.get("bytes_written"),
    )


def lives(store: Store, host: str, start: int, end: int, filters: Mapping[str, str | int | None]) -> Lives:
    """The runs that lived in a range. Filters: `q`, `uid`, `lived` (µs), `now`, `limit`; None leaves one out."""
    given: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    given |= _unit(given)
    rows = store.query("runs_between", host=host, start=start, end=end, **given).to_pylist()
    return Lives(
        **{"from": start, "to": end}, total=rows[0]["total"] if rows else 0, runs=[_life(row) for row in titled(rows)]
    )


def _life(row: dict[str, Any]) -> Life:
    code, signal, over = row["exit_code"], row["exit_signal"], row["end_ts"] is not None
    return Life(
        run=str(row["run"]),
        pid=row["pid"],
        user=row["user_name"],
        title=row["title"],
        cmdline=(row["cmdline"] or "")[:300],
        member=row["member"],
        started=row["start_ts"],
        ended=row["end_ts"],
        exit_code=code,
        signal=signal,
        outcome=outcome_of(row) if over else None,
        failed=failed(code, signal, row["asked"]) if over else None,
        asked=row["asked"],
    )


def finite(value: Any) -> Any:
    """A reading; None for not a number."""
    return None if isinstance(value, float) and math.isnan(value) else value


def outcome_of(row: Mapping[str, Any]) -> str:
    """How a run ended, in words: of `exit_code`, `exit_signal`, `asked` and `end_source`, and of `out_of_memory` where the row has it."""
    if told := row.get("out_of_memory"):
        return str(told)
    unknown = "ended unseen" if row["end_source"] == UNSEEN else "exit code unknown"
    return ended_with(row["exit_code"], row["exit_signal"], asked=row["asked"]) or unknown


def relatives(snapshot: Snapshot, run: int) -> Relatives:
    """Those above a running process, the nearest first, and its children."""
    c = snapshot.columns
    if c is None:
        return [], []
    runs, pids, ppids = c.column("run"), c.column("pid"), c.column("ppid")
    me = next((i for i, number in enumerate(runs) if number == run), None)
    if me is None:
        return [], []
    rows = {pid: i for i, pid in enumerate(pids)}
    above, at = list[RunRef](), me
    while len(above) < MOST_ANCESTORS and (at := rows.get(ppids[at], -1)) >= 0 and (ref := _ref(snapshot, runs[at])):
        above.append(ref)
    return above, [ref for i, ppid in enumerate(ppids) if ppid == pids[me] and (ref := _ref(snapshot, runs[i]))]


def stored_relatives(store: Store, run: int) -> Relatives:
    """Those above an ended run, the nearest first, and its children, from the store."""
    found = store.query("run_relatives", run=run, most=MOST_CHILDREN, highest=MOST_ANCESTORS).to_pylist()
    above = list[dict[str, Any]]()
    # of two with one pid, of which the end of one was not seen, the newer one counts, and those above it
    for row in found:
        nearest = not above or above[-1]["ppid"] == row["pid"]
        if row["place"] == "parent" and row["level"] > len(above) and nearest:
            above.append(row)
    return [*map(_stored_ref, above)], [_stored_ref(row) for row in found if row["place"] == "child"]


def _stored_ref(row: Mapping[str, Any]) -> RunRef:
    return RunRef(run=str(row["run"]), pid=row["pid"], name=row["name"], cmdline=row["cmdline"], member=row["member"])


def _ref(snapshot: Snapshot, run: int) -> RunRef | None:
    info = snapshot.runs.get(run)
    if info is None:
        return None
    return RunRef(run=str(run), pid=info.pid, name=info.name, cmdline=info.cmdline, member=info.member)


def merge(run: int, snapshot: Snapshot, now: Process | None, stored: dict[str, Any] | None) -> Run | None:
    """A run for the API. The snapshot is newer than the store; None if neither knows the run."""
    if now is None and stored is None:
        return None
    info = snapshot.runs.get(run)
    whole: dict[str, Any] = {**(stored or {}), **(asdict(now) if now else {}), "run": str(run)}
    if info is not None:
        whole |= {
            "exe": info.exe,
            "cgroup": info.cgroup,
            "cwd": info.cwd,
            "start_tick": info.start_tick,
            "end_ts": None,
        }
        whole["boot_id"] = snapshot.host.boot_id if snapshot.host else ""
    whole["unit"] = unit_name(whole.get("cgroup"))
    if now is None:
        whole["title"] = title_of(whole["name"], whole["cmdline"], whole["member"])
    return Run(**whole)
