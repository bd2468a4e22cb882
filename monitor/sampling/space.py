"""Room on mounted file systems, read without ever waiting for one that hangs."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from monitor.sampling.background import Background
from monitor.sampling.parse import Mount, decode
from monitor.wire import DiskSpace

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
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "squashfs",
        "sysfs",
        "tracefs",
        "iso9660",
        "erofs",
    ]
)
_OVERLAYS: Final = frozenset({"overlay", "tmpfs"})


def real_mounts(mounts: Iterable[Mount]) -> list[Mount]:
    """The mounts worth showing: one a device, without what the kernel makes up.

    A bind mount or a second subvolume shows the same device again: the shortest path stands for it. An overlay
    counts only as the root (a container's own), a tmpfs only where people put files (`/tmp`, `/dev/shm`).
    """
    chosen: dict[str, Mount] = {}
    for mount in mounts:
        if mount.fstype in _PSEUDO or (mount.fstype in _OVERLAYS and mount.path not in ("/", "/tmp", "/dev/shm")):  # noqa: S108 - named, not used
            continue
        key = mount.path if mount.fstype in _OVERLAYS else mount.device
        known = chosen.get(key)
        if known is None or len(mount.path) < len(known.path):
            chosen[key] = mount
    return list(chosen.values())


def read_space(mount: Mount) -> DiskSpace | None:
    """Room on one file system; None when it has no blocks at all. `free` is what a user without privileges may fill."""
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
    )


class SpaceWatch:
    """Asks every real mount every `EVERY_S`, each in a thread of its own, and gives what has come.

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
        """The room on all mounts, once in each round of `EVERY_S`, else None."""
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
        """A mount that hangs or fails is shown no more until it answers; it is counted."""
        for mount, asked in self._asked.items():
            if asked.hangs_for_s() >= HANG_S * 0.9:
                self._errors["space:hangs"] += 1
                self._known.pop(mount, None)
            elif asked.error is not None:
                self._errors["space:fails"] += 1
                self._known.pop(mount, None)
