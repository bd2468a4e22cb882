"""Free space on mounted file systems, read without waiting for one that hangs."""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from monitor.metrics.catalogue import DiskSpace
from monitor.sampling.core.background import Background
from monitor.sampling.linux.parse import Mount, decode

EVERY_S: Final = 10.0
HANG_S: Final = 5.0
_PSEUDO: Final = frozenset(
    [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fuse.gvfsd-fuse",
        "fuse.lxcfs",
        "fuse.portal",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "ramfs",
        "rootfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    ]
)
_IMAGES: Final = frozenset(
    ["cramfs", "erofs", "fuse.snapfuse", "fuse.squashfuse", "iso9660", "romfs", "squashfs", "udf"]
)
"""Images that are always full and can only be read."""
_SYSTEM: Final = re.compile(r"/(etc|dev|run|usr/s?bin|usr/lib\w*|s?bin|lib\w*)(/|$)")
"""Where a container gets files of its host: hosts, resolv.conf, drivers, sockets. None of them is a disk of its own."""
_LOCAL: Final = frozenset({"zfs", "btrfs", "bcachefs", "overlay"})
"""File systems of the kernel on local disks whose devices are no paths."""
_SHARED: Final = frozenset({"9p", "drvfs", "virtiofs"})
"""Folders of the machine that a virtual one runs on."""
_OVERLAYS: Final = frozenset({"overlay", "tmpfs"})


def real_mounts(mounts: Iterable[Mount]) -> list[Mount]:
    """The mounts to show: one per device, without virtual file systems.

    A bind mount or a second subvolume shows the same device again: the shortest path stands for it, and a single file that
    is mounted into a container never does. An overlay counts only as the root (a container's own), a tmpfs only where people
    put files (`/tmp`, `/dev/shm`).
    """
    chosen: dict[str, Mount] = {}
    mounts = list(mounts)
    # what was mounted later hides what it lies on
    uppermost = {mount.path: mount for mount in mounts if mount.fstype != "autofs"}
    contained = any(mount.path == "/" and mount.fstype in _OVERLAYS for mount in mounts)
    for mount in mounts:
        if (
            uppermost.get(mount.path) is not mount
            or mount.fstype in _PSEUDO
            or mount.fstype in _IMAGES
            or _is_file(mount, contained=contained)
        ):
            continue
        if mount.fstype in _OVERLAYS and mount.path not in ("/", "/tmp", "/dev/shm"):  # noqa: S108 - named, not used
            continue
        key = mount.path if mount.fstype in _OVERLAYS else mount.device
        known = chosen.get(key)
        if known is None or len(mount.path) < len(known.path):
            chosen[key] = mount
    return list(chosen.values())


def _is_file(mount: Mount, *, contained: bool) -> bool:
    """Whether a single file is mounted, or what a container or a virtual machine gets of its host's system.

    Only file systems of the kernel on local disks are looked at: others may hang.
    """
    local = mount.device.startswith("/dev/") or mount.fstype in _LOCAL
    if mount.fstype in _SHARED:
        return _SYSTEM.match(mount.path) is not None
    if not local or mount.fstype.startswith("fuse"):
        return False
    return (contained and _SYSTEM.match(mount.path) is not None) or Path(mount.path).is_file()


def read_space(mount: Mount) -> DiskSpace | None:
    """Space on one file system; None if it has no blocks. `free` is what an ordinary user can use."""
    found = os.statvfs(mount.path)
    if found.f_blocks == 0:
        return None
    unit = found.f_frsize or found.f_bsize
    return DiskSpace(
        mount=decode(os.fsencode(mount.path)),
        device=mount.device,
        fstype=mount.fstype,
        total=found.f_blocks * unit,
        used=(found.f_blocks - found.f_bfree) * unit,
        free=found.f_bavail * unit,
        read_only=bool(found.f_flag & os.ST_RDONLY),
        files=found.f_files,
        files_free=found.f_favail,
    )


class SpaceWatch:
    """Reads every real mount every `EVERY_S`, each in a thread, and returns what has arrived.

    Args:
        mounts: lists what is mounted; must not hang.
        errors: counts mounts that fail (`space:<reason>`) or hang (`space:hangs`).
        read: asks one file system; may hang.
        clock: seconds, monotonic; the clock of `poll`'s argument.
    """

    def __init__(
        self,
        mounts: Callable[[], list[Mount]],
        errors: Counter[str],
        read: Callable[[Mount], DiskSpace | None] = read_space,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mounts = mounts
        self._errors = errors
        self._read = read
        self._clock = clock
        self._asked: dict[Mount, Background[DiskSpace | None]] = {}
        self._known: dict[Mount, DiskSpace] = {}
        self._round_ns: int | None = None
        self._told = True

    def poll(self, mono_ns: int) -> list[DiskSpace] | None:
        """The space on all mounts, once per `EVERY_S`, else None."""
        if self._round_ns is None or mono_ns - self._round_ns >= EVERY_S * 1e9:
            self._round_ns = mono_ns
            self._begin()
        waiting = False
        for mount, asked in self._asked.items():
            found = asked.poll()
            if found is not None:
                self._known[mount] = found
            waiting = waiting or asked.pending
        age_s = (mono_ns - self._round_ns) / 1e9
        if self._told or (waiting and age_s < HANG_S):
            return None
        self._told = True
        self._drop_failed()
        return list(self._known.values())

    def _begin(self) -> None:
        self._told = False
        mounts = set(real_mounts(self._mounts()))
        for mount in [mount for mount in self._asked if mount not in mounts]:
            del self._asked[mount]
            self._known.pop(mount, None)
        for mount in mounts:
            if mount not in self._asked:
                self._asked[mount] = Background(
                    partial(self._read, mount), EVERY_S * 0.9, clock=self._clock, name="space"
                )

    def _drop_failed(self) -> None:
        """Hide a mount that hangs or fails until it answers, and count the failure."""
        for mount, asked in self._asked.items():
            if asked.hangs_for_s() >= HANG_S * 0.9:
                self._errors["space:hangs"] += 1
                self._known.pop(mount, None)
            elif asked.error is not None:
                self._errors["space:fails"] += 1
                self._known.pop(mount, None)
