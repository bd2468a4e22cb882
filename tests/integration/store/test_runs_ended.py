"""Runs that have ended: found by text, outcome, length and time, the newest first."""

import itertools
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.api.runs.detail import ended_runs, lives
from monitor.api_models.processes import EndedRuns
from monitor.live.unstored import UnstoredEnds, ended_in
from monitor.metrics.messages import Lives, RunEnd, RunInfo
from monitor.store.interface import Append, Store, Upsert
from monitor.store.lives import UNSEEN, life_changes
from monitor.store.record_lanes import Samples

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
    if not {"limit", "lived"} & filters.keys():
        longer = ended_runs(history, "h", {"limit": 100, "lived": S} | filters)
        assert (len(longer.runs), longer.shorter) == (len(set(expected) - {102}), 102 in expected)


def test_how_each_ended_is_said_and_nothing_is_invented(history: Store) -> None:
    """Codes and signals in words; what was not seen is said to be unknown; use is that of the samples where the end told none."""
    found = {run.pid: run for run in ended_runs(history, "h", {"limit": 100}).runs}
    assert [(found[pid].outcome, found[pid].failed) for pid in (100, 101, 102, 103)] == [
        ("exit code 0", False),
        ("exit code 3", True),
        ("killed by SIGKILL (signal 9)", True),
        ("ended unseen", None),
    ]
    history.write([Upsert("runs", pa.table({"run": [3], "host": ["h"], "asked": ["stopped by ada"]}), ("run",))])
    (stopped,) = ended_runs(history, "h", {"limit": 100, "q": "102"}).runs
    assert (stopped.outcome, stopped.failed) == ("killed by SIGKILL (signal 9), stopped by ada", False)
    assert [run.pid for run in ended_runs(history, "h", {"limit": 100, "failed": 1}).runs] == [101]
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


class Watch:
    """A watch of a machine of its own, whose runs may wait for the store, beside a machine of which all is stored at once."""

    numbers = itertools.count(1)

    def __init__(self, store: Store) -> None:
        number = next(self.numbers)
        self.store, self.first = store, number << 32
        self.own, self.other = f"waits {number}", f"stored {number}"
        self.unstored = UnstoredEnds(recent=4)
        self.unstored.others_until(BEGIN_US)
        self.living: dict[int, RunInfo] = {}
        self.waiting: list[tuple[Samples, Lives]] = []
        self.count = 0

    def tell(self, born: int, gone: int, brief: int) -> None:
        """So many begin, end, and were over before they were seen."""
        begun = [self._info() for _ in range(born)]
        over = list(self.living.values())[:gone]
        seen = [self._info() for _ in range(brief)]
        told = Lives(BEGIN_US, begun, [info.run for info in over], seen, [_end(info) for info in (*over, *seen)])
        item = Samples(list, 0, 0.0, "over")
        self.unstored.add(ended_in(told, self.living), item)
        self.living |= {info.run: info for info in begun}
        for info in over:
            del self.living[info.run]
        self.waiting.append((item, told))
        self.store.write(life_changes(self.other, "b", _moved(told)))

    def commit(self) -> None:
        """All that waits is stored."""
        self.store.write([change for _, told in self.waiting for change in life_changes(self.own, "b", told)])
        for item, _ in self.waiting:
            item.fate = "stored"
        self.waiting = []

    def ask(self, filters: dict[str, Any], *, between: bool) -> tuple[EndedRuns, EndedRuns]:
        """The answers about both machines, without what tells them apart; `between` the two questions of the first one all is stored."""
        every = self.unstored.since(filters["since"]) if "since" in filters else None
        coming = self.unstored.ended() if every is None else every
        if between:
            self.commit()
        waits = ended_runs(self.store, self.own, filters, coming, every=every is not None)
        stored = ended_runs(self.store, self.other, filters)
        runs = [run.model_copy(update={"run": str(int(run.run) - SHIFT)}) for run in stored.runs]
        return waits, stored.model_copy(update={"runs": runs})

    def _info(self) -> RunInfo:
        self.count += 1
        n = self.count
        name = ("python", "Sleep", "job \udcff", "İSTANBUL ẞ")[n % 4]
        return RunInfo(self.first + n, 100 + n, n, 1, n % 2, "ada", name, f"{name} {n}", None, CONTAINER if n % 3 == 0 else None, BEGIN_US + n * S, False)  # fmt: skip


