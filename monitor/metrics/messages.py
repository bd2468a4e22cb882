"""The messages of the sampler to the agent: one frame per message, through a pipe.

A frame is a 4-byte big-endian length and a MessagePack body (`msgspec`). The first is `Hello`, then
one `Tick` a second, and `Lives` between them when processes end. Per-process readings travel as columns, one `array` buffer each, so that neither
side builds an object per process: 500 processes cost about 20 buffers. What is read, field by field, is in `catalogue`.

Times (`ts`) are integer microseconds since the epoch, UTC; `mono_ns` is `CLOCK_MONOTONIC`. Sizes are bytes, rates
are per second, percentages of CPU count one core as 100. `None` and NaN mean *not available*: a gap, never zero.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec

from monitor.core.exit_words import ended_with
from monitor.metrics.catalogue import GpuReading, HostReading, RunColumns

PROTOCOL: Final = 1
MAX_FRAME: Final = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class HostInfo:
    """A machine and one boot of it. `totals` says in a sentence whose its totals are where the watch may use less; else None."""

    host: str
    boot_id: str
    boot_ts: int
    kernel: str
    platform: str
    cpu_count: int
    mem_total: int
    clock_tick_hz: int
    totals: str | None = None


class RunInfo(msgspec.Struct, frozen=True):
    """What rarely changes about one life of one process. Secrets in `cmdline` are masked.

    `run` identifies the life everywhere: see `run_key`. `cwd` is the working directory when it was first seen or began its program, `member` which of
    several equal processes it is (`monitor.core.member`).
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
    cwd: str | None = None
    member: str | None = None


class GpuProcess(msgspec.Struct, frozen=True):
    """Memory of one process on one GPU; `run` is None if the pid could not be matched."""

    gpu: int
    pid: int
    run: int | None
    mem_bytes: int | None


class GpuState(msgspec.Struct, frozen=True):
    """What is known of the GPUs. `state`: `ok`, `none` (no driver or no device), `stale` (a call hangs), `error`.

    `fresh`: whether the readings are of this moment. While a driver does not answer they are those of its last answer, `age_s`
    ago: shown as such, and never stored or drawn as new.
    """

    state: str
    message: str
    age_s: float
    gpus: list[GpuReading]
    processes: list[GpuProcess]
    fresh: bool = True


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first message. `reader` is `procfs` or `portable`; `exits` is who tells how processes end, as in `RunEnd.source`;
    `usage` who tells what they used in their lives: `taskstats` (the kernel, of each) or `sweep` (what was read of them last).
    """

    protocol: int
    pid: int
    interval_s: float
    reader: str
    host: HostInfo
    exits: str = "poll"
    usage: str = "sweep"


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of the sampling. Counts are since the sampler started.

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


ENDS_LOST: Final = {
    "exits:lost": "overflows of the kernel's queue of exits",
    "usage:lost": "overflows of the kernel's queue of what processes used",
    "brief:unknown": "short lives that failed, of which nothing but the end was heard",
    "brief:dropped": "short lives beyond the most that are told between two samples",
}
"""Reasons in `Quality.errors` that are about ends of processes, in words before a number."""


class RunEnd(msgspec.Struct, frozen=True):
    """How a run ended: at `ts` (µs), with an exit code or by a signal; both None if nobody could tell.

    `source` names who told: `connector`, `pidfd`, `zombie` (what `/proc` said before it was reaped), or `poll` (it was gone; `ts` is
    up to one sweep late). `out_of_memory`: whether the kernel killed it to free memory; then `memory_group` is the control group whose limit
    `memory_limit` (bytes) was reached, empty for the machine, None if that is not known. `cpu_limit_s` is the CPU time that it was
    allowed (s), if the kernel killed it because it had used that. What it used in its life is None where nobody could tell: `cpu_s` seconds of CPU time, the rest bytes. `parent` is the pid
    of its parent at that moment, 0 if unknown: another than before, if that had ended first. `asked` is who asked for it, in words, where that was the case: the agent adds it.
    """

    run: int
    ts: int
    exit_code: int | None
    exit_signal: int | None
    source: str
    out_of_memory: bool = False
    memory_group: str | None = None
    memory_limit: int | None = None
    cpu_s: float | None = None
    peak_rss: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    cpu_limit_s: int | None = None
    parent: int = 0
    asked: str | None = None

    def said(self) -> str | None:
        """How it ended, in words; None if nobody could tell."""
        return ended_with(
            self.exit_code,
            self.exit_signal,
            out_of_memory=self.out_of_memory,
            memory_group=self.memory_group,
            memory_limit=self.memory_limit,
            asked=self.asked,
        )


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """One sweep. `seq` counts due seconds, so a hole in it is a missed sample; `born` also carries
    runs whose name or command line changed (exec); `gone` lists runs that are no longer there.
    `clock_step_s` is how far the wall clock moved against the monotonic one since the last tick (0 normally).
    `brief` are runs that began and ended since the last sweep; `ends` tells how they and those that are gone ended.
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
    brief: list[RunInfo] = []
    ends: list[RunEnd] = []


class Lives(msgspec.Struct, frozen=True, tag="lives"):
    """What ended between two ticks, told within a moment: as in `Tick`, and no tick tells it again."""

    ts: int
    born: list[RunInfo]
    gone: list[int]
    brief: list[RunInfo]
    ends: list[RunEnd]
    clock_step_s: float = 0.0


def run_key(host: str, boot_id: str, pid: int, start_tick: int) -> int:
    """The number that stands for one life of one process everywhere: 63 bits of BLAKE2b over host, boot, pid and start tick.

    A pid comes back within a minute on a busy machine, so a pid alone is no identity.

    With a million runs, the chance of any collision is about 5e-8 (birthday bound).
    """
    text = f"{host}\0{boot_id}\0{pid}\0{start_tick}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


Message = Hello | Tick | Lives
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """One frame, ready to be written."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def read_messages(stream: BinaryIO) -> Iterator[Message]:
    """Messages until the (buffered) stream ends. An incomplete last frame is dropped.

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
