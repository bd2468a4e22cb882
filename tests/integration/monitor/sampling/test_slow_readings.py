"""Disk space, temperatures and user names: what may hang or fail never reaches the sweep."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monitor.metrics.catalogue import DiskSpace
from monitor.sampling.core.background import Background
from monitor.sampling.linux.disk_space import SpaceWatch, read_space, real_mounts
from monitor.sampling.linux.parse import Mount
from monitor.sampling.linux.sensors import read_temperatures
from monitor.sampling.linux.users import Users
from tests.waiting import patient, wait_until

SECOND = 10**9
ROOT = Mount("/dev/vda", "/", "ext4")
SHARED = "/dev/shm"  # noqa: S108 - a name, nothing is written there
DEAD = Mount("server:/x", "/mnt/nfs", "nfs4")


@pytest.fixture
def release() -> Any:
    """Lets go whatever hangs when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def _room(mount: Mount) -> DiskSpace:
    return DiskSpace(mount.path, mount.device, mount.fstype, 3, 2, 1)


def test_a_hung_mount_hides_only_itself(release: Any) -> None:
    """A dead network mount is left out and counted; the others are told, and no further thread piles up on it."""
    errors: Counter[str] = Counter()
    asked: list[Mount] = []

    def read(mount: Mount) -> DiskSpace:
        asked.append(mount)
        if mount == DEAD:
            release.wait(patient(20))
        return _room(mount)

    now = [0.0]
    watch = SpaceWatch(lambda: [ROOT, DEAD], errors, read, clock=lambda: now[0])
    found = []
    for _ in range(4):
        found.append(watch.poll(int(now[0] * SECOND)))
        wait_until(lambda: asked.count(ROOT) >= 1)
        now[0] += 2.0
    told = wait_until(lambda: watch.poll(int(now[0] * SECOND)) or next((item for item in found if item), None))
    assert [item.mount for item in told] == ["/"]
    assert errors["space:hangs"] == 1
    for _ in range(5):
        now[0] += 10.0
        watch.poll(int(now[0] * SECOND))
    assert asked.count(DEAD) == 1


def test_space_is_told_once_a_round() -> None:
    """The room is in one poll of each ten seconds, not in every one."""
    now = [0.0]
    watch = SpaceWatch(lambda: [ROOT], Counter(), _room, clock=lambda: now[0])
    first = wait_until(lambda: watch.poll(int(now[0] * SECOND)))
    assert first == [_room(ROOT)]
    now[0] = 5.0
    assert watch.poll(5 * SECOND) is None
    now[0] = 11.0
    assert wait_until(lambda: watch.poll(11 * SECOND)) == [_room(ROOT)]


def test_a_failing_mount_is_counted() -> None:
    """A mount that answers with an error is left out and counted."""
    errors: Counter[str] = Counter()

    def read(_mount: Mount) -> DiskSpace:
        raise PermissionError

    now = [0.0]
    watch = SpaceWatch(lambda: [ROOT], errors, read, clock=lambda: now[0])
    wait_until(lambda: watch.poll(0) == [] or errors["space:fails"])
    assert errors["space:fails"] == 1


def test_real_mounts_are_told_once() -> None:
    """Kernel file systems are left out; a device mounted twice counts by its shortest path; what lies under another mount is hidden; `/tmp` in memory counts."""
    mounts = [
        ROOT,
        Mount("/dev/vda", "/var/lib/bind", "ext4"),
        Mount("proc", "/proc", "proc"),
        Mount("tmpfs", "/run", "tmpfs"),
        Mount("tmpfs", SHARED, "tmpfs"),
        Mount("overlay", "/var/lib/docker/x", "overlay"),
        Mount("/dev/loop1", "/snap/x", "squashfs"),
        Mount("/dev/vdb", DEAD.path, "ext4"),
        DEAD,
    ]
    assert [mount.path for mount in real_mounts(mounts)] == ["/", SHARED, "/mnt/nfs"]


