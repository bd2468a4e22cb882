"""Frames between the sampler and the agent."""

import io
import struct
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.catalogue import RUN_COLUMNS, GpuReading, HostReading, RunColumns
from monitor.metrics.messages import (
    MAX_FRAME,
    PROTOCOL,
    GpuState,
    Hello,
    HostInfo,
    Quality,
    RunInfo,
    Tick,
    encode,
    read_messages,
)

INFO = HostInfo("host", "boot", 1, "kernel", "platform", 2, 3, 100)
HELLO = Hello(PROTOCOL, 7, 1.0, "procfs", INFO)


def _tick(name: str = "n", seq: int = 0, temperature: float | None = None) -> Tick:
    return Tick(
        seq=seq,
        ts=10**15,
        mono_ns=5,
        host=HostReading(cpu_pct=1.5, temperatures=None if temperature is None else {"x": temperature}),
        runs=RunColumns(**{column: array(code, [1, 2]).tobytes() for column, code in RUN_COLUMNS.items()}),
        born=[RunInfo(2**63 - 1, 1, 2, 3, 0, "root", name, name, None, None, 9, False)],
        gone=[5],
        gpu=GpuState("ok", "", 0.0, [GpuReading(0, "u", "g")], []),
        quality=Quality(1, 1, 0.0, 1.0, 0.1, 5, {"vanished": 1}),
    )


@given(st.lists(st.text(max_size=50), max_size=5), st.one_of(st.none(), st.floats(allow_nan=False)))
def test_what_goes_in_comes_out(names: list[str], temperature: float | None) -> None:
    """Any messages come back equal and in order."""
    sent = [HELLO, *(_tick(name, seq, temperature) for seq, name in enumerate(names))]
    stream = io.BytesIO(b"".join(encode(message) for message in sent))
    assert list(read_messages(stream)) == sent


@given(st.integers(1, 400))
def test_a_frame_cut_off_is_dropped(cut: int) -> None:
    """A writer that died in the middle of a frame ends the stream after the last whole one."""
    whole, last = encode(HELLO), encode(_tick())
    stream = io.BytesIO(whole + last[: max(len(last) - cut, 0)])
    assert list(read_messages(stream)) == [HELLO]


def test_a_frame_too_long_is_refused() -> None:
    """A length that cannot be is refused before memory is taken for it."""
    with pytest.raises(ValueError, match="longer"):
        list(read_messages(io.BytesIO(struct.pack(">I", MAX_FRAME + 1))))


def test_a_body_that_is_no_message_is_refused() -> None:
    """Bytes of another program are an error, not a message."""
    with pytest.raises(msgspec.DecodeError):
        list(read_messages(io.BytesIO(struct.pack(">I", 2) + b"\x90\x90")))


def test_columns_are_listed_in_order() -> None:
    """`RUN_COLUMNS` names every field of `RunColumns`, and each typecode has the size that the catalogue promises."""
    assert tuple(RUN_COLUMNS) == RunColumns.__struct_fields__
    assert {code: array(code).itemsize for code in RUN_COLUMNS.values()} == {"q": 8, "i": 4, "b": 1, "f": 4, "d": 8}
