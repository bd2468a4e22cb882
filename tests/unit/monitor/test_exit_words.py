"""Wait statuses, exit codes and signals, in numbers and in words."""

import os
import signal

import pytest

from monitor.core.exit_words import asked_for, ended_with, failed
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
    assert ended_with(143, None, asked="stopped by ada") == "exit code 143, stopped by ada"


@pytest.mark.parametrize(
    ("code", "number", "asked", "expected"),
    [(0, None, None, False), (3, None, None, True), (None, 15, None, True), (None, None, None, None),
     (None, 15, "stopped by ada", False), (3, None, "stopped by ada", False), (None, None, "stopped by ada", False)],
)  # fmt: skip
def test_what_counts_as_a_failure(code: int | None, number: int | None, asked: str | None, expected: object) -> None:
    """A code or a signal that nobody asked for; a crash is nobody's wish."""
    assert failed(code, number, asked) is expected
    assert (asked_for("stopped by ada", 11), asked_for("stopped by ada", 15), asked_for("", 15)) == (
        None,
        "stopped by ada",
        None,
    )
    assert asked_for("stopped by ada", 9, out_of_memory=True) is None
