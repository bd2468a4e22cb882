"""Events of processes: which are told, when, and of which type; what comes too fast is counted."""

import json
from array import array
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.events import ProcessEvent
from monitor.config.sections import EventSettings
from monitor.lifecycle.events import ProcessEventTracker
from monitor.live.asked import Asked
from monitor.live.event_log import EventLog
from monitor.live.hub import Hub
from monitor.live.process_events import MOST_AT_ONCE, ProcessEvents
from monitor.live.snapshot import Snapshot
from monitor.metrics import catalogue, messages

S = 1_000_000
BEGIN = 1_790_000_000 * S
UID = 1000


class Queue:
    """Stands where the store's queue is: runs each task at once, and keeps the rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def note(self, changes: Any) -> None:
        """Keep the rows."""
        self.rows += [row for change in changes for row in change.rows.to_pylist()]

    def samples(self, build: Any, *, count: int, lives: str) -> None:
        """Keep the rows, which somebody asks for."""
        assert (count, lives) == (0, "over")
        self.note(build())

    def maintenance(self, run: Any) -> None:
        """Run it now."""
        run(None)


class Bench:
    """Processes that begin and end by hand, one sample a second."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.snapshot, self.queue, self.file = Snapshot(uid=UID), Queue(), folder / "process_events.log"
        self.settings = EventSettings(**settings)
        self.events = ProcessEvents(
            snapshot=self.snapshot,
            hub=Hub(self.snapshot, lambda _columns: dict, dict),
            writer=self.queue,  # type: ignore[arg-type]
            file=EventLog(self.file),
            settings=lambda: self.settings,
            own_pids=lambda: {7},
            host=lambda: "h",
            mask=lambda text: text.replace("hunter2", "***"),
        )
        self.seq, self.alive, self.parents = 0, dict[int, str](), dict[int, int]()
        self.asked = Asked(self.snapshot, lambda: self.seq)
        self.step()

    def step(
        self,
        *born: messages.RunInfo,
        gone: tuple[int, ...] = (),
        brief: tuple[messages.RunInfo, ...] = (),
        ends: tuple[messages.RunEnd, ...] = (),
        states: dict[int, str] | None = None,
        seconds: int = 1,
    ) -> None:
        """The next sample, `seconds` later."""
        self.seq += seconds
        for info in born:
            self.alive.setdefault(info.run, "S")
            self.parents[info.run] = info.ppid
        for run in gone:
            self.alive.pop(run, None)
        self.alive |= states or {}
        values = {name: [0] * len(self.alive) for name in catalogue.RUN_COLUMNS}
        values |= {"run": list(self.alive), "status": [ord(state) for state in self.alive.values()]}
        values |= {"rss": [4096] * len(self.alive), "pid": list(self.alive)}
        values |= {"ppid": [self.parents[run] for run in self.alive]}
        columns = {name: array(code, values[name]).tobytes() for name, code in catalogue.RUN_COLUMNS.items()}
        tick = messages.Tick(
            self.seq, self.now, 0, catalogue.HostReading(), catalogue.RunColumns(**columns), list(born), list(gone),
            messages.GpuState("none", "", 0.0, [], []), messages.Quality(0, 0, 0, 0, 0, 0, {}), 0.0, list(brief), list(ends),
        )  # fmt: skip
        tick = self.asked.marked(tick)
        self.events.take(tick)
        self.snapshot.accept(tick)

    def between(self, *gone: int, ends: tuple[messages.RunEnd, ...] = (), born: Any = (), brief: Any = ()) -> None:
        """What ends before the next sample."""
        for run in gone:
            self.alive.pop(run, None)
        lives = messages.Lives(self.now, list(born), list(gone), list(brief), list(ends))
        self.events.take_early(lives)
        self.snapshot.accept_early(lives)

    @property
    def now(self) -> int:
        """The time of the newest sample."""
        return BEGIN + self.seq * S

    def run(
        self, number: int, command: str, *, uid: int = UID, parent: int = 1, began: int | None = None
    ) -> messages.RunInfo:
        """A process; its name is the first word of its command, and run and pid are the same number."""
        start = self.now if began is None else began
        return messages.RunInfo(
            number, number, 0, parent, uid, "ada", command.split(maxsplit=1)[0], command, None, None, start, False
        )

    def end(
        self,
        number: int,
        code: int | None = None,
        signal: int | None = None,
        *,
        oom: bool = False,
        group: str | None = None,
    ) -> messages.RunEnd:
        """The end of a process, now."""
        return messages.RunEnd(
            number, self.now + S, code, signal, "connector", oom, group, 512 << 20 if group else None
        )

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """Type, name and message of each event so far."""
        return [(row["kind"], row["name"], row["message"]) for row in self.queue.rows]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with the default settings."""
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"code": 0}, ("COMPLETE", "exit code 0")),
        ({"code": 3}, ("ERROR", "exit code 3")),
        ({"signal": 15}, ("ERROR", "killed by SIGTERM (signal 15)")),
        ({"signal": 9, "oom": True}, ("ERROR", "killed by SIGKILL (signal 9): out of memory")),
        (
            {"signal": 9, "oom": True, "group": "/web"},
            ("ERROR", "killed by SIGKILL (signal 9): out of memory of its control group, limit 512 MiB"),
        ),
        ({}, ("STOP", "ended, exit code unknown")),
    ],
)
def test_a_job_starts_and_ends(bench: Bench, end: dict[str, Any], expected: tuple[str, str]) -> None:
    """START has the time at which it began, once it has lived for three seconds; the type of the end says how it went, with its last readings."""
    job = bench.run(50, "train --lr 3")
    began = bench.now
    bench.step(job)
    bench.step()
    assert bench.told == []
    bench.step(seconds=2)
    assert bench.told == [("START", "train", "started")]
    bench.step(gone=(50,), ends=(bench.end(50, **end),))
    assert bench.told[1:] == [(expected[0], "train", expected[1])]
    start, stop = (json.loads(line) for line in bench.file.read_text().splitlines())
    assert start["timestamp"].endswith("Z")
    assert [start["event_type"], stop["event_type"]] == ["START", expected[0]]
    assert stop["performance"]["rss"] == 4096
    assert stop["details"] | {"command": "train --lr 3", "lived_s": 5.0} == stop["details"]
    assert (bench.queue.rows[0]["run"], bench.queue.rows[0]["ts"].timestamp()) == (50, began / S)


@pytest.mark.parametrize(
    ("whose", "end", "after", "expected"),
    [
        (50, {"signal": 15}, 1, "STOP killed by SIGTERM (signal 15), stopped by ada"),
        (50, {"code": 1}, 1, "STOP exit code 1, stopped by ada"),
        (50, {}, 1, "STOP exit code unknown, stopped by ada"),
        (50, {"signal": 11}, 1, "ERROR killed by SIGSEGV (signal 11)"),
        (50, {"signal": 9, "oom": True}, 1, "ERROR killed by SIGKILL (signal 9): out of memory"),
        (50, {"signal": 15}, 31, "ERROR killed by SIGTERM (signal 15)"),
        (51, {"signal": 9}, 1, "STOP killed by SIGKILL (signal 9), stopped by ada"),
        (51, {"code": 143}, 1, "STOP exit code 143, stopped by ada"),
        (51, {"code": 0}, 1, "COMPLETE exit code 0"),
        (51, {"code": 1}, 1, "ERROR exit code 1"),
        (52, {"signal": 15}, 1, "ERROR killed by SIGTERM (signal 15)"),
        (53, {"signal": 9}, 1, "STOP killed by SIGKILL (signal 9), stopped by ada"),
        (53, {"code": 0}, 1, "STOP exit code 0, stopped by ada"),
        (49, {"code": 1}, 1, "ERROR exit code 1"),
    ],
)
def test_an_end_that_somebody_asked_for_is_no_failure(
    bench: Bench, whose: int, end: dict[str, Any], after: int, expected: str
) -> None:
    """Unless it crashed, or that was long ago. What is below it may have gone down with it; all that is below its shim has; others have not."""
    bench.step(
        bench.run(49, "shim"),
        bench.run(50, "boss", parent=49),
        bench.run(51, "worker", parent=50),
        bench.run(52, "other"),
        bench.run(53, "left", parent=49),
    )
    bench.step(seconds=4)
    bench.asked.note(50, "stopped by ada", above=49 if whose in {49, 53} else None)
    bench.step(gone=(whose,), ends=(bench.end(whose, **end),) if end else (), seconds=after)
    kind, _, message = bench.told[-1]
    assert f"{kind} {message}" == expected


def test_what_is_over_soon_is_noise_unless_it_failed_or_is_named(tmp_path: Path) -> None:
    """Commands of a script say nothing, whatever their exit code; a crash does, a script that fails does, and a pattern makes all of it news."""
    bench = Bench(tmp_path, patterns=["nightly*"])
    brief = [
        bench.run(60, "grep x"),
        bench.run(61, "grep y"),
        bench.run(62, "broken"),
        bench.run(63, "nightly-import 7", uid=0),
        bench.run(65, "python3 etl.py"),
        bench.run(66, "python3 etl.py"),
        bench.run(67, "python3 /usr/bin/lsb_release"),
    ]
    ends = (
        *(bench.end(60, 0), bench.end(61, 1), bench.end(62, signal=11), bench.end(63, 1)),
        *(bench.end(65, 0), bench.end(66, 1), bench.end(67, 1)),
    )
    bench.step(brief=tuple(brief), ends=ends)
    bench.step(bench.run(64, "ls"))
    bench.step(gone=(64,), ends=(bench.end(64, 2),))
    assert bench.told == [
        ("ERROR", "broken", "killed by SIGSEGV (signal 11)"),
        ("START", "nightly-import", "started"),
        ("ERROR", "nightly-import", "exit code 1"),
        ("ERROR", "python3 etl.py", "exit code 1"),
    ]


def test_others_shells_helpers_and_the_watch_itself_are_left_out(bench: Bench) -> None:
    """Processes of other users, excluded programs, workers of the same program, Watchkeeper and all below it; not a job below a shell."""
    bench.step(
        bench.run(50, "bash"),
        bench.run(51, "job one", parent=50),
        bench.run(52, "browser", parent=50),
        bench.run(53, "browser --type=renderer", parent=52),
        bench.run(54, "postgres", uid=70),
        bench.run(55, "python -m monitor up", parent=50),
        bench.run(56, "python app.py", parent=55),
        bench.run(57, "sampler", parent=7),
    )
    bench.step(seconds=5)
    assert [name for _, name, _ in bench.told] == ["job one", "browser"]
    bench.step(gone=(53, 54, 56), ends=(bench.end(53, 1), bench.end(54, 1), bench.end(56, 1)))
    assert len(bench.told) == 2


def test_what_ran_before_the_watch_has_no_start_but_an_end(bench: Bench) -> None:
    """Its beginning is no news; its failure is."""
    bench.step(bench.run(50, "old-job", began=BEGIN - 3600 * S))
    bench.step(seconds=10)
    assert bench.told == []
    bench.step(gone=(50,), ends=(bench.end(50, 1),))
    assert bench.told == [("ERROR", "old-job", "exit code 1")]


def test_states_are_told_when_they_last(bench: Bench) -> None:
    """Stopped at the second look, stuck in the kernel after half a minute, and again when it goes on; a short wait for a disk is nothing."""
    bench.step(bench.run(50, "job"))
    bench.step(seconds=4)
    bench.step(states={50: "D"})
    bench.step(states={50: "S"})
    bench.step(states={50: "T"})
    bench.step(seconds=2)
    bench.step(states={50: "R"}, seconds=5)
    bench.step(states={50: "D"})
    bench.step(seconds=31)
    assert bench.told[1:] == [
        ("STATUS_CHANGE", "job", "stopped"),
        ("STATUS_CHANGE", "job", "running again after 7 s (stopped)"),
        ("STATUS_CHANGE", "job", "uninterruptible wait"),
    ]


def test_a_program_that_becomes_another_says_so(bench: Bench) -> None:
    """After its start was told; before that, it starts as what it became."""
    bench.step(bench.run(50, "bash"), bench.run(51, "loader"))
    bench.step(bench.run(50, "job", began=bench.now - S))
    bench.step(seconds=4)
    bench.step(bench.run(51, "model", began=bench.now - 5 * S))
    assert bench.told == [
        ("START", "loader", "started"),
        ("START", "job", "started"),
        ("STATUS_CHANGE", "model", "began another program; it was loader"),
    ]


def test_a_restart_of_the_sampler_tells_nothing_twice(bench: Bench) -> None:
    """All processes come again; those that are missing ended, and nobody saw how."""
    bench.step(bench.run(50, "job"), bench.run(51, "lost"))
    bench.step(seconds=4)
    host = messages.HostInfo("h", "b", 0, "k", "p", 1, 1, 100)
    bench.snapshot.greet(messages.Hello(1, 1, 1.0, "procfs", host))
    bench.alive.pop(51)
    bench.step(bench.run(50, "job", began=BEGIN + S))
    bench.step(seconds=4)
    assert bench.told[2:] == [("STOP", "lost", "ended, exit code unknown")]


def test_a_storm_is_counted(bench: Bench) -> None:
    """More than a hundred events of one sample are left out, and how many is known."""
    runs = [bench.run(100 + n, "boom") for n in range(MOST_AT_ONCE + 30)]
    bench.step(brief=tuple(runs), ends=tuple(bench.end(info.run, signal=6) for info in runs))
    assert (len(bench.told), bench.events.left_out) == (MOST_AT_ONCE, 30)


def test_a_life_that_grows_old_enough_between_two_samples_has_its_begin(bench: Bench) -> None:
    """What lives for 3 seconds and ends before the next sample is told whole, in both ways that an end comes; what is younger is not."""
    bench.step(bench.run(70, "train"), bench.run(71, "train"), bench.run(72, "ls"))
    bench.between(70, ends=(bench.end(70, 0),))
    assert bench.told == []
    bench.step()
    bench.between(71, ends=(bench.end(71, 0),))
    assert bench.told == [("START", "train", "started"), ("COMPLETE", "train", "exit code 0")]
    assert [row["ts"] for row in bench.queue.rows] == sorted(row["ts"] for row in bench.queue.rows)
    bench.step(gone=(72,), ends=(bench.end(72, 0),))
    assert bench.told[2:] == [("START", "ls", "started"), ("COMPLETE", "ls", "exit code 0")]


def test_an_end_between_two_samples_is_told_at_once(bench: Bench) -> None:
    """Once, with the program that is known only now; pages learn with the next sample who is gone. A storm has the bounds of one sample."""
    bench.step(bench.run(50, "train"))
    bench.step(seconds=4)
    bench.between(50, ends=(bench.end(50, 3),), born=[bench.run(50, "train --resume")])
    told = [("START", "train", "started"), ("ERROR", "train", "exit code 3")]
    assert ([(kind, name) for kind, name, _ in bench.told], bench.told[-1]) == ([one[:2] for one in told], told[-1])
    assert (bench.snapshot.runs, bench.snapshot.run_of_pid(50), bench.snapshot.has_just_left(50)) == ({}, None, True)
    bench.step()
    assert (bench.snapshot.gone, len(bench.told)) == ([50], 2)
    for first in (1000, 2000):
        brief = [bench.run(first + n, "crash") for n in range(80)]
        bench.between(brief=brief, ends=tuple(bench.end(info.run, signal=11) for info in brief))
    assert (len(bench.told), bench.events.left_out) == (2 + MOST_AT_ONCE, 60)


def test_what_a_program_tells_is_completed_and_masked(bench: Bench) -> None:
    """The agent adds run and readings of its process, says who told it, and hides secrets; an unknown process stays without."""
    bench.step(bench.run(50, "worker"))
    tracker = ProcessEventTracker(lambda event: seen.append(bench.events.accept(event)))
    seen: list[ProcessEvent] = []
    tracker.log_process_status("import", "login with hunter2", pid=50, details={"deep": [{"key": "hunter2"}], "n": 3})
    tracker.log_process_completion("import", error="disk full", pid=51)
    assert seen[0].details == {"message": "login with ***", "deep": [{"key": "***"}], "n": 3}
    assert (seen[0].run, seen[0].origin, seen[0].performance and seen[0].performance.rss) == ("50", "program", 4096)
    assert (seen[1].event_type, seen[1].details["message"], seen[1].run) == ("ERROR", "disk full", None)


def test_the_file_is_rotated_and_private(tmp_path: Path) -> None:
    """Beyond five megabytes a new file begins, readable by the owner only; without room nothing raises."""
    path = tmp_path / "process_events.log"
    kept = EventLog(path)
    event = ProcessEvent(timestamp=BEGIN, process_name="job", event_type="START", details={"text": "x" * 1_200_000})
    for _ in range(6):
        kept.write([event])
    assert path.read_text().count("\n") == 1
    assert path.stat().st_mode & 0o077 == 0
    broken = EventLog(tmp_path / "missing" / "x.log")
    broken.write([event, event])
    assert broken.lost == 2
