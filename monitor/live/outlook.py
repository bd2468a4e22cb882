"""Which process would fill memory first if it went on to grow, and when."""

from collections.abc import Mapping
from typing import Final

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
        title = title_of(info.name, info.cmdline)
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


def about(seconds: float) -> str:
    """A time to come in rough words: `about 3 hours`."""
    for length, name in _UNITS:
        if seconds >= 1.5 * length or (name == "minute" and seconds >= length):
            count = round(seconds / length)
            return f"about {count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
