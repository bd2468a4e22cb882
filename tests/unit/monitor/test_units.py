"""What a process belongs to, by the path of its control group, and the limits of that group."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.cgroups import NOTHING, GroupLimits, limits_of
from monitor.core.units import unit_of

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


@pytest.mark.parametrize("path", ["/../../etc", "relative", "/gone"])
def test_what_is_no_group_has_no_limits(tmp_path: Path, path: str) -> None:
    """Nothing outside of the tree is read, and a group that ended is no error."""
    assert limits_of(path, str(tmp_path)) == NOTHING
