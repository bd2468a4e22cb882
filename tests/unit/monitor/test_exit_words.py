"""Wait statuses, exit codes and signals, in numbers and in words."""

import os
import signal

import pytest

from monitor.core.exit_words import ended_with
from monitor.lifecycle.exits import decode


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (0, (0, None)),
        (3 << 8, (3, None)),
        (255 << 8, (255, None)),
        (9, (None, 9)),
        (11 | 0x80, (None, 11)),
        (None, (None, None)),
    ],
)
def test_a_status_is_a_code_or_a_signal(status: int | None, found: tuple[int | None, int | None]) -> None:
    """As `wait` tells it; a core dump changes nothing."""
    assert decode(status) == found
    if status is not None:
        code, number = found
        assert os.waitstatus_to_exitcode(status) == (code if number is None else -number)


def test_ends_in_words() -> None:
    """Signals by name, codes as codes, and nothing of what is not known."""
    assert ended_with(None, signal.SIGKILL) == "killed by SIGKILL (signal 9)"
    assert ended_with(None, signal.SIGRTMIN + 3) == f"killed by SIGRTMIN+3 (signal {signal.SIGRTMIN + 3})"
    assert ended_with(None, 99) == "killed by an unknown signal (signal 99)"
    assert ended_with(None, 9, out_of_memory=True) == "killed by SIGKILL (signal 9): out of memory"
    assert ended_with(127, None) == "exit code 127"
    assert ended_with(None, None) is None
