"""The parsers of Linux's text tables."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sampling.core.rates import CpuTimes
from monitor.sampling.linux.parse import (
    parse_cgroup,
    parse_cpu_limit,
    parse_diskstats,
    parse_io,
    parse_keyed,
    parse_mounts,
    parse_net_dev,
    parse_pressure,
    parse_proc_stat,
    parse_stat,
    parse_status,
)

TAIL = (
    b"S 1 2 3 0 -1 4194560 11 0 22 0 33 44 0 0 20 0 7 0 555 "
    b"6000000 77 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


@given(st.binary(min_size=0, max_size=64).filter(lambda name: b"\0" not in name))
def test_any_name_is_read_whole(name: bytes) -> None:
    """Parentheses, spaces, newlines and broken UTF-8 in a name move no field."""
    stat = parse_stat(b"42 (" + name + b") " + TAIL)
    assert stat.comm == name
    assert (chr(stat.state), stat.ppid, stat.minor_faults, stat.major_faults) == ("S", 1, 11, 22)
    assert (stat.utime, stat.stime, stat.threads, stat.start_tick) == (33, 44, 7, 555)
    assert (stat.vms, stat.rss_pages) == (6_000_000, 77)


@given(st.binary(max_size=200))
def test_what_is_no_stat_line_is_refused(raw: bytes) -> None:
    """Garbage raises ValueError and nothing else."""
    try:
        parse_stat(raw)
    except ValueError:
        return
    assert raw.count(b" ") >= 20


def test_io_counts_storage_only() -> None:
    """Bytes that went to and from storage count; characters through the cache do not."""
    raw = b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n"
    assert parse_io(raw) == (5, 6)


def test_status_names_user_and_switches() -> None:
    """The real user and both kinds of context switches are found; what is absent is -1."""
    raw = b"Name:\tvoluntary_ctxt_switches:\nUid:\t1000\t0\t0\t0\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n"
    status = parse_status(raw)
    assert (status.uid, status.ctx_voluntary, status.ctx_involuntary) == (1000, 12, 3)
    assert parse_status(b"Name:\tx\n").uid == -1


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"0::/system.slice/a.service\n", "/system.slice/a.service"),
        (b"0::/\n", None),
        (b"4:memory:/docker/abc\n1:cpu:/\n0::/\n", "/docker/abc"),
        (b"", None),
        (b"0::/odd\xff:name\n", "/odd\ufffd:name"),
    ],
)
def test_cgroup_path(raw: bytes, path: str | None) -> None:
    """The unified path wins; the root is no path; colons and broken UTF-8 do no harm."""
    assert parse_cgroup(raw) == path


def test_meminfo_is_in_bytes() -> None:
    """Kilobytes become bytes; plain counts stay."""
    assert parse_keyed(b"MemTotal:  2 kB\nHugePages_Total: 3\nbad\n") == {b"MemTotal": 2048, b"HugePages_Total": 3}


def test_pressure_totals() -> None:
    """The stall totals are taken, not the averages."""
    raw = b"some avg10=1.00 avg60=2.00 avg300=3.00 total=17\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n"
    assert parse_pressure(raw) == {b"some": 17, b"full": 4}


def test_cpu_lines_of_old_and_new_kernels() -> None:
    """Missing columns count as zero; further ones (guest) are left out, being inside user. Lines of one number are taken by name."""
    stat = parse_proc_stat(b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4\nintr 5 1 2\nctxt 99\nprocs_running 2\n")
    assert stat.total == CpuTimes(1, 2, 3, 4, 5, 6, 7, 8)
    assert stat.cores == [CpuTimes(1, 2, 3, 4, 0, 0, 0, 0)]
    assert stat.numbers == {b"ctxt": 99, b"procs_running": 2}
    with pytest.raises(ValueError, match="cpu"):
        parse_proc_stat(b"intr 5\n")


def test_disks_count_sectors_of_512_bytes() -> None:
    """Columns are those of the kernel's iostats document."""
    disk = parse_diskstats(b" 254 0 vda 10 1 20 2 30 3 40 4 0 50 60 7 8 9 10 11 12\n")["vda"]
    assert (disk.read_ops, disk.read_bytes, disk.write_ops, disk.write_bytes, disk.busy_ms) == (
        10,
        20 * 512,
        30,
        40 * 512,
        50,
    )


def test_interfaces_with_colons_and_no_spaces() -> None:
    """An alias with a colon and a counter glued to the name are read right."""
    raw = b"head\nhead|x\neth0:1:100 2 3 0 0 0 0 0 200 5 6 0 0 0 0 0\n"
    nic = parse_net_dev(raw)["eth0:1"]
    assert (nic.read_bytes, nic.write_bytes, nic.read_ops, nic.write_ops, nic.errors) == (100, 200, 2, 5, 9)


@given(st.text(string.ascii_letters + " \\\t", min_size=1, max_size=20))
def test_mount_paths_survive_the_kernels_escapes(name: str) -> None:
    """Spaces, tabs and backslashes in a mount's path come back as they were."""
    escaped = name.encode().replace(b"\\", b"\\134").replace(b" ", b"\\040").replace(b"\t", b"\\011")
    [mount] = parse_mounts(b"/dev/x /mnt/" + escaped + b" ext4 rw 0 0\n")
    assert (mount.device, mount.path, mount.fstype) == ("/dev/x", f"/mnt/{name}", "ext4")


def test_the_limit_of_cpu_time_is_the_hard_one() -> None:
    """That is the one at which the kernel kills; without a limit, and without the line, there is none."""
    head = b"Limit                     Soft Limit           Hard Limit           Units     \n"
    line = b"Max cpu time              %s                    %s                    seconds   \n"
    assert parse_cpu_limit(head + line % (b"3", b"5") + b"Max file size             7 7 bytes\n") == 5
    assert parse_cpu_limit(head + line % (b"3", b"unlimited")) is None
    assert parse_cpu_limit(head) is None
