"""Which process would fill memory first if it went on to grow, and when; and when file systems would be full."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from monitor.api_models.machine import DiskOutlook
from monitor.api_models.processes import MemoryOutlook
from monitor.core.cgroups import memory_room
from monitor.core.exit_words import size_words
from monitor.core.process_title import title_of
from monitor.live.growth import Growth
from monitor.metrics.catalogue import HostReading
from monitor.metrics.messages import RunInfo

LONGEST_S: Final = 7 * 86_400
"""What lasts longer than a week is not told."""
_LOOKED_AT: Final = 5
"""So many of the fastest are compared: reading the limit of a control group costs a few files."""
DISK_WINDOW_S: Final = 6 * 3_600
DISK_PART_S: Final = 600
"""What is free is compared in means of so long."""
DISK_LEAST_PARTS: Final = 7
"""More than an hour: what one job writes is no trend."""
DISK_LONGEST_S: Final = 30 * 86_400
DISK_STEADY: Final = 0.8
"""Where the pairs of readings that fall exceed those that rise by a smaller part of all (Kendall's tau), nothing is told: one file that
was copied has 0.55 at most, and logs that are rotated fall back again and again."""
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def memory_outlook(growth: Growth, runs: Mapping[int, RunInfo], host: HostReading) -> MemoryOutlook | None:
    """The process that fills memory first; None if none grows steadily, or memory lasts for more than a week."""
    fastest = sorted(growth.steady().items(), key=lambda one: -one[1].per_minute)
    found: list[MemoryOutlook] = []
    for run, slope in fastest[:_LOOKED_AT]:
        info = runs.get(run)
        rooms = [] if host.mem_available is None else [(host.mem_available, None)]
        limited = memory_room(info.cgroup or "/") if info is not None else None
        room, group = min([*rooms, *([limited] if limited else [])], key=lambda one: one[0], default=(0, None))
        if info is None or (not rooms and not limited):
            continue
        seconds = int(room / slope.per_minute * 60)
        if seconds > LONGEST_S:
            continue
        title = title_of(info.name, info.cmdline, info.member)
        per_minute = int(slope.per_minute)
        what = "memory" if group is None else f"the memory of control group {group}"
        found.append(
            MemoryOutlook(
                run=str(run),
                pid=info.pid,
                title=title,
                per_minute=per_minute,
                window_s=slope.window_s,
                room=room,
                group=group,
                full_in_s=seconds,
                told=f"grows by {size_words(per_minute)} a minute; {what} would be full in {about(seconds)}",
            )
        )
    return min(found, key=lambda one: one.full_in_s, default=None)


def disk_outlooks(rows: Sequence[Mapping[str, Any]], now: int) -> list[DiskOutlook]:
    """The file systems that fill steadily and would be full within a month, the first one first.

    Args:
        rows: of the query `disk_growth`, in parts of `DISK_PART_S`.
        now: µs since the epoch.
    """
    mounts: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        held = mounts.setdefault(row["mount"], [])
        if held and held[-1]["total"] != row["total"]:  # it was made larger or smaller, or is another one
            held.clear()
        held.append(row)
    found = [_disk_outlook(mount, held, now) for mount, held in mounts.items()]
    return sorted((one for one in found if one is not None), key=lambda one: one.full_in_s)


def _disk_outlook(mount: str, parts: Sequence[Mapping[str, Any]], now: int) -> DiskOutlook | None:
    if len(parts) < DISK_LEAST_PARTS or now - parts[-1]["bucket"] > 3 * DISK_PART_S * 1_000_000:
        return None
    seconds = np.array([part["bucket"] for part in parts]) / 1e6
    free = np.array([part["free"] for part in parts], float)
    first, second = np.triu_indices(len(parts), 1)
    between = (free[first] - free[second]) / (seconds[second] - seconds[first])
    rate = float(np.median(between))
    lately = len(parts) // 3
    recent = (free[-1 - lately] - free[-1]) / (seconds[-1] - seconds[-1 - lately])
    if rate <= 0 or np.sign(between).mean() < DISK_STEADY or recent < rate / 3:
        return None
    full_in = free[-1] / rate
    if full_in > DISK_LONGEST_S:
        return None
    window, per_day = int(seconds[-1] - seconds[0]), int(rate * 86_400)
    return DiskOutlook(
        mount=mount,
        free=int(free[-1]),
        per_day=per_day,
        window_s=window,
        full_in_s=int(full_in),
        told=f"{mount} would be full in {about(full_in)}, at {size_words(per_day)} a day as in the last {about(window).removeprefix('about ')}",
    )


def about(seconds: float) -> str:
    """A time to come in rough words: `about 3 hours`."""
    for length, name in _UNITS:
        if seconds >= 1.5 * length or (name == "minute" and seconds >= length):
            count = round(seconds / length)
            return f"about {count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
