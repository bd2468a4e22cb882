"""Limits of a control group and how often they were hit, from the files of cgroup v2 (or, for memory, v1)."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from monitor.core.exit_words import size_words

_UNLIMITED_V1: Final = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """Sizes in bytes, CPU in cores. None: no limit, or nothing is known.

    Args:
        memory: what the group uses, page cache included.
        memory_limit: the smallest limit of the group and of those above it.
        memory_limit_hits: how often memory had to be freed because the group's own limit was reached.
        oom_kills: processes of the group that the kernel killed because memory ran out.
        cpu_limit: cores that it may use on average; the smallest of the group and of those above it.
        cpu_throttled: periods in which it had to wait for its CPU limit.
        cpu_periods: all periods in which it ran under one.
    """

    memory: int | None = None
    memory_limit: int | None = None
    memory_limit_hits: int | None = None
    oom_kills: int | None = None
    cpu_limit: float | None = None
    cpu_throttled: int | None = None
    cpu_periods: int | None = None


NOTHING: Final = GroupLimits()


def limits_of(cgroup: str, root: str = "/sys/fs/cgroup") -> GroupLimits:
    """The limits of the group of this path, as `/proc/<pid>/cgroup` has it. What cannot be read is None."""
    path = PurePosixPath(cgroup)
    if ".." in path.parts or not path.is_absolute():
        return NOTHING
    own = f"{root}{'' if str(path) == '/' else path}"
    if _read(f"{own}/cgroup.controllers") is None:
        return _old(path, root)
    above = [f"{root}{'' if str(one) == '/' else one}" for one in (path, *path.parents)]
    events, cpu = _keyed(f"{own}/memory.events"), _keyed(f"{own}/cpu.stat")
    return GroupLimits(
        memory=_number(f"{own}/memory.current"),
        memory_limit=min((n for one in above if (n := _number(f"{one}/memory.max")) is not None), default=None),
        memory_limit_hits=events.get(b"max"),
        oom_kills=events.get(b"oom_kill"),
        cpu_limit=min((c for one in above if (c := _cores(f"{one}/cpu.max")) is not None), default=None),
        cpu_throttled=cpu.get(b"nr_throttled"),
        cpu_periods=cpu.get(b"nr_periods"),
    )


def memory_room(cgroup: str, root: str = "/sys/fs/cgroup") -> tuple[int, str] | None:
    """Bytes that the group of this path may still use, and the path of the group whose limit comes first; None without a limit.

    Page cache that nobody used lately does not count: the kernel drops it when the group needs memory.
    """
    path = PurePosixPath(cgroup)
    if ".." in path.parts or not path.is_absolute():
        return None
    rooms = [(room, str(one)) for one in (path, *path.parents) if (room := _room(str(one), root)) is not None]
    return min(rooms, default=None)


def _room(path: str, root: str) -> int | None:
    below = "" if path == "/" else path
    folder = f"{root}{below}"
    limit, used, idle = _number(f"{folder}/memory.max"), _number(f"{folder}/memory.current"), b"inactive_file"
    if limit is None and used is None:
        folder, idle = f"{root}/memory{below}", b"total_inactive_file"
        limit, used = _number(f"{folder}/memory.limit_in_bytes"), _number(f"{folder}/memory.usage_in_bytes")
    if limit is None or used is None or limit >= _UNLIMITED_V1:
        return None
    return max(0, limit - used + _keyed(f"{folder}/memory.stat").get(idle, 0))


def own_limits(cgroup: str | None, root: str = "/sys/fs/cgroup") -> GroupLimits:
    """The limits of the group that we are in. Inside of a container its group may be mounted as the root, whatever its path is called."""
    found = limits_of(cgroup or "/", root)
    return found if found.memory_limit is not None or found.cpu_limit is not None else limits_of("/", root)


def whose_totals(limits: GroupLimits, *, container: bool, mem_total: int, cpu_count: int) -> str | None:
    """A sentence that says that totals are those of the whole machine, where we may use less of it; None where all of it is ours.

    Args:
        limits: of the group that we are in.
        container: whether we are inside of one.
        mem_total: memory of the machine, bytes.
        cpu_count: its cores.
    """
    memory = limits.memory_limit if limits.memory_limit is not None and limits.memory_limit < mem_total else None
    cores = limits.cpu_limit if limits.cpu_limit is not None and limits.cpu_limit < cpu_count else None
    if memory is None and cores is None and not container:
        return None
    group = "this container" if container else "the control group of Watchkeeper"
    parts = [
        *([f"{cores:g} {'core' if cores == 1 else 'cores'}"] if cores is not None else []),
        *([f"{size_words(memory)} of memory"] if memory is not None else []),
    ]
    own = f"{group} may use {' and '.join(parts)}" if parts else f"{group} has no limit of its own"
    return f"CPU and memory are those of the whole machine; {own}."


def _old(path: PurePosixPath, root: str) -> GroupLimits:
    """Of cgroup v1, which has a tree for each resource. A group above may have the narrower limit."""
    above = ["" if str(one) == "/" else str(one) for one in (path, *path.parents)]
    memory, cpu = f"{root}/memory{above[0]}", f"{root}/cpu{above[0]}"
    limits = [limit for one in above if (limit := _number(f"{root}/memory{one}/memory.limit_in_bytes")) is not None]
    shares = [cores for one in above if (cores := _old_cores(f"{root}/cpu{one}")) is not None]
    throttling = _keyed(f"{cpu}/cpu.stat")
    limit = min((limit for limit in limits if limit < _UNLIMITED_V1), default=None)
    machine = not above[0] and limit is None  # its groups count into it
    return GroupLimits(
        memory=None if machine else _number(f"{memory}/memory.usage_in_bytes"),
        memory_limit=limit,
        memory_limit_hits=_number(f"{memory}/memory.failcnt"),
        oom_kills=_keyed(f"{memory}/memory.oom_control").get(b"oom_kill"),
        cpu_limit=min(shares, default=None),
        cpu_throttled=throttling.get(b"nr_throttled"),
        cpu_periods=throttling.get(b"nr_periods"),
    )


def _old_cores(folder: str) -> float | None:
    """The quota of a group of cgroup v1 in cores; it is -1 where there is none."""
    quota, period = _number(f"{folder}/cpu.cfs_quota_us"), _number(f"{folder}/cpu.cfs_period_us")
    return quota / period if quota and period else None


def _cores(path: str) -> float | None:
    """The quota of `cpu.max` in cores."""
    words = (_read(path) or b"").split()
    if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


def _number(path: str) -> int | None:
    text = (_read(path) or b"").strip()
    return int(text) if text.isdigit() else None


def _keyed(path: str) -> dict[bytes, int]:
    pairs = [line.split() for line in (_read(path) or b"").splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _read(path: str) -> bytes | None:
    """A small file; None where it is not there, or nobody may read it."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
