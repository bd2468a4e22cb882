"""Lives of processes: new ones, known ones, relatives, and those that ended unseen."""

import dataclasses
from collections.abc import Callable

import msgspec
import pyarrow as pa
import pytest

from logs.redaction.masker import Masker
from monitor.api.runs.detail import stored_relatives, stored_run
from monitor.api.runs.ending import run_ending
from monitor.live.recovery import Recovery
from monitor.live.snapshot import HISTORY_METRICS, Moment
from monitor.metrics import messages
from monitor.store.interface import Append, Store
from monitor.store.lives import UNSEEN, Births, ToldLife, reasons, store_told, store_untold
from monitor.store.rows import hello_changes, tick_changes
from tests.doubles.stored import stored

START = 1_700_000_000_000_000
SECOND = 1_000_000
Make = Callable[..., messages.Tick]


def born(run: int, pid: int, *, ppid: int = 1, at: int = 0, name: str = "sleep") -> messages.RunInfo:
    """A process as the sampler tells of it."""
    return messages.RunInfo(run, pid, 70, ppid, 0, "root", name, name, None, "/", START + at * SECOND, False)


def ask(store: Store, sql: str) -> list[dict[str, object]]:
    """What the store answers."""
    return stored(store, sql)


def test_new_runs_are_told_from_known_ones(make_tick: Make) -> None:
    """What began while we watched is new once; what is older, or was already written, is looked for."""
    births = Births()
    assert births.split(make_tick(1, born=[born(1, 1, at=-9)]))[0] == []
    new, known = births.split(make_tick(5, born=[born(2, 2, at=4), born(3, 3, at=-5)]))
    assert ([r.run for r in new], [r.run for r in known]) == ([2], [3])
    assert births.split(make_tick(6, born=[born(2, 2, at=4)]))[0] == []
    assert births.split(make_tick(90, born=[born(4, 4, at=89)]))[0] != []
    assert births.split(make_tick(160, born=[born(4, 4, at=89)]))[0] == []


def test_seconds_written_together_are_as_written_alone(store: Store, make_tick: Make) -> None:
    """Births, changes by exec and ends of many seconds in one transaction leave one row and two events a life."""
    births = Births()
    ticks = [
        make_tick(1, runs=[9, 8], born=[born(8, 8, at=-9), born(9, 9, at=-9)]),
        make_tick(2, runs=[9, 8, 10], born=[born(10, 10, at=2)]),
        make_tick(3, runs=[9, 10], born=[born(10, 10, at=2, name="python")], gone=[8]),
        make_tick(4, runs=[9, 11], born=[born(11, 11, at=4)], gone=[10]),
        make_tick(5, runs=[9], gone=[11]),
    ]
    store.write([change for tick in ticks for change in tick_changes("h", "b", tick, births=births)])
    assert ask(store, "SELECT run, name, (wk_us(end_ts) - 1700000000000000) // 1000000 AS e FROM runs ORDER BY 1") == [
        {"run": 8, "name": "sleep", "e": 3},
        {"run": 9, "name": "sleep", "e": None},
        {"run": 10, "name": "python", "e": 4},
        {"run": 11, "name": "sleep", "e": 5},
    ]
    events = ask(store, "SELECT kind, count(*) AS n, count(DISTINCT run) AS d FROM events GROUP BY 1 ORDER BY 1")
    assert events == [{"kind": "START", "n": 4, "d": 4}, {"kind": "STOP", "n": 3, "d": 3}]
    assert ask(store, "SELECT count(*) AS n FROM run_samples") == [{"n": 10}]


def test_readings_are_kept_to_a_sensible_place(store: Store, make_tick: Make) -> None:
    """CPU to a tenth, rates to a byte: the rest is noise that takes room."""
    store.write(tick_changes("h", "b", make_tick(1, runs=[1], cpu_pct=[33.333], read_bps=[10.7])))
    (row,) = ask(store, "SELECT round(cpu_pct::DOUBLE, 4) AS cpu, read_bps FROM run_samples")
    assert row == {"cpu": 33.3, "read_bps": 11.0}


