"""The bounded queue in front of the pipe."""

import os
import threading
from typing import Any

import pytest

from monitor.sampling.outlet import Outlet
from tests.waiting import patient, wait_until


@pytest.fixture
def pipe() -> Any:
    """A pipe; both ends are closed at the end."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def _drain(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := os.read(fd, 65_536)):
        data += part
    return data


def test_a_slow_reader_neither_blocks_nor_cuts(pipe: Any) -> None:
    """Frames beyond the pipe wait in order; above the limit the outlet says so, and it drains when read."""
    outlet = Outlet(pipe[1], lambda: None, limit=300_000)
    frames = [bytes([number]) * 50_000 for number in range(10)]
    for frame in frames:
        outlet.send(frame)
    assert outlet.full
    assert _drain(pipe[0], 500_000) == b"".join(frames)
    wait_until(lambda: not outlet.full)
    outlet.close()


def test_closing_writes_what_waits(pipe: Any) -> None:
    """What was sent before closing arrives."""
    outlet = Outlet(pipe[1], lambda: None)
    outlet.send(b"abc")
    outlet.close()
    assert os.read(pipe[0], 10) == b"abc"


def test_closing_does_not_wait_for_a_dead_reader(pipe: Any) -> None:
    """A reader that never reads cannot hold up the end."""
    outlet = Outlet(pipe[1], lambda: None)
    outlet.send(b"x" * 1_000_000)
    outlet.close(timeout_s=0.05)
    _drain(pipe[0], 1_000_000)


def test_a_broken_pipe_is_told_once(pipe: Any) -> None:
    """When the reader is gone the owner hears it."""
    broken = threading.Event()
    outlet = Outlet(pipe[1], broken.set)
    os.close(pipe[0])
    pipe[0] = -1
    outlet.send(b"abc")
    assert broken.wait(patient(10))
    outlet.send(b"more")
    outlet.close()
