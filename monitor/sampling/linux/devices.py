"""Which disks count towards the totals, so that nothing counts twice."""

import re
from pathlib import Path
from typing import Final

_MEMORY_BACKED: Final = ("loop", "ram", "zram", "fd", "sr", "nullb")
_NVME: Final = re.compile(r"nvme(\d+)n(\d+)")
_NVME_PATH: Final = re.compile(r"nvme(\d+)c\d+n(\d+)")
RECHECK: Final = 10
"""Readings between two looks at disks whose names are the same: arrays and volumes are put together after they appear."""


class Devices:
    """Classifies disks by their entries in `/sys`. Without `/sys`, every device counts.

    Disks with hardware count. What stands on them (LVM, RAID, encryption, ZFS volumes, DRBD, PowerPath) shows the same bytes
    again, whether the kernel tells what is below it or not. Only a machine that shows no hardware counts others: those with
    nothing below them, such as disks over the network.

    Args:
        sys: `/sys`, or a copy of it.
    """

    def __init__(self, sys: str = "/sys") -> None:
        self._sys = sys
        self._has_block = Path(f"{sys}/block").is_dir()
        self._whole: dict[str, bool] = {}
        self._names: frozenset[str] | None = None
        self._counted: frozenset[str] = frozenset()
        self._asked = 0

    def is_disk(self, name: str) -> bool:
        """Whether it is a whole disk: no partition, RAM disk or loop device. Answers are remembered by name."""
        if name not in self._whole:
            whole = name.rstrip("0123456789") not in _MEMORY_BACKED
            self._whole[name] = whole and (not self._has_block or Path(self._entry(name)).is_dir())
        return self._whole[name]

    def counted_disks(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names`, all disks of the machine, that count towards its totals."""
        if names != self._names or self._asked >= RECHECK:
            self._names, self._asked = names, 0
            self._counted = self._choose(frozenset(name for name in names if self.is_disk(name)))
        self._asked += 1
        return self._counted

    def _choose(self, disks: frozenset[str]) -> frozenset[str]:
        if not self._has_block:
            return disks
        bottom = frozenset(name for name in disks if not self._is_stacked(name, disks))
        hardware = frozenset(name for name in bottom if Path(f"{self._entry(name)}/device").exists())
        return hardware or bottom

    def _is_stacked(self, name: str, disks: frozenset[str]) -> bool:
        """Whether it stands on other disks. One of several paths (`nvme0c1n1`) is below the disk they lead to (`nvme0n1`)."""
        try:
            below = [entry.resolve() for entry in Path(f"{self._entry(name)}/slaves").iterdir()]
        except OSError:  # no such directory: nothing below
            below = []
        if any(entry.name in disks or entry.parent.name in disks for entry in below):
            return True
        head = _NVME.fullmatch(name)
        return head is not None and any(
            (path := _NVME_PATH.fullmatch(other)) and path.groups() == head.groups() for other in disks
        )

    def _entry(self, name: str) -> str:
        return f"{self._sys}/block/{name.replace('/', '!')}"
