"""Processes for the command line: the watch's newest sample, or two sweeps of our own half a second apart."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from monitor.client import Client
from monitor.errors import AgentUnreachable
from monitor.sampling.process import SamplerProcess
from monitor.wire import Hello, Message, Tick
from monitor.world import World, process_rows

INTERVAL_S = 0.5
DEADLINE_S = 15.0


def look(data_dir: Path, patterns: Callable[[], Sequence[str]]) -> dict[str, Any]:
    """`{"ts", "processes"}` as `GET /v1/processes` gives them.

    Args:
        data_dir: of the watch.
        patterns: further patterns of secrets, asked for when we look ourselves.

    Raises:
        AgentUnreachable: none runs, and our own look failed too.
    """
    try:
        with Client.of(data_dir, timeout_s=10) as client:
            found: dict[str, Any] = client.get_json("/v1/processes")
    except AgentUnreachable:
        return sweep(patterns())
    return found if found["ts"] is not None else sweep(patterns())


def sweep(patterns: Sequence[str] = ()) -> dict[str, Any]:
    """Run a sampler for two sweeps; the CPU percentages are of the time between them."""
    import queue

    messages: queue.Queue[Message] = queue.Queue()
    world = World()
    sampler = SamplerProcess(messages.put, lambda _state, _message: None, interval_s=INTERVAL_S, mask=patterns)
    sampler.start()
    ticks, deadline = 0, time.monotonic() + DEADLINE_S
    try:
        while ticks < 2:
            message = messages.get(timeout=max(0.1, deadline - time.monotonic()))
            if isinstance(message, Hello):
                world.greet(message)
            elif isinstance(message, Tick):
                world.accept(message)
                ticks += 1
    except queue.Empty as error:
        raise AgentUnreachable(
            "the processes could not be read in time", hint="`watchkeeper doctor` says more"
        ) from error
    finally:
        sampler.stop(1.0)
    rows = [msgspec.structs.asdict(row) for row in process_rows(world) if row.pid != os.getpid()]
    return {"ts": world.tick.ts if world.tick else None, "processes": rows}


def arrange(
    rows: list[dict[str, Any]], *, text: str | None, by: str, tree: bool, mine: bool, kernel: bool
) -> list[tuple[int, dict[str, Any]]]:
    """Filtered and sorted, each with its depth in the tree (0 when flat)."""
    wanted = text.casefold() if text else None
    kept = [
        row
        for row in rows
        if (kernel or not row["kernel_thread"])
        and (not mine or row["mine"])
        and (wanted is None or any(wanted in (row[k] or "").casefold() for k in ("name", "user", "cmdline")))
    ]
    rising = by in {"pid", "name"}
    kept.sort(key=lambda row: (row[by] is None, row[by] if rising else -(row[by] or 0)))
    return list(_tree(kept)) if tree else [(0, row) for row in kept]


def _tree(rows: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Children below their parents; whose parent is not shown stands at the root."""
    pids = {row["pid"] for row in rows}
    children: dict[int, list[dict[str, Any]]] = {}
    roots = []
    for row in rows:
        if row["ppid"] in pids and row["ppid"] != row["pid"]:
            children.setdefault(row["ppid"], []).append(row)
        else:
            roots.append(row)
    waiting = [(0, row) for row in reversed(roots)]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        waiting += [(depth + 1, child) for child in reversed(children.pop(row["pid"], []))]
