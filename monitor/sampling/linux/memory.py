"""What `/proc/meminfo` says of memory, without the cache that ZFS keeps outside of it."""

from collections.abc import Mapping
from typing import Any, Final

ARC: Final = "spl/kstat/zfs/arcstats"


def parse_kstat(raw: bytes) -> dict[bytes, int]:
    """A table of the Solaris layer of ZFS: two lines of heading, then `name type data`."""
    rows = (line.split() for line in raw.splitlines()[2:])
    return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[2].isdigit()}


def memory_figures(table: Mapping[bytes, int], arc: Mapping[bytes, int] | None = None) -> dict[str, Any]:
    """Memory and swap, bytes; None for what the table does not tell.

    The cache of ZFS (ARC) is given back under pressure down to its least size, as the page cache is, but the kernel counts it as
    used.

    Args:
        table: `/proc/meminfo`.
        arc: the figures of the ARC of the same machine, None without ZFS.
    """
    total, available = table.get(b"MemTotal"), table.get(b"MemAvailable")
    swap, swap_free = table.get(b"SwapTotal"), table.get(b"SwapFree")
    cached = [table.get(key, 0) for key in (b"Cached", b"SReclaimable")]
    spare = 0
    if total is not None and available is not None:
        spare = _spare(arc or {}, total - available)
        available += spare
    return {
        "mem_total": total,
        "mem_available": available,
        "mem_used": None if total is None or available is None else max(total - available, 0),
        "mem_cached": sum(cached) + spare if b"Cached" in table else None,
        "swap_total": swap,
        "swap_used": None if swap is None or swap_free is None or swap_free > swap else swap - swap_free,
    }


def _spare(arc: Mapping[bytes, int], used: int) -> int:
    """What ZFS would give back; 0 where its cache is larger than all that is used: then it is not in this memory."""
    size = arc.get(b"size", 0)
    return max(size - arc.get(b"c_min", size), 0) if size <= used else 0
