"""What a process belongs to, by the path of its control group, and the limits of that group."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.cgroups import NOTHING, GroupLimits, limits_of, own_limits, whose_totals
from monitor.core.units import unit_of, unit_pattern

ID = "3f2a1b4c5d6e7f80" * 4
PATHS = {
    f"/system.slice/docker-{ID}.scope": ("container", "docker 3f2a1b4c5d6e"),
    f"/docker/{ID}": ("container", "docker 3f2a1b4c5d6e"),
    f"/docker/{ID}/system.slice/nginx.service": ("container", "docker 3f2a1b4c5d6e"),
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container": ("container", "podman 3f2a1b4c5d6e"),
    f"/machine.slice/libpod-conmon-{ID}.scope": ("container", "podman 3f2a1b4c5d6e"),
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice/cri-containerd-{ID}.scope": ("container", "containerd 3f2a1b4c5d6e"),
    f"/kubepods/besteffort/pod8f9e/{ID}": ("container", "kubernetes 3f2a1b4c5d6e"),
    f"/ecs/0123456789abcdef0123456789abcdef/{'0' * 32}-1234567890": ("container", "ECS 000000000000"),
    f"/somewhere/{ID}": ("container", "container 3f2a1b4c5d6e"),
    "/lxc.payload.web/system.slice/ssh.service": ("container", "lxc web"),
    "/lxc/db": ("container", "lxc db"),
    r"/machine.slice/machine-build\x2dhost.scope": ("container", "build-host"),
    "/machine.slice/systemd-nspawn@ci.service/payload": ("container", "ci"),
    "/system.slice/ollama.service": ("unit", "ollama.service"),
    r"/system.slice/system-getty.slice/getty@tty1.service": ("unit", "getty@tty1.service"),
    r"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome\x2dTerminal-77.scope": ("unit", "app-org.gnome-Terminal-77.scope"),
    "/user.slice/user-1000.slice/session-3.scope": ("session", "session 3"),
    "/init.scope": ("unit", "init.scope"),
    "/my/own/group": ("group", "/my/own/group"),
    "/process_api/514abdef3ac0bdfc0c8f355d7294a99e": ("group", "/process_api/514abdef3ac0bdfc0c8f355d7294a99e"),
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_containers_units_and_sessions_are_told_apart(path: str) -> None:
    """As Docker, Podman, Kubernetes, LXC, ECS and systemd name their groups; a container before the units inside it."""
    assert unit_of(path) == PATHS[path]


@pytest.mark.parametrize("path", [None, "", "/"])
def test_the_root_is_no_group(path: str | None) -> None:
    """Nothing is invented where the kernel says nothing."""
    assert unit_of(path) is None


@given(st.text(max_size=300))
def test_any_path_has_an_answer(path: str) -> None:
    """No path fails, and no name is longer than a page can show."""
    unit = unit_of(path)
    assert unit is None or 0 < len(unit.name) <= 200


def write(folder: Path, **files: str) -> None:
    """Files of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_limits_are_the_smallest_on_the_way_up(tmp_path: Path) -> None:
    """Memory and CPU limits of a group above bind too; counts are the group's own."""
    write(tmp_path, cgroup__controllers="cpu memory")
    write(tmp_path / "a", cgroup__controllers="cpu memory", memory__max="2000\n", cpu__max="150000 100000\n")
    write(
        tmp_path / "a" / "b",
        cgroup__controllers="cpu memory",
        memory__max="max\n",
        memory__current="1900\n",
        memory__events="low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n",
        cpu__max="max 100000\n",
        cpu__stat="usage_usec 5\nnr_periods 40\nnr_throttled 10\nthrottled_usec 9\n",
    )
    assert limits_of("/a/b", str(tmp_path)) == GroupLimits(
        memory=1900,
        memory_limit=2000,
        memory_limit_hits=7,
        oom_kills=1,
        cpu_limit=1.5,
        cpu_throttled=10,
        cpu_periods=40,
    )
    assert limits_of("/", str(tmp_path)) == GroupLimits()


def test_limits_of_the_older_kind(tmp_path: Path) -> None:
    """Cgroup v1 has a tree for memory; its greatest number means no limit."""
    folder = tmp_path / "memory" / "docker" / ID
    write(folder, memory__limit_in_bytes="9223372036854771712\n", memory__usage_in_bytes="5\n", memory__failcnt="0\n")
    assert limits_of(f"/docker/{ID}", str(tmp_path)) == GroupLimits(memory=5, memory_limit_hits=0)
    write(folder, memory__limit_in_bytes="4096\n", memory__oom_control="oom_kill_disable 0\noom_kill 2\n")
    assert limits_of(f"/docker/{ID}", str(tmp_path)).memory_limit == 4096
    assert limits_of(f"/docker/{ID}", str(tmp_path)).oom_kills == 2