def test_what_ended_unseen_is_closed_at_the_last_sample(store: Store, make_tick: Make) -> None:
    """After a pause: runs that are no more end with the last sample stored, and the pause is a GAP; what lives stays open."""
    store.write(tick_changes("h", "b", make_tick(1, runs=[1, 2], born=[born(1, 11, at=-9), born(2, 12, at=-9)])))
    store.write(tick_changes("h", "b", make_tick(2, runs=[1, 2])))
    later = Recovery("h", first=START + 60 * SECOND, first_mono_ns=10**12, living=[2])
    assert later.close(store, gap=True) == 1
    assert later.close(store, gap=False) == 0
    runs = ask(store, "SELECT run, wk_us(end_ts) AS e, end_source AS s FROM runs ORDER BY run")
    assert runs == [{"run": 1, "e": START + 2 * SECOND, "s": "unseen"}, {"run": 2, "e": None, "s": None}]
    (gap,) = ask(store, "SELECT wk_us(ts) AS ts, details FROM events WHERE kind = 'GAP'")
    assert gap["ts"] == START + 60 * SECOND
    assert str(START + 2 * SECOND) in str(gap["details"])
    assert ask(store, "SELECT run FROM events WHERE kind = 'STOP'") == [{"run": 1}]
    run = stored_run(store, 1)
    assert run is not None
    assert run["end_source"] == "unseen"


def test_what_ended_with_the_machine_says_so(store: Store, make_tick: Make) -> None:
    """Once another boot is known that began after it was last seen; of the same boot, nobody looked."""
    boots = [messages.HostInfo("h", boot, START, "k", "p", 2, 1 << 30, 100) for boot in ("b", "c")]
    store.write(hello_changes(boots[0], START))
    store.write(tick_changes("h", "b", make_tick(0, runs=[1], born=[born(1, 1)])))
    Recovery("h", first=START + 60 * SECOND, first_mono_ns=10**12, living=[]).close(store, gap=True)
    said = [run_ending(store, 1)]
    store.write(hello_changes(boots[1], START + 60 * SECOND))
    said.append(run_ending(store, 1))
    assert ["begun anew" in one.why for one in said if one is not None] == [False, True]
    assert all(one is not None and one.at_least for one in said)


def test_a_first_watch_has_nothing_to_close(store: Store) -> None:
    """On an empty store there is no gap, no end, nothing to recall."""
    first = Recovery("h", first=START, first_mono_ns=0, living=[1])
    told: list[list[Moment]] = []
    assert first.close(store, gap=True) == 0
    first.recall(store, told.append)
    assert told == []
    assert ask(store, "SELECT count(*) AS n FROM events") == [{"n": 0}]


def test_the_last_minutes_are_recalled_with_their_gap(store: Store, host_rows: Callable[..., Append]) -> None:
    """The charts' history goes over the restart: stored seconds, nulls over the pause, on one monotonic line."""
    store.write([host_rows({START + i * SECOND: float(i) for i in range(5)})])
    told: list[list[Moment]] = []
    Recovery("h", first=START + 60 * SECOND, first_mono_ns=10**12, living=[]).recall(store, told.append)
    (moments,) = told
    place = HISTORY_METRICS.index("cpu_pct")
    assert [m.values[place] for m in moments] == [0.0, 1.0, 2.0, 3.0, 4.0, None, None]
    assert [m.ts for m in moments] == sorted(m.ts for m in moments)
    assert moments[0].mono_ns == 10**12 - 60 * 10**9


def test_relatives_of_an_ended_run(store: Store, make_tick: Make) -> None:
    """Those above it and its children are those of its own life, not others that had the same pid later."""
    lives = [born(1, 10, at=-9), born(2, 20, ppid=10, at=-8), born(3, 30, ppid=20, at=-7)]
    store.write(tick_changes("h", "b", make_tick(1, born=lives)))
    store.write(tick_changes("h", "b", make_tick(2, gone=[1, 2, 3])))
    store.write(tick_changes("h", "b", make_tick(5, born=[born(4, 10, at=4), born(5, 40, ppid=20, at=4)])))
    above, children = stored_relatives(store, 2)
    assert [one.run for one in above] == ["1"]
    assert [child.run for child in children] == ["3"]
    assert [one.run for one in stored_relatives(store, 3)[0]] == ["2", "1"]


def test_limits_change_while_open(store: Store) -> None:
    """Other limits hold from the next upkeep on."""
    store.set_limits(limit_bytes=64 << 20, raw_days=1, log_days=2)
    assert store.info().limit_bytes == 64 << 20


def test_a_run_that_no_sample_told_of_is_stored_if_lines_name_it(store: Store) -> None:
    """What wrote lines is found; what only had a file open for a moment is a part of its parent."""
    line = {"host": ["h"], "file_id": pa.array([1]), "pos": pa.array([0]), "run": pa.array([5])}
    line |= {"ts": pa.array([START]).view(pa.timestamp("us")), "source": ["s"], "message": ["hello"]}
    line |= {
        "ingested": line["ts"],
        "level": pa.array([20], pa.int16()),
        "ts_from": ["line"],
        "lines": pa.array([1], pa.int32()),
    }
    store.write([Append("log_records", pa.table(line))])
    over = START + SECOND
    store_untold(store, "h", "b", START + 4 * SECOND, [(born(5, 50), over), (born(6, 60), over)])
    assert ask(store, "SELECT run, pid, exit_code, end_source, wk_us(end_ts) AS over FROM runs") == [
        {"run": 5, "pid": 50, "exit_code": None, "end_source": "poll", "over": over}
    ]


