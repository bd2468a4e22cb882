"""Runs that have ended: found by text, outcome, length and time, the newest first."""

from typing import Any

import pyarrow as pa
import pytest

from monitor.api.runs.detail import ended_runs, lives
from monitor.store.interface import Append, Store
from monitor.store.lives import UNSEEN

BEGIN_US = 1_790_000_000_000_000
S = 1_000_000
CONTAINER = f"/system.slice/docker-83a1c04f2ab1{'f' * 52}.scope"
RUNS: list[dict[str, Any]] = [
    {"name": "python", "cmdline": "python app/main.py", "lived": 60, "exit_code": 0, "user_name": "ada", "uid": 7},
    {"name": "python", "cmdline": "python -m monitor agent", "lived": 5, "exit_code": 3, "user_name": "ada", "uid": 7},
    {
        "name": "sleep",
        "cmdline": "sleep 300",
        "lived": 0.5,
        "exit_signal": 9,
        "user_name": "root",
        "uid": 0,
        "cgroup": CONTAINER,
    },
    {"name": "Weird", "cmdline": None, "lived": 7, "end_source": UNSEEN, "user_name": "root", "uid": 0},
    {"name": "alive", "cmdline": "alive", "lived": None, "user_name": "root", "uid": 0},
]
"""In the order of their ends, the oldest first; the last one still runs."""


@pytest.fixture
def history(store: Store) -> Store:
    """A store with these runs; one of them has samples, too."""
    us = pa.timestamp("us")
    starts = [BEGIN_US + number * 100 * S for number in range(len(RUNS))]
    ends = [
        None if run["lived"] is None else start + int(run["lived"] * S) for run, start in zip(RUNS, starts, strict=True)
    ]
    table = {
        "run": pa.array(range(1, len(RUNS) + 1), pa.int64()),
        "host": ["h"] * len(RUNS),
        "boot_id": ["b"] * len(RUNS),
        "pid": pa.array(range(100, 100 + len(RUNS)), pa.int32()),
        "start_ts": pa.array(starts).view(us),
        "end_ts": pa.array(ends, pa.int64()).view(us),
        "uid": pa.array([run["uid"] for run in RUNS], pa.int32()),
        **{
            name: pa.array([run.get(name) for run in RUNS], pa.string())
            for name in ("name", "cmdline", "user_name", "end_source", "cgroup")
        },
        **{name: pa.array([run.get(name) for run in RUNS], pa.int32()) for name in ("exit_code", "exit_signal")},
    }
    samples = {
        "host": ["h"] * 2,
        "ts": pa.array([starts[0] + S, starts[0] + 2 * S]).view(us),
        "run": pa.array([1, 1], pa.int64()),
        "rss": pa.array([500, 400], pa.int64()),
        "cpu_user_s": [1.0, 2.0],
        "cpu_system_s": [0.5, 0.5],
    }
    store.write([Append("runs", pa.table(table)), Append("run_samples", pa.table(samples))])
    return store


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [103, 102, 101, 100]),
        ({"limit": 2}, [103, 102]),
        ({"q": "MONITOR"}, [101]),
        ({"q": "weird"}, [103]),
        ({"q": "ada"}, [101, 100]),
        ({"q": "102"}, [102]),
        ({"q": "%"}, []),
        ({"q": "83"}, [102]),
        ({"q": "docker 83a1"}, [102]),
        ({"q": "3"}, [102]),
        ({"q": "04"}, []),
        ({"failed": 1}, [102, 101]),
        ({"lived": S}, [103, 101, 100]),
        ({"uid": 0}, [103, 102]),
        ({"since": BEGIN_US + 150 * S}, [103, 102]),
        ({"until": BEGIN_US + 150 * S}, [101, 100]),
        ({"q": None, "since": None}, [103, 102, 101, 100]),
    ],
)
def test_each_filter_narrows_and_the_total_counts_all(
    history: Store, filters: dict[str, Any], expected: list[int]
) -> None:
    """Text is looked for in name and command whatever its case, and is a user or a PID only as a whole; a number begins the ID of a container."""
    found = ended_runs(history, "h", {"limit": 100} | filters)
    assert [run.pid for run in found.runs] == expected
    assert found.total == (4 if filters == {"limit": 2} else len(expected))


def test_how_each_ended_is_said_and_nothing_is_invented(history: Store) -> None:
    """Codes and signals in words; what was not seen is said to be unknown; use is that of the samples where the end told none."""
    found = {run.pid: run for run in ended_runs(history, "h", {"limit": 100}).runs}
    assert [(found[pid].outcome, found[pid].failed) for pid in (100, 101, 102, 103)] == [
        ("exit code 0", False),
        ("exit code 3", True),
        ("killed by SIGKILL (signal 9)", True),
        ("ended unseen", None),
    ]
    assert (found[100].peak_rss, found[100].cpu_seconds) == (500, 2.5)
    assert (found[101].peak_rss, found[101].cpu_seconds) == (None, None)
    assert found[101].title == "python -m monitor agent"
    assert (found[103].cmdline, found[103].started) == ("", BEGIN_US + 300 * S)


def test_another_host_has_its_own(history: Store) -> None:
    """Runs of one machine are not those of another."""
    assert ended_runs(history, "other", {"limit": 100}).total == 0


def test_what_ran_out_of_memory_says_so(history: Store) -> None:
    """In the list of ends and among the lives of a range: with whose memory it was, as the event of its end has it; others are as before."""
    told = "killed by SIGKILL (signal 9): out of memory of its control group, limit 64 MiB"
    killed = BEGIN_US + 200 * S + S // 2
    event = {
        "host": ["h"],
        "ts": pa.array([killed]).view(pa.timestamp("us")),
        "kind": ["STOP"],
        "subject": ["run"],
        "run": pa.array([3], pa.int64()),
        "message": [told],
        "details": ['{"out_of_memory": true}'],
    }
    history.write([Append("events", pa.table(event))])
    found = {run.pid: run for run in ended_runs(history, "h", {"limit": 10}).runs}
    assert (found[102].outcome, found[102].out_of_memory) == (told, True)
    assert (found[101].outcome, found[101].out_of_memory) == ("exit code 3", False)
    lived = lives(history, "h", BEGIN_US, BEGIN_US + 1000 * S, {"limit": 10})
    assert {life.pid: life.outcome for life in lived.runs} == {100: "exit code 0", 101: "exit code 3", 102: told, 103: "ended unseen", 104: None}  # fmt: skip
