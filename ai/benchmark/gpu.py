"""What the GPU's own watch knows, and whether somebody else computes on the GPU that is measured."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

SMALL: Final = 256 * 1024**2
"""Bytes below which a process is a desktop rather than a rival: it draws windows, and does so all the time."""


@dataclass(frozen=True, slots=True)
class GpuHolder:
    """A process that holds memory on a GPU; `mem_bytes` None: the driver does not tell how much."""

    gpu: int
    pid: int
    mem_bytes: int | None


@dataclass(frozen=True, slots=True)
class GpuHints:
    """Throttle reasons, who holds memory on which GPU, energy since some moment."""

    throttle: tuple[str, ...] = ()
    holders: tuple[GpuHolder, ...] = ()
    energy_j: float | None = None


def others_on_gpu(holders: Collection[GpuHolder], engine: Collection[int], idle: Collection[int] = ()) -> int | None:
    """How many processes share the GPUs of the processes `engine`; `idle` are contenders that wait for their turn.

    None where the engine holds no memory on any GPU: it does not use one, or the driver names its processes otherwise (as in a container).
    """
    own = set(engine)
    used = {holder.gpu for holder in holders if holder.pid in own}
    if not used:
        return None
    known = own | set(idle)
    return len({
        h.pid for h in holders if h.gpu in used and h.pid not in known and (h.mem_bytes is None or h.mem_bytes >= SMALL)
    })  # fmt: skip