def test_lives_that_others_tell_of_are_rows_once(store: Store, make_tick: Make) -> None:
    """What no sample told of is an ended run with what is known; how one ended that samples only missed is added; what is known stays, whatever comes again."""
    host = messages.HostInfo("h", "b", START - 100 * SECOND, "kernel", "platform", 2, 3, 100)
    runs = {pid: messages.run_key("h", "b", pid, 70) for pid in (10, 20, 30, 60)}
    store.write(
        tick_changes(
            "h",
            "b",
            make_tick(1, born=[born(runs[20], 20, at=-9), born(runs[30], 30, at=-9), born(runs[60], 60, at=-9)]),
        )
    )
    store.write(
        tick_changes(
            "h",
            "b",
            make_tick(
                2,
                gone=[runs[20], runs[30], runs[60]],
                ends=[
                    messages.RunEnd(runs[30], START, 3, None, "pidfd"),
                    messages.RunEnd(runs[60], START, None, 9, "pidfd"),
                ],
            ),
        )
    )
    shim = [ToldLife("b", pid, 70, ("/bin/web", "--token=s3cretvalue"), "/srv", START, START + 5, None, 9, "service", 1, 0, "root", member="worker 4") for pid in runs]  # fmt: skip
    shim[-1] = dataclasses.replace(shim[-1], ended_for="web: stopped by ada", asked=True)
    worker = ToldLife("another boot", 40, 80, (), None, None, START + 9, None, None, UNSEEN)
    here = ToldLife("b", 50, 90, (), None, None, START + 9, None, None, UNSEEN)
    for _ in range(2):
        store_told(store, host, [*shim, worker, here], Masker().mask_cmdline)
        store_untold(store, "h", "b", START + 4 * SECOND, [(born(runs[10], 10), START)])
    found = ask(
        store,
        "SELECT pid, name, cmdline, member, wk_us(start_ts) AS s, exit_code, exit_signal, end_source, asked FROM runs ORDER BY pid",
    )
    assert [tuple(row.values()) for row in found] == [
        (10, "web", "/bin/web --token=***", "worker 4", START, None, 9, "service", None),
        (20, "sleep", "sleep", None, START - 9 * SECOND, None, 9, "service", None),
        (30, "sleep", "sleep", None, START - 9 * SECOND, 3, None, "pidfd", None),
        (40, "unknown", "", None, None, None, None, UNSEEN, None),
        (50, "unknown", "", None, START - 100 * SECOND + 900_000, None, None, UNSEEN, None),
        (60, "sleep", "sleep", None, START - 9 * SECOND, None, 9, "service", "stopped by ada"),
    ]
    stops = ask(store, "SELECT run, message FROM events WHERE kind = 'STOP'")
    assert {(row["run"], row["message"]) for row in stops} >= {(runs[10], "killed by SIGKILL (signal 9)"), (runs[20], "killed by SIGKILL (signal 9)")}  # fmt: skip
    assert len(stops) == 4


def test_a_traceback_read_together_with_the_record_before_is_the_last_error(store: Store, make_tick: Make) -> None:
    """A log that is read after the end of its process shows no pause before the traceback that nobody caught: the two are one record, of any level."""
    end = messages.RunEnd(5, START + 2 * SECOND, 1, None, "pidfd")
    store.write(tick_changes("h", "b", make_tick(1, born=[born(5, 50)])))
    store.write(tick_changes("h", "b", make_tick(2, gone=[5], ends=[end])))
    trace = "started\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nKeyError: 'customer 17'"
    when = pa.array([START + SECOND]).view(pa.timestamp("us"))
    line = {
        "host": ["h"],
        "file_id": pa.array([1]),
        "pos": pa.array([0]),
        "run": pa.array([5]),
        "ts": when,
        "ingested": when,
    }
    line |= {"source": ["s"], "message": [trace], "level": pa.array([20], pa.int16()), "ts_from": ["line"], "lines": pa.array([5], pa.int32())}  # fmt: skip
    store.write([Append("log_records", pa.table(line))])
    found = run_ending(store, 5)
    assert found is not None
    assert found.last_error is not None
    assert (found.cause, found.last_error.text) == ("exception", "KeyError: 'customer 17'")
    assert found.last_line is None


