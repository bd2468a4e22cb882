"""The readings of a process that the kernel is ending, on a copy of `/proc`."""

import time
from array import array
from collections import Counter
from pathlib import Path

import pytest

from logs.redaction.masker import Masker
from monitor.metrics.messages import HostInfo
from monitor.sampling.core.reader import Sweep
from monitor.sampling.linux.describe import Describer
from monitor.sampling.linux.processes import ProcTable
from monitor.sampling.linux.procfiles import KeptFiles
from monitor.sampling.linux.users import Users

INFO = HostInfo("h", "b", 1_700_000_000_000_000, "6.1", "Linux", 2, 1 << 34, 100)
STAT = "123 (job) {state} 1 1 1 0 -1 {flags} 1 0 0 0 1 1 0 0 20 0 1 0 5 {vms} {pages} " + "0 " * 28 + "\n"
KERNEL_THREAD = 0x0020_0000
STATUS = "Name:\tjob\nUid:\t0\t0\t0\t0\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t1\n"


class Copied:
    """A copy of `/proc` with one process."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "123"
        (self.folder / "fd").mkdir(parents=True)
        (self.folder / "status").write_text(STATUS, "ascii")
        (self.folder / "cmdline").write_text("job\0", "ascii")
        describer = Describer(str(root), INFO, Users("/nowhere"), Masker(), Counter())
        self.table = ProcTable(describer, Counter(), KeptFiles(50), root=str(root))

    def sweep(self, *, state: str = "R", flags: int = 0, vms: int = 1 << 30, pages: int = 100) -> tuple[int, int, bool]:
        """Memory, virtual memory, and whether the number of open files is known, after a sweep that reads this."""
        (self.folder / "stat").write_text(STAT.format(state=state, flags=flags, vms=vms, pages=pages), "ascii")
        found: Sweep = self.table.sweep(time.monotonic_ns())
        columns = found.columns
        [rss], [virtual], [fds] = array("q", columns.rss), array("q", columns.vms), array("i", columns.fds)
        return rss, virtual, fds >= 0


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    """With nothing read yet."""
    return Copied(tmp_path)


def test_one_that_gave_its_memory_back_has_no_reading(copied: Copied) -> None:
    """What it had stays the last reading, whatever state the kernel says while it ends it."""
    rss, virtual, known = copied.sweep()
    assert rss > 0
    assert virtual == 1 << 30
    assert known
    for state in ("R", "D", "Z"):
        assert copied.sweep(state=state, vms=0, pages=0) == (-1, -1, False)


@pytest.mark.parametrize(("flags", "known"), [(0, False), (KERNEL_THREAD, True)])
def test_first_seen_without_memory(copied: Copied, flags: int, known: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A program without memory is ending; a thread of the kernel never has any."""
    assert copied.sweep(flags=flags, vms=0, pages=0) == ((0, 0, True) if known else (-1, -1, False))
