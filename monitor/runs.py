"""One life of one process, from what runs now and from what is stored."""

import math
from typing import Any, Final

from monitor.paths import own_uid
from monitor.store.interface import Store
from monitor.world import World, status_word

MOST_RELATIVES: Final = 201
"""The parent, and the newest children."""

_NO_READINGS: dict[str, Any] = dict.fromkeys(
    (
        "ppid", "user", "uid", "status", "start_ts", "cpu_pct", "rss", "vms", "threads", "read_bps", "write_bps", "read_bytes",
        "write_bytes", "fds", "ctx_voluntary", "ctx_involuntary", "gpu_mem", "exe", "cgroup", "end_ts", "exit_code", "exit_signal", "end_source",
        "peak_rss", "cpu_seconds",
    )
)  # fmt: skip


def stored_run(store: Store, run: int) -> dict[str, Any] | None:
    """What the store has of a run: identity, end, and its last readings; None when it has nothing."""
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


def relatives(world: World, run: int) -> dict[str, Any]:
    """The parent and the children among the running processes."""
    c = world.columns
    if c is None:
        return {"parent": None, "children": []}
    runs, pids, ppids = c.column("run"), c.column("pid"), c.column("ppid")
    me = next((i for i, number in enumerate(runs) if number == run), None)
    if me is None:
        return {"parent": None, "children": []}
    return {
        "parent": next((_ref(world, runs[i]) for i, pid in enumerate(pids) if pid == ppids[me]), None),
        "children": [ref for i, ppid in enumerate(ppids) if ppid == pids[me] and (ref := _ref(world, runs[i]))],
    }


def stored_relatives(store: Store, run: int) -> dict[str, Any]:
    """The parent and the children of a run that has ended, as the store has them."""
    rows = store.query("run_relatives", run=run, most=MOST_RELATIVES).to_pylist()
    found: dict[str, list[dict[str, Any]]] = {"parent": [], "child": []}
    for row in rows:
        found[row["place"]].append({"run": str(row["run"]), **{name: row[name] for name in ("pid", "name", "cmdline")}})
    return {"parent": found["parent"][0] if found["parent"] else None, "children": found["child"]}


def _ref(world: World, run: int) -> dict[str, Any] | None:
    info = world.runs.get(run)
    return None if info is None else {"run": str(run), "pid": info.pid, "name": info.name, "cmdline": info.cmdline}


def merge(run: int, world: World, now: dict[str, Any] | None, stored: dict[str, Any] | None) -> dict[str, Any] | None:
    """A run as the API gives it; what runs now is newer than what is stored. None when neither knows it."""
    if now is None and stored is None:
        return None
    info = world.runs.get(run)
    whole: dict[str, Any] = {**_NO_READINGS, **(stored or {}), **(now or {}), "run": str(run)}
    if info is not None:
        whole |= {"exe": info.exe, "cgroup": info.cgroup, "start_tick": info.start_tick, "end_ts": None}
        whole["boot_id"] = world.host.boot_id if world.host else ""
    return whole