@pytest.mark.parametrize(("code", "at"), [(2, -1), (2, -90), (0, -1)])
def test_what_a_program_that_failed_wrote_last_is_told(store: Store, make_tick: Make, code: int, at: int) -> None:
    """Most that give up say why in a plain line, which is no error by its level. What stood there long before is no reason."""
    end = messages.RunEnd(5, START + 2 * SECOND, code, None, "pidfd")
    store.write(tick_changes("h", "b", make_tick(1, born=[born(5, 50)])))
    store.write(tick_changes("h", "b", make_tick(2, gone=[5], ends=[end])))
    when = pa.array([START + at * SECOND] * 2).view(pa.timestamp("us"))
    line = {"host": ["h"] * 2, "file_id": [1, 1], "pos": [0, 9], "run": [5, 5], "ts": when, "ingested": when}
    line |= {
        "source": ["s"] * 2,
        "message": ["usage: a.py FILE", "a.py: error: FILE is missing"],
        "ts_from": ["line"] * 2,
    }
    store.write(
        [
            Append(
                "log_records",
                pa.table(line | {"level": pa.array([0, 0], pa.int16()), "lines": pa.array([1, 1], pa.int32())}),
            )
        ]
    )
    found = run_ending(store, 5)
    assert found is not None
    last = found.last_line
    assert (None if last is None else (last.record, last.text)) == (
        ("1:9", "a.py: error: FILE is missing") if code and at == -1 else None
    )


@pytest.mark.parametrize(
    ("last", "parent_over", "parent", "cause"),
    [
        (7, 0, messages.RunEnd(7, 0, 0, None, "connector"), "terminated"),  # a script whose command was ended, and that ended then
        (1, 0, messages.RunEnd(7, 0, 0, None, "connector"), "parent_gone"),
        (1, -2, messages.RunEnd(7, 0, 0, None, "connector"), "parent_gone"),
        (0, 0, messages.RunEnd(7, 0, 0, None, "pidfd"), "terminated"),
        (0, -20_000, messages.RunEnd(7, 0, 0, None, "pidfd"), "parent_gone"),
        (7, 9_000, messages.RunEnd(7, 0, 124, None, "connector"), "timeout"),
        (1, 0, messages.RunEnd(7, 0, None, 15, "connector"), "terminated"),
    ],
)  # fmt: skip
def test_a_parent_that_ended_because_its_child_did_is_no_reason(  # noqa: PLR0917 - a table's columns
    store: Store, make_tick: Make, last: int, parent_over: int, parent: messages.RunEnd, cause: str
) -> None:
    """Only one that had ended first took its child along; `timeout` ended it while both lived."""
    over = START + 2 * SECOND
    name = "timeout" if cause == "timeout" else "sh"
    up = msgspec.structs.replace(born(70, 7), name=name, cmdline=f"{name} 3 work")
    child = msgspec.structs.replace(born(80, 8), ppid=7)
    ends = [
        messages.RunEnd(80, over, None, 15, parent.source, parent=last),
        msgspec.structs.replace(parent, run=70, ts=over + parent_over),
    ]
    store.write(tick_changes("h", "b", make_tick(1, born=[up, child])))
    store.write(tick_changes("h", "b", make_tick(2, gone=[70, 80], ends=ends)))
    found = run_ending(store, 80)
    assert found is not None
    assert found.cause == cause.replace("timeout", "terminated")
    assert ("as its time was over" in found.why) == (cause == "timeout")
    assert (found.sender is not None) == (cause != "terminated")


def test_why_a_service_was_ended_is_the_reason_of_its_process(store: Store, make_tick: Make) -> None:
    """The shim says it, once or again; its own end at that moment took nothing along."""
    run = messages.run_key("h", "b", 8, 70)
    shim = msgspec.structs.replace(born(70, 7), name="shim", cmdline="python shim/run.py")
    ends = [
        messages.RunEnd(run, START + 2 * SECOND, None, 9, "pidfd"),
        messages.RunEnd(70, START + 2 * SECOND, 0, None, "pidfd"),
    ]
    store.write(tick_changes("h", "b", make_tick(1, born=[shim, msgspec.structs.replace(born(run, 8), ppid=7)])))
    store.write(tick_changes("h", "b", make_tick(2, gone=[70, run], ends=ends)))
    told = ToldLife("b", 8, 70, ("web",), "/", START, START + 2 * SECOND, None, 9, "service", 7, 0, "root", "web: stopped by ada")  # fmt: skip
    for _ in range(2):
        store.write(reasons("h", [told, dataclasses.replace(told, pid=9, ended_for="")]))
    found = run_ending(store, run)
    assert found is not None
    assert (found.cause, found.sender, found.failed) == ("stopped", None, True)  # it was not ready, or lived no more
    assert found.why == "Watchkeeper ended it with its service web: stopped by ada (SIGKILL, signal 9)."
