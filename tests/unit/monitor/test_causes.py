"""Why a process ended: the cause that the evidence allows, said in one sentence."""

import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.lifecycle.causes import Evidence, cause_of


@pytest.mark.parametrize(
    ("known", "cause", "words"),
    [
        ({"ended": False}, "running", "still runs"),
        ({"exit_code": 0}, "completed", "exit code 0"),
        ({"exit_code": 3}, "exit_code", "exit code 3."),
        ({"exit_code": 127}, "exit_code", "not found"),
        ({"exit_code": 137}, "exit_code", "SIGKILL"),
        ({"exit_code": 124}, "exit_code", "longer than it was allowed to"),
        ({"exit_signal": 3}, "terminated", "interrupted, as by Ctrl-\\ (SIGQUIT"),
        ({"exit_code": 250}, "exit_code", "exit code 250."),
        ({"exit_code": 1, "exception": "KeyError: 'x'"}, "exception", "KeyError: 'x' (exit code 1)"),
        ({"exit_signal": 15}, "terminated", "SIGTERM"),
        ({"exit_signal": 9}, "killed", "SIGKILL"),
        ({"exit_signal": 11}, "segfault", "SIGSEGV"),
        ({"exit_signal": 6, "exception": "bad_alloc"}, "aborted", "bad_alloc (SIGABRT"),
        ({"exit_signal": 24}, "cpu_limit", "CPU time"),
        (
            {"exit_signal": 9, "cpu_limit_s": 5},
            "cpu_limit",
            "the 5 s of CPU time that its limit allows (SIGKILL, signal 9)",
        ),
        ({"exit_signal": 13}, "signal", "SIGPIPE"),
        ({"exit_signal": 9, "parent": "make (7)"}, "parent_gone", "Its parent make (7) ended"),
        (
            {"exit_signal": 15, "asked": "stopped by ada", "parent": "make (7)"},
            "stopped",
            "ended it: stopped by ada (SIGTERM, signal 15).",
        ),
        ({"exit_code": 0, "asked": "stopped by ada"}, "stopped", "by ada (exit code 0)"),
        (
            {"exit_signal": 15, "ended_for": "web: not ready within 5 s"},
            "stopped",
            "Watchkeeper ended it with its service web: not ready within 5 s (SIGTERM, signal 15).",
        ),
        (
            {"exit_signal": 15, "timed_out_by": "timeout (7)"},
            "terminated",
            "timeout (7) ended it, as its time was over",
        ),
        ({"exit_signal": 11, "parent": "make (7)"}, "segfault", "SIGSEGV"),
        ({"exit_signal": 9, "out_of_memory": True, "parent": "make (7)"}, "memory", "memory ran out"),
        ({"exit_signal": 9, "out_of_memory": True, "memory_group": ""}, "memory_machine", "the machine ran out"),
        (
            {"exit_signal": 9, "out_of_memory": True, "memory_group": "/job", "memory_limit": 512 << 20},
            "memory_group",
            "/job reached its memory limit of 512 MiB",
        ),
        ({}, "unknown", "not known"),
        ({"seen": False}, "unknown", "It ended while Watchkeeper did not look."),
        ({"seen": False, "rebooted": True}, "unknown", "It ended with the machine, which has begun anew since"),
        (
            {"exit_signal": 9, "time_over_s": 1.5},
            "killed",
            "Its time of 1.5 s was over: it killed what it ran, and itself (SIGKILL, signal 9).",
        ),
    ],
)
def test_each_cause_is_told(known: dict[str, Any], cause: str, words: str) -> None:
    """The kernel's own evidence outranks the parent, a crash is never the parent's doing, and what is unknown stays so."""
    found, sentence = cause_of(Evidence(**known))
    assert found == cause
    assert words in sentence


@given(st.builds(Evidence, exit_code=st.none() | st.integers(0, 255), exit_signal=st.none() | st.integers(1, 64)))
def test_a_cause_is_one_sentence_that_names_what_is_known(known: Evidence) -> None:
    """Whatever the code or signal, the sentence has it, and no code is invented."""
    cause, words = cause_of(known)
    assert words.endswith(".")
    if known.exit_signal is not None:
        assert f"signal {known.exit_signal})" in words
        if known.exit_signal in {one.value for one in signal.Signals}:
            assert signal.Signals(known.exit_signal).name in words
    elif known.exit_code is not None:
        assert str(known.exit_code) in words
    else:
        assert cause == "unknown"
