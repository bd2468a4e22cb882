"""Memory that is used, and memory that only looks so."""

from collections import Counter
from pathlib import Path

from monitor.sampling.linux.host import HostTable
from monitor.sampling.linux.memory import ARC, memory_figures, parse_kstat
from monitor.sampling.linux.procfiles import KeptFiles

GB = 1_000_000_000
TABLE = {b"MemTotal": 64 * GB, b"MemAvailable": 20 * GB, b"Cached": GB, b"SReclaimable": 0}
ARCSTATS = b"9 1 0x01 99 1 2 3\nname  type data\nhits 4 12\nc_min 4 2000000000\nsize 4 22000000000\n"


def test_the_cache_of_zfs_is_not_used_memory() -> None:
    """What ZFS would give back counts as available, its least size does not."""
    figures = memory_figures(TABLE, parse_kstat(ARCSTATS))
    assert (figures["mem_used"], figures["mem_available"], figures["mem_cached"]) == (24 * GB, 40 * GB, 21 * GB)
    small = memory_figures(TABLE, {b"size": GB, b"c_min": 2 * GB})
    assert small["mem_used"] == memory_figures(TABLE)["mem_used"] == 44 * GB


def test_a_cache_that_is_larger_than_what_is_used_is_somebody_elses() -> None:
    """A container sees the cache of its host, which is not in its own figures."""
    assert memory_figures(TABLE, {b"size": 50 * GB, b"c_min": GB})["mem_used"] == 44 * GB


def test_swap_that_makes_no_sense_is_unknown() -> None:
    """Some containers are shown more free swap than there is."""
    assert memory_figures({b"SwapTotal": 10, b"SwapFree": 20})["swap_used"] is None
    assert memory_figures({b"SwapTotal": 20, b"SwapFree": 5})["swap_used"] == 15


def _used(root: Path, mounts: str) -> int | None:
    (root / "self").mkdir(parents=True)
    (root / "self/mounts").write_text(mounts, encoding="ascii")
    (root / "meminfo").write_text("MemTotal: 64000000 kB\nMemAvailable: 20000000 kB\n", encoding="ascii")
    (root / ARC).parent.mkdir(parents=True)
    (root / ARC).write_bytes(ARCSTATS)
    errors: Counter[str] = Counter()
    table = HostTable(KeptFiles(10), errors, root=str(root), sys=str(root / "sys"))
    try:
        return table.read(1).mem_used
    finally:
        table.close()


def test_the_cache_is_read_with_the_machines_own_figures_only(tmp_path: Path) -> None:
    """Where a container has a table of memory of its own, the host's cache is left out."""
    plain = 44_000_000 * 1024
    assert _used(tmp_path / "machine", "proc /proc proc rw 0 0\n") == plain - 20 * GB
    assert _used(tmp_path / "container", "lxcfs /proc/meminfo fuse.lxcfs rw 0 0\n") == plain
