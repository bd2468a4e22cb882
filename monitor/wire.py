"""What the sampler tells the agent: one frame a message over a pipe.

A frame is a 4-byte big-endian length and a MessagePack body (`msgspec`). The first is `Hello`, then
one `Tick` a second. Per-process readings travel as columns, one `array` buffer each, so that neither
side builds an object per process: 500 processes cost about 20 buffers.

Times (`ts`) are integer microseconds since the epoch, UTC; `mono_ns` is `CLOCK_MONOTONIC`. Sizes are bytes, rates
are per second, percentages of CPU count one core as 100. `None` and NaN mean *not available*: a gap, never zero.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

PROTOCOL: Final = 1
MAX_FRAME: Final = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class HostInfo(msgspec.Struct, frozen=True):
    """A machine and one boot of it."""

    host: str
    boot_id: str
    boot_ts: int
    kernel: str
    platform: str
    cpu_count: int
    mem_total: int
    clock_tick_hz: int


class RunInfo(msgspec.Struct, frozen=True):
    """What seldom changes about one life of one process. `cmdline` has its secrets masked.

    `run` identifies the life everywhere: see `monitor.identity.run_key`.
    """

    run: int
    pid: int
    start_tick: int
    ppid: int
    uid: int
    user: str
    name: str
    cmdline: str
    exe: str | None
    cgroup: str | None
    start_ts: int
    kernel_thread: bool
    cmdline_truncated: bool = False


class DiskSpace(msgspec.Struct, frozen=True):
    """Room on one mounted file system, bytes."""

    mount: str
    device: str
    fstype: str
    total: int
    used: int
    free: int


class DeviceRates(msgspec.Struct, frozen=True):
    """IO of one disk (`busy_pct` of the time) or one network interface (`busy_pct` None)."""

    name: str
    read_bps: float
    write_bps: float
    read_ops: float
    write_ops: float
    busy_pct: float | None = None
    errors: float | None = None


class HostReading(msgspec.Struct, frozen=True):
    """One reading of the whole machine. CPU values are percent of all cores together (0 to 100)."""

    cpu_pct: float | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None
    cpu_iowait: float | None = None
    cpu_steal: float | None = None
    per_core: list[float] | None = None
    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    mem_total: int | None = None
    mem_used: int | None = None
    mem_available: int | None = None
    mem_cached: int | None = None
    swap_total: int | None = None
    swap_used: int | None = None
    psi_cpu_some: float | None = None
    psi_mem_some: float | None = None
    psi_mem_full: float | None = None
    psi_io_some: float | None = None
    psi_io_full: float | None = None
    disk_read_bps: float | None = None
    disk_write_bps: float | None = None
    disk_read_ops: float | None = None
    disk_write_ops: float | None = None
    net_rx_bps: float | None = None
    net_tx_bps: float | None = None
    procs_total: int | None = None
    procs_running: int | None = None
    ctx_switches: float | None = None
    temperatures: dict[str, float] | None = None
    disks: list[DeviceRates] | None = None
    nics: list[DeviceRates] | None = None
    space: list[DiskSpace] | None = None
    """Only on the ticks that measured it (every 10 s)."""


class GpuReading(msgspec.Struct, frozen=True):
    """One GPU. `error` names what failed when a whole GPU could not be read."""

    index: int
    uuid: str
    name: str
    util_pct: float | None = None
    mem_util_pct: float | None = None
    mem_total: int | None = None
    mem_used: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temp_c: float | None = None
    clock_sm_mhz: int | None = None
    clock_mem_mhz: int | None = None
    throttle: list[str] | None = None
    energy_j: float | None = None
    error: str | None = None


class GpuProcess(msgspec.Struct, frozen=True):
    """Memory one process holds on one GPU; `run` is None when the pid could not be matched."""

    gpu: int
    pid: int
    run: int | None
    mem_bytes: int | None


class GpuState(msgspec.Struct, frozen=True):
    """What is known of the GPUs. `state`: `ok`, `none` (no driver or no device), `stale` (a call hangs), `error`."""

    state: str
    message: str
    age_s: float
    gpus: list[GpuReading]
    processes: list[GpuProcess]


class RunColumns(msgspec.Struct, frozen=True):
    """Readings of all processes of one sweep: native-endian `array` buffers of equal length.

    Typecodes are in `RUN_COLUMNS`. `status` holds the kernel's one-letter state as its ASCII code.
    Counters (`*_bytes`, `ctx_*`, `*_faults`, `cpu_*_s`) are totals since the process began. -1 in an
    integer column and NaN in a float column mean *not available*.
    """

    run: bytes
    pid: bytes
    ppid: bytes
    status: bytes
    cpu_pct: bytes
    cpu_user_s: bytes
    cpu_system_s: bytes
    rss: bytes
    vms: bytes
    threads: bytes
    read_bytes: bytes
    write_bytes: bytes
    read_bps: bytes
    write_bps: bytes
    fds: bytes
    ctx_voluntary: bytes
    ctx_involuntary: bytes
    minor_faults: bytes
    major_faults: bytes


RUN_COLUMNS: Final[dict[str, str]] = {
    "run": "q",
    "pid": "i",
    "ppid": "i",
    "status": "b",
    "cpu_pct": "f",
    "cpu_user_s": "d",
    "cpu_system_s": "d",
    "rss": "q",
    "vms": "q",
    "threads": "i",
    "read_bytes": "q",
    "write_bytes": "q",
    "read_bps": "f",
    "write_bps": "f",
    "fds": "i",
    "ctx_voluntary": "q",
    "ctx_involuntary": "q",
    "minor_faults": "q",
    "major_faults": "q",
}
"""Column name → `array` typecode, in order."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first message. `reader` is `procfs` or `portable`."""

    protocol: int
    pid: int
    interval_s: float
    reader: str
    host: HostInfo


class Quality(msgspec.Struct, frozen=True):
    """How well the watch itself does. Counts are since the sampler began.

    `expected` counts the seconds that should have had a sample, `taken` those that did;
    `lag_ms` is how late this sweep began, `sweep_ms` how long it took, `cpu_s` the sampler's own CPU time
    so far, `rss` its memory; `errors` counts readings that failed, by reason.
    """

    expected: int
    taken: int
    lag_ms: float
    sweep_ms: float
    cpu_s: float
    rss: int
    errors: dict[str, int]


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """One sweep. `seq` counts due seconds, so a hole in it is a missed sample; `born` also carries
    runs whose name or command line changed (exec); `gone` lists runs that are no longer there.
    `clock_step_s` is how far the wall clock moved against the monotonic one since the last tick (0 normally).
    """

    seq: int
    ts: int
    mono_ns: int
    host: HostReading
    runs: RunColumns
    born: list[RunInfo]
    gone: list[int]
    gpu: GpuState
    quality: Quality
    clock_step_s: float = 0.0


Message = Hello | Tick
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """One frame, ready to be written."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def read_messages(stream: BinaryIO) -> Iterator[Message]:
    """Messages until the (buffered) stream ends; a frame cut off by the writer's end is dropped.

    Raises:
        ValueError: a frame longer than `MAX_FRAME`.
        msgspec.DecodeError: a body that is no message.
    """
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        if length > MAX_FRAME:
            msg = f"a frame of {length} bytes is longer than {MAX_FRAME}"
            raise ValueError(msg)
        body = stream.read(length)
        if len(body) < length:
            return
        yield _decoder.decode(body)