def test_files_and_images_are_no_disks(tmp_path: Path) -> None:
    """Containers get single files of their host, which is no disk; an image that is always full is none either."""
    single = tmp_path / "x"
    single.touch()
    mounts = [
        Mount("overlay", "/", "overlay"),
        Mount("/dev/sdb", "/etc/hostname", "ext4"),
        Mount("/dev/sdb", str(single), "ext4"),
        Mount("/dev/sdb", str(tmp_path / "a folder of that disk"), "ext4"),
        Mount("/dev/sdb", "/usr/lib/libcuda.so.1", "ext4"),
        Mount("/dev/sdc", "/run/postgresql/.lock", "ext4"),
        Mount("pool/var", "/etc/hosts", "zfs"),
        Mount("/dev/sr0", "/media/cd", "iso9660"),
    ]
    assert [mount.path for mount in real_mounts(mounts)] == ["/", mounts[3].path]


def test_what_a_virtual_machine_gets_of_its_host_s_system_is_no_disk() -> None:
    """Drivers and libraries of Windows are folders of its disk; a disk or a home that is shared is one."""
    mounts = [
        Mount("/dev/sdc", "/", "ext4"),
        Mount("drivers", "/usr/lib/wsl/drivers", "9p"),
        Mount("C:\\", "/mnt/c", "9p"),
        Mount("mount0", "/Users/me", "virtiofs"),
    ]
    assert [mount.path for mount in real_mounts(mounts)] == ["/", "/mnt/c", "/Users/me"]


def test_room_of_a_real_file_system(tmp_path: Path) -> None:
    """Total, used and free of a real directory fit together."""
    room = read_space(Mount("d", str(tmp_path), "f"))
    assert room is not None
    assert 0 < room.free <= room.total
    assert 0 < room.used <= room.total
    assert 0 <= room.files_free <= room.files


def test_background_holds_one_thread(release: Any) -> None:
    """A reading that hangs is not begun again; how long it hangs is known."""
    began: list[int] = []

    def read() -> int:
        began.append(1)
        release.wait(patient(20))
        return 5

    now = [0.0]
    slow = Background(read, 1.0, clock=lambda: now[0])
    assert slow.poll() is None
    wait_until(lambda: began)
    now[0] = 30.0
    assert slow.poll() is None
    assert slow.hangs_for_s() == 30
    assert len(began) == 1
    release.set()
    assert wait_until(slow.poll) == 5
    assert slow.error is None


def _sensor(base: Path, chip: str, **files: str) -> None:
    folder = base / chip
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n", encoding="ascii")


def test_temperatures_of_chips(tmp_path: Path) -> None:
    """Chip and label make the name; equal names are numbered; nonsense and sleeping sensors are left out."""
    base = tmp_path / "class/hwmon"
    _sensor(base, "hwmon0", name="coretemp", temp1_input="45500", temp1_label="Core 0", temp2_input="-127000")
    _sensor(base, "hwmon1", name="coretemp", temp1_input="50000", temp1_label="Core 0")
    _sensor(base, "hwmon2", name="nvme", temp1_input="", fan1_input="900")
    _sensor(base, "hwmon3", name="nct6779", temp1_input="127500", temp2_input="127000", temp3_input="-128000")
    assert read_temperatures(str(tmp_path)) == {"coretemp Core 0": 45.5, "coretemp Core 0 2": 50.0}


def test_temperatures_of_zones(tmp_path: Path) -> None:
    """Without chips the thermal zones stand in; without either there is nothing."""
    _sensor(tmp_path / "class/thermal", "thermal_zone0", type="acpitz", temp="39000")
    assert read_temperatures(str(tmp_path)) == {"acpitz": 39.0}
    assert read_temperatures(str(tmp_path / "nowhere")) == {}


def test_user_names_follow_the_table(tmp_path: Path) -> None:
    """Names come from the table, follow its changes, and fall back to the number."""
    table = tmp_path / "passwd"
    table.write_text("root:x:0:0::/:/bin/sh\nbroken\nann:x:4000000001:1::/:/bin/sh\n", encoding="ascii")
    users = Users(str(table))
    assert (users.name(0), users.name(4_000_000_001), users.name(-1)) == ("root", "ann", "")
    assert users.name(4_000_000_002) == "4000000002"
    table.write_text("root:x:0:0::/:/bin/sh\nbobby:x:4000000001:1::/:/bin/sh\n", encoding="ascii")
    users.refresh()
    assert users.name(4_000_000_001) == "bobby"
    assert Users(str(tmp_path / "none")).name(4_000_000_003) == "4000000003"