def test_the_memory_of_the_machine_is_not_that_of_those_in_no_group(tmp_path: Path) -> None:
    """Cgroup v1 counts all groups into the first one. In a container that is mounted there it has a limit, and is the container's."""
    write(tmp_path / "memory", memory__limit_in_bytes="9223372036854771712\n", memory__usage_in_bytes="5\n")
    assert limits_of("/", str(tmp_path)).memory is None
    write(tmp_path / "memory", memory__limit_in_bytes="4096\n")
    assert limits_of("/", str(tmp_path)).memory == 5


def test_limits_of_the_older_kind_above_bind_too(tmp_path: Path) -> None:
    """A pod's limit holds for each of its containers; -1 and the largest number are none. How often it was throttled is the group's own."""
    for place, text in {
        "memory/pod/memory.limit_in_bytes": "8192",
        "memory/pod/one/memory.limit_in_bytes": "9223372036854771712",
        "cpu/pod/cpu.cfs_quota_us": "150000",
        "cpu/pod/cpu.cfs_period_us": "100000",
        "cpu/pod/one/cpu.cfs_quota_us": "-1",
        "cpu/pod/one/cpu.cfs_period_us": "100000",
        "cpu/pod/one/cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 123",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text + "\n", "ascii")
    found = limits_of("/pod/one", str(tmp_path))
    assert (found.memory_limit, found.cpu_limit, found.cpu_throttled, found.cpu_periods) == (8192, 1.5, 4, 10)


def test_cpu_limits_of_the_older_kind(tmp_path: Path) -> None:
    """A quota of a period; -1 is none. Inside of a container its group is mounted as the root."""
    write(tmp_path / "cpu", cpu__cfs_quota_us="150000\n", cpu__cfs_period_us="100000\n")
    write(tmp_path / "memory", memory__limit_in_bytes="4096\n")
    write(tmp_path / "cpu" / "x", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert limits_of("/x", str(tmp_path)) == GroupLimits(memory_limit=4096, cpu_limit=1.5)
    assert own_limits(f"/docker/{ID}", str(tmp_path)) == GroupLimits(memory_limit=4096, cpu_limit=1.5)


@pytest.mark.parametrize(
    ("memory", "cores", "container", "words"),
    [
        (None, None, False, None),
        (64 << 30, 64.0, False, None),
        (4 << 30, None, False, "the control group of Watchkeeper may use 4 GiB of memory."),
        (4 << 30, 1.0, True, "this container may use 1 core and 4 GiB of memory."),
        (None, 1.5, True, "this container may use 1.5 cores."),
        (None, None, True, "this container has no limit of its own."),
    ],
)
def test_whose_totals_are_is_said(
    memory: int | None, cores: float | None, *, container: bool, words: str | None
) -> None:
    """Where less than the whole machine may be used, or this is a container."""
    limits = GroupLimits(memory_limit=memory, cpu_limit=cores)
    told = whose_totals(limits, container=container, mem_total=64 << 30, cpu_count=64)
    assert told == (None if words is None else f"CPU and memory are those of the whole machine; {words}")


@pytest.mark.parametrize(
    ("text", "found"),
    [("docker 83", True), ("DOCKER", True), ("83a1", True), ("83", True), ("3", False), ("a1c0", True), ("(", False)],
)
def test_a_unit_is_found_as_people_type_it(text: str, *, found: bool) -> None:
    """Words in their order; a number where a word begins."""
    paths = [
        "docker 83a1c04f2ab1",
        f"/docker/83a1c04f2ab1{'f' * 52}",
        f"/system.slice/docker-83a1c04f2ab1{'f' * 52}.scope",
    ]
    assert [bool(re.search(unit_pattern(text), path)) for path in paths] == [found] * 3


@pytest.mark.parametrize("path", PATHS)
def test_the_name_of_a_unit_finds_its_path(path: str) -> None:
    """What the column shows can be searched for among what has ended, of which the path is stored."""
    kind, name = PATHS[path]
    if kind != "group":
        assert re.search(unit_pattern(name), path.lower()), unit_pattern(name)


@pytest.mark.parametrize("path", ["/../../etc", "relative", "/gone"])
def test_what_is_no_group_has_no_limits(tmp_path: Path, path: str) -> None:
    """Nothing outside of the tree is read, and a group that ended is no error."""
    assert limits_of(path, str(tmp_path)) == NOTHING
