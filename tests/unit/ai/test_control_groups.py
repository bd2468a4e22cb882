"""What limits this process: its own group, those above it, and what a container shows of them."""

from pathlib import Path

import pytest

from ai.core.control_groups import memory_limits, own_groups, quotas
from ai.model_files.memory import available_memory

MIB = 1024 * 1024


def kernel(place: Path, groups: str, **files: str) -> tuple[Path, Path]:
    """The files of a machine: `a__b_dot_c` is `a/b.c` below the groups' folder."""
    for name, text in files.items():
        path = place / "cg" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii")
    (place / "cgroup").write_text(groups, "utf-8")
    return place / "cgroup", place / "cg"


def free(place: tuple[Path, Path]) -> int:
    """Bytes that a new process may take there."""
    return available_memory(lambda: memory_limits(*place))


def test_files_that_a_container_only_remembers_can_be_had(tmp_path: Path) -> None:
    """A container of 1,000 MiB that holds 900, 700 of them files nobody uses: 800 MiB are left, not 100."""
    held = {"memory_dot_max": f"{1000 * MIB}\n", "memory_dot_current": f"{900 * MIB}\n"}
    assert free(kernel(tmp_path, "0::/\n", **held)) == 100 * MIB
    held["memory_dot_stat"] = f"anon {200 * MIB}\nfile {700 * MIB}\ninactive_file {700 * MIB}\n"
    assert free(kernel(tmp_path, "0::/\n", **held)) == 800 * MIB
    assert free(kernel(tmp_path, "0::/\n", **held | {"memory_dot_max": "max\n"})) > 800 * MIB


def test_the_limit_of_a_service_holds_and_so_do_those_above_it(tmp_path: Path) -> None:
    """A unit without a limit, in a slice that has one."""
    place = kernel(
        tmp_path, "0::/work.slice/watch.service\n",
        work_dot_slice__memory_dot_max=f"{300 * MIB}\n", work_dot_slice__memory_dot_current=f"{200 * MIB}\n",
        work_dot_slice__cpu_dot_max="50000 100000\n", work_dot_slice__cpu_dot_stat="usage_usec 2500000\n",
        work_dot_slice__watch_dot_service__memory_dot_max="max\n", work_dot_slice__watch_dot_service__memory_dot_current=f"{50 * MIB}\n",
        work_dot_slice__watch_dot_service__cpu_dot_max="max 100000\n",
    )  # fmt: skip
    assert free(place) == 100 * MIB
    assert [(quota.cores, quota.used_s()) for quota in quotas(*place)] == [(0.5, 2.5)]


def test_the_older_files_are_read_too(tmp_path: Path) -> None:
    """Each kind has a tree of its own; no limit is a number beyond any machine."""
    place = kernel(
        tmp_path, "4:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n",
        memory__job__memory_dot_limit_in_bytes=f"{256 * MIB}\n", memory__job__memory_dot_usage_in_bytes=f"{96 * MIB}\n",
        memory__job__memory_dot_stat=f"cache {64 * MIB}\ninactive_file 0\ntotal_inactive_file {32 * MIB}\n",
        memory__memory_dot_limit_in_bytes="9223372036854771712\n", memory__memory_dot_usage_in_bytes=f"{900 * MIB}\n",
        **{"cpu,cpuacct__job__cpu_dot_cfs_quota_us": "150000\n", "cpu,cpuacct__job__cpu_dot_cfs_period_us": "100000\n", "cpu,cpuacct__job__cpuacct_dot_usage": "4000000000\n"},
    )  # fmt: skip
    assert free(place) == 192 * MIB
    assert [(quota.cores, quota.used_s()) for quota in quotas(*place)] == [(1.5, 4.0)]


@pytest.mark.parametrize("text", ["", "garbage", "12\n", "-5\n", "0 0\n", "a b\n", "9" * 40 + "\n"])
def test_what_cannot_be_read_is_no_limit(tmp_path: Path, text: str) -> None:
    """Files that are empty, cut or strange, and groups outside the container."""
    place = kernel(tmp_path, "0::/../../outside\n", memory_dot_max=text, cpu_dot_max=text)
    assert memory_limits(*place) == []
    assert quotas(*place) == []
    assert own_groups("cpu", tmp_path / "none", tmp_path) == []
