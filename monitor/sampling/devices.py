"""Which devices are whole and real, so that nothing is counted twice in the totals."""

from pathlib import Path
from typing import Final

_MEMORY_BACKED: Final = ("loop", "ram", "zram", "fd", "sr")
LOOPBACK: Final = frozenset({"lo", "lo0", "Loopback Pseudo-Interface 1"})


class Devices:
    """Knows disks and interfaces by their entries in `/sys`; without `/sys` every device counts.

    Answers are remembered by name; a device that comes anew is looked up once.
    """

    def __init__(self, sys: str = "/sys") -> None:
        self._sys = sys
        self._has_block = Path(f"{sys}/block").is_dir()
        self._disks: dict[str, tuple[bool, bool]] = {}
        self._wired: dict[str, bool] = {}

    def is_disk(self, name: str) -> bool:
        """A whole disk: no partition, nothing that lives in memory or in a file."""
        return self._disk(name)[0]

    def counted_disks(self, names: frozenset[str]) -> frozenset[str]:
        """Disks of the totals: not those stacked on other disks (LVM, RAID, encryption), whose IO is counted below."""
        return frozenset(name for name in names if self._disk(name) == (True, False))

    def counted_nics(self, names: frozenset[str]) -> frozenset[str]:
        """Interfaces of the totals: those with hardware behind them, else all; never the loopback.

        Bridges, tunnels and container ends carry bytes that pass the hardware too.
        """
        outside = names - LOOPBACK
        wired = frozenset(name for name in outside if self._is_wired(name))
        return wired or outside

    def _disk(self, name: str) -> tuple[bool, bool]:
        """Whether it is a whole disk, and whether it is stacked on others."""
        if name not in self._disks:
            base = f"{self._sys}/block/{name.replace('/', '!')}"
            whole = name.rstrip("0123456789") not in _MEMORY_BACKED
            if self._has_block:
                whole = whole and Path(base).is_dir()
            try:
                stacked = any(Path(f"{base}/slaves").iterdir())
            except OSError:  # no such directory: nothing below
                stacked = False
            self._disks[name] = (whole, stacked)
        return self._disks[name]

    def _is_wired(self, name: str) -> bool:
        if name not in self._wired:
            self._wired[name] = Path(f"{self._sys}/class/net/{name}/device").exists()
        return self._wired[name]