SHIFT = 1 << 20
FILTERS = [{}, {"q": "JOB"}, {"q": "istanbul ß"}, {"q": "\ufffd"}, {"q": "ada"}, {"q": "103"}, {"q": "docker 83"}, {"failed": 1}, {"lived": 3 * S}, {"uid": 1}, {"since": BEGIN_US + 6 * S}, {"until": BEGIN_US + 9 * S}]  # fmt: skip
TELL = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3))
ASK = st.tuples(st.sampled_from(FILTERS), st.integers(1, 4) | st.just(100), st.booleans())


def _end(info: RunInfo) -> RunEnd:
    """How a run ends follows from its number."""
    n = info.pid
    signal = 9 if n % 5 == 0 else None
    return RunEnd(info.run, info.start_ts + n % 7 * S, None if signal else n % 3, signal, "connector", n % 10 == 0, "", None, 1.0, 2, 3, 4, asked="stopped by ada" if n % 4 == 1 else None)  # fmt: skip


def _moved(told: Lives) -> Lives:
    """The same lives, of runs of the other machine."""

    def other(info: RunInfo) -> RunInfo:
        return msgspec.structs.replace(info, run=info.run + SHIFT)

    ends = [msgspec.structs.replace(end, run=end.run + SHIFT) for end in told.ends]
    return Lives(told.ts, [other(info) for info in told.born], [run + SHIFT for run in told.gone], [other(info) for info in told.brief], ends)  # fmt: skip


@given(steps=st.lists(TELL | ASK | st.none(), max_size=12))
def test_ends_on_their_way_are_as_if_they_were_stored(shared_store: Store, steps: list[Any]) -> None:
    """Whatever ended, was stored and is asked for in whatever order: no run comes twice, none lacks, and counts, pages and words are those of a store that has all."""
    watch = Watch(shared_store)
    for step in (*steps, (FILTERS[0], 100, False)):
        match step:
            case None:
                watch.commit()
            case (dict() as filters, limit, between):
                waits, stored = watch.ask(filters | {"limit": limit}, between=between)
                assert waits == stored
            case (born, gone, brief):
                watch.tell(born, gone, brief)


def test_a_bounded_number_waits_and_what_is_lost_is_counted() -> None:
    """Beyond the bound the oldest leave, and whoever asks is told to wait for the store; what the store never took is counted."""
    unstored = UnstoredEnds(most=3)
    items = [Samples(list, 0, 0.0, "over") for _ in range(3)]
    infos = [RunInfo(n, n, n, 1, 0, "ada", "job", "job", None, None, BEGIN_US, False) for n in range(1, 7)]
    for number, item in enumerate(items):
        unstored.add([(info, _end(info)) for info in infos[2 * number : 2 * number + 2]], item)
    assert ([info.run for info, _ in unstored.ended()], unstored.whole) == ([5, 6], False)
    items[0].fate = items[1].fate = "stored"
    assert (unstored.whole, unstored.lost) == (True, 0)
    items[2].fate = "lost"
    assert (unstored.ended(), unstored.lost) == ([], 2)


def test_the_newest_ends_are_known_without_the_store() -> None:
    """Who asks for ends since a time that is covered gets each of them, waiting or stored; what has left, was lost, or others told the store covers no more."""
    unstored = UnstoredEnds(most=100, recent=3)
    told = [(info, RunEnd(info.run, BEGIN_US + n * S, 0, None, "connector")) for n in range(6) for info in [RunInfo(n, n, n, 1, 0, "ada", "job", "job", None, None, BEGIN_US, False)]]  # fmt: skip
    items = [Samples(list, 0, 0.0, "over") for _ in told]

    def since(n: int) -> list[int] | None:
        found = unstored.since(BEGIN_US + n * S)
        return None if found is None else sorted(info.run for info, _ in found)

    assert since(100) is None, "not before somebody says from when on all are told"
    unstored.others_until(BEGIN_US - 1)
    for item, one in zip(items[:4], told, strict=False):
        unstored.add([one], item)
        item.fate = "stored"
    unstored.add([told[4]], items[4])
    assert (since(0), since(1), since(4), since(9)) == (None, [1, 2, 3, 4], [4], [])
    unstored.others_until(BEGIN_US + 2 * S)
    assert (since(2), since(3)) == (None, [3, 4])
    items[4].fate = "lost"
    unstored.add([told[5]], items[5])
    assert (since(4), since(5)) == (None, [5])
