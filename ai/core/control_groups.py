"""The control groups that this process is in, and what they limit: from either version of the kernel's files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

SELF: Final = Path("/proc/self/cgroup")
ROOT: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = 1 << 60
"""Version 1 writes "no limit" as the largest number that is a multiple of a page."""


def own_groups(kind: Literal["cpu", "memory"], of: Path = SELF, root: Path = ROOT) -> list[tuple[Path, int]]:
    """Folders of the groups that this process is in, itself first, with the version of their files. A container shows only some of them."""
    try:
        lines = of.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []  # no control groups here
    found = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        base = root / kinds if kinds else root
        place = base / path.lstrip("/")
        folders = dict.fromkeys(one for one in (place, *place.parents, base) if one.is_relative_to(base))
        found += [(folder, 1 if kinds else 2) for folder in folders]
    return found


@dataclass(frozen=True, slots=True)
class Quota:
    """A group of processes that may use so many cores together, and the file that says what it used, in parts of a second."""

    cores: float
    usage: Path
    unit: float
    key: str = ""

    def used_s(self) -> float:
        """CPU seconds that the group has used.

        Raises:
            OSError, ValueError, StopIteration: it is not shown.
        """
        text = self.usage.read_text(encoding="ascii")
        if self.key:
            text = next(line.split()[1] for line in text.splitlines() if line.split()[:1] == [self.key])
        return int(text) * self.unit


def quotas(of: Path = SELF, root: Path = ROOT) -> list[Quota]:
    """The limits of CPU time that hold for this process."""
    read = {1: _old_quota, 2: _quota}
    found = (read[version](folder) for folder, version in own_groups("cpu", of, root))
    return [quota for quota in found if quota is not None]


def _quota(folder: Path) -> Quota | None:
    limits = [*_words(folder / "cpu.max"), "", ""]
    return _of(limits[0], limits[1], Quota(0, folder / "cpu.stat", 1e-6, "usage_usec"))


def _old_quota(folder: Path) -> Quota | None:
    quota, period = (" ".join(_words(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    return _of(quota, period, Quota(0, folder / "cpuacct.usage", 1e-9))


def _of(quota: str, period: str, group: Quota) -> Quota | None:
    """The group with its cores; None where it has no limit ("max", -1)."""
    known = quota.isdecimal() and period.isdecimal() and int(quota) > 0 and int(period) > 0
    return replace(group, cores=int(quota) / int(period)) if known else None


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Bytes that a group may hold, and those of them that it does not hold yet."""

    limit: int
    free: int


def memory_limits(of: Path = SELF, root: Path = ROOT) -> list[MemoryLimit]:
    """The limits of memory that hold for this process.

    What a group holds of files that nobody has used lately is given up before anything else (`inactive_file`), so it counts as free.
    """
    found = (_memory_limit(folder, version) for folder, version in own_groups("memory", of, root))
    return [limit for limit in found if limit is not None]


def _memory_limit(folder: Path, version: int) -> MemoryLimit | None:
    most, held, idle = ("memory.max", "memory.current", "inactive_file") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")  # fmt: skip
    limit, used = _number(folder / most), _number(folder / held)
    if limit is None or used is None or limit >= _UNLIMITED:
        return None
    rows = _words(folder / "memory.stat")
    given_up = int(rows[rows.index(idle) + 1]) if idle in rows[:-1] else 0
    return MemoryLimit(limit, max(limit - used + given_up, 0))


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if words and words[0].isdecimal() else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []  # a group without this limit, or one that is not shown inside a container
