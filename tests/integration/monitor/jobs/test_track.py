"""Workers with the module, as real processes: what they report is counted once, whatever happens to them."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.jobs import track
from monitor.jobs.view import JobView
from monitor.metrics.messages import run_key
from monitor.store.interface import Append, Upsert
from tests.integration.monitor.jobs.conftest import NOW, Scene
from tests.waiting import patient, wait_until

Start = Callable[[str], "subprocess.Popen[str]"]
HEAD = "import os, sys, logging\nfrom track import track\nimport track as module\n"


def finish(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """What it wrote, once it has ended."""
    return process.communicate(timeout=patient(30))


def test_done_failed_and_logged(scene: Scene, worker: Start) -> None:
    """Each job is a row with its outcome, its error masked; a warning is kept with its job; the read file goes away."""
    process = worker(
        HEAD + "with track('scraper') as w:\n"
        "    logging.getLogger().addHandler(w.log_handler())\n"
        "    with w.job('one'): pass\n"
        "    try:\n"
        "        with w.job('two'):\n"
        "            logging.getLogger('net').warning('slow answer\\npassword=hunter22')\n"
        "            raise ValueError('api_key=abcdefgh12345678')\n"
        "    except ValueError: print('raised')\n"
        "    logging.warning('outside of any job')\n"
        "    w.begin(3).done()\n"
    )
    assert finish(process) == ("raised\n", "")
    scene.service.round()
    jobs = scene.rows("SELECT job, outcome, error, seconds, worker FROM jobs ORDER BY seq")
    assert [(row["job"], row["outcome"]) for row in jobs] == [("one", "done"), ("two", "failed"), ("3", "done")]
    assert jobs[1]["error"] == "ValueError: api_key=***"
    assert all(row["seconds"] >= 0 and row["worker"] == "scraper" for row in jobs)
    (record,) = scene.rows(
        "SELECT r.message, r.level, r.logger, j.job FROM job_records r JOIN jobs j USING (worker_run, seq)"
    )
    assert record == {"message": "slow answer\npassword=***", "level": "warning", "logger": "net", "job": "two"}
    (run,) = scene.rows("SELECT reason, ended IS NOT NULL AS over, pid FROM job_workers")
    assert run == {"reason": "the worker stopped", "over": True, "pid": process.pid}
    assert scene.files() == []
    assert scene.rows("SELECT * FROM job_files") == []


def test_killed_in_the_middle_of_a_job(scene: Scene, worker: Start) -> None:
    """After SIGKILL all that was reported counts, and the open jobs are closed with what ended the process, once that is known."""
    process = worker(
        HEAD
        + "w = track('w')\nfor i in range(500): w.begin(i).done()\nw.begin('open'); print('now', flush=True); sys.stdin.read()"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    scene.service.round()
    assert scene.counts() | {"repeated": 0} == {
        "done": 500,
        "failed": 0,
        "interrupted": 0,
        "untold": 0,
        "repeated": 0,
        "damaged": 0,
        "rows": 500,
        "open": 1,
    }
    (run,) = scene.rows("SELECT run, pid, start_tick, boot_id FROM job_workers")
    assert run["run"] == run_key(scene.host, run["boot_id"], run["pid"], run["start_tick"])
    process.send_signal(signal.SIGKILL)
    finish(process)
    scene.service.round()
    assert scene.counts()["open"] == 1, "how it ended is not known yet"
    when = pa.array([NOW], pa.timestamp("us"))
    known = {"run": [run["run"]], "host": [scene.host], "boot_id": [run["boot_id"]]}
    scene.writer.commit([Append("runs", pa.table(known))])
    scene.clock = 20.0
    scene.service.round()
    assert scene.counts()["open"] == 1, "its end is still to come, as the store knows it"
    ended = pa.table(
        known
        | {
            "exit_signal": pa.array([9], pa.int32()),
            "end_ts": when,
        }
    )
    stop = pa.table(
        {
            "host": [scene.host],
            "ts": when,
            "kind": ["STOP"],
            "subject": ["run"],
            "run": [run["run"]],
            "message": ["killed by SIGKILL (signal 9)"],
        }
    )
    scene.writer.commit([Upsert("runs", ended, ("run",)), Append("events", stop)])
    scene.service.round()
    (job,) = scene.rows("SELECT job, outcome, error FROM jobs WHERE outcome <> 'done'")
    assert job == {"job": "open", "outcome": "interrupted", "error": "the worker ended: killed by SIGKILL (signal 9)"}
    assert (scene.counts()["open"], scene.files()) == (0, [])


def test_an_end_that_nobody_saw(scene: Scene, worker: Start) -> None:
    """A worker that ran and ended while the agent was away is counted; after some seconds its open jobs are closed without a cause."""
    finish(worker(HEAD + "w = track('w')\nw.begin('a').failed('no'); w.begin('b'); os._exit(3)"))
    scene.service.round()
    assert scene.counts()["open"] == 1
    scene.clock = 60.0
    scene.service.round()
    rows = scene.rows("SELECT job, outcome, error, seconds FROM jobs ORDER BY seq")
    unknown = {"error": "the worker ended; its exit code is unknown", "seconds": None}
    assert rows[1] == {"job": "b", "outcome": "interrupted", **unknown}
    assert scene.counts()["failed"] == 1


def test_a_worker_whose_file_is_deleted(scene: Scene, worker: Start) -> None:
    """It goes on in another one with all that it had told: each job counts once, whether it had been read or not, and none is closed meanwhile."""
    program = "w = track('w')\nw.begin('read').done(); open_ = w.begin('open'); print('one', flush=True); sys.stdin.readline()\nw.begin('unread').done(); print('two', flush=True); sys.stdin.readline()\nmodule.time.time_ns = lambda: 2_000_000_000 * 10**9\nopen_.done(); print('three', flush=True); sys.stdin.readline()"
    process = worker(HEAD + program)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "one\n"
    scene.service.round()
    (file,) = scene.spool.glob("*.jsonl")
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "two\n"
    file.unlink()
    for scene.clock in (0.0, 60.0):
        scene.service.round()
    assert (scene.counts()["done"], scene.counts()["interrupted"]) == (1, 0)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "three\n"
    scene.service.round()
    assert (scene.counts()["done"], scene.counts()["open"]) == (3, 0)
    finish(process)
    for scene.clock in (120.0, 180.0):
        scene.service.round()
    counts = scene.counts()
    assert (counts["done"], counts["interrupted"], counts["rows"], scene.files()) == (3, 0, 3, [])


def test_the_life_of_a_worker_that_nobody_saw(scene: Scene, worker: Start) -> None:
    """It is told of, as the worker describes itself, once; not while the process goes on, and not one of a container, whose pid is none here."""
    process = worker(
        HEAD + "track('w').begin('a'); os._exit(3)", SHARD_INDEX="3", API_TOKEN_TASK="hunter2", BATCH_SIZE="16"
    )
    finish(process)
    said = next(path.read_text() for path in scene.spool.iterdir())
    assert "hunter2" not in said
    goes_on = worker(
        HEAD + "w = track('w'); w.begin('a').done(); w.stop(); print('stopped', flush=True); sys.stdin.read()"
    )
    assert goes_on.stdout is not None
    assert goes_on.stdout.readline() == "stopped\n"
    other = {
        "e": "start",
        "n": 0,
        "worker": "boxed",
        "run": "r",
        "pid": 7,
        "tick": 9,
        "boot": "b",
        "locked": True,
        "pidns": 1,
        "t": NOW,
    }
    (scene.spool / "other.jsonl").write_text(json.dumps(other) + "\n")
    for scene.clock in (0.0, 60.0, 120.0):
        scene.service.round()
    (life,) = scene.told
    assert (life.pid, life.cwd, life.source) == (process.pid, str(scene.folder), "unseen")
    assert "track('w').begin('a')" in life.words[-1]
    assert (life.started, life.exit_code, life.exit_signal, life.member) == (None, None, None, "shard 3")


def test_a_fork_is_a_worker_of_its_own(scene: Scene, worker: Start) -> None:
    """Parent and child count their own jobs; a job of before the fork is the parent's alone."""
    finish(
        worker(
            HEAD + "w = track('w')\nwith w.job('parent'):\n    pid = os.fork()\n    if pid == 0:\n"
            "        for i in range(3): w.begin(i).done()\n    else: os.waitpid(pid, 0)\n"
        )
    )
    scene.service.round()
    found = scene.rows("SELECT done, failed, interrupted FROM job_workers ORDER BY done")
    assert found == [{"done": 1, "failed": 0, "interrupted": 0}, {"done": 3, "failed": 0, "interrupted": 0}]


def test_threads_share_a_worker(scene: Scene, worker: Start) -> None:
    """Eight threads lose nothing and mix nothing up."""
    program = (
        "import threading\nw = track('w')\ndef go(k):\n    for i in range(250):\n        with w.job(f'{k}-{i}'): pass\n"
    )
    program += "t = [threading.Thread(target=go, args=(k,)) for k in range(8)]\n[x.start() for x in t]; [x.join() for x in t]\n"
    assert finish(worker(HEAD + program)) == ("", "")
    scene.service.round()
    assert scene.counts()["done"] == 2000
    assert scene.rows("SELECT count(DISTINCT job) AS jobs FROM jobs") == [{"jobs": 2000}]


def test_bounded_while_nobody_reads(scene: Scene, worker: Start) -> None:
    """At its limit a worker only counts; once the agent reads, it goes on in new files, and no job is missing from the counters."""
    process = worker(
        HEAD + "module.SEGMENT_BYTES, module.MOST_BYTES, module.AGAIN_S = 2000, 10_000, 0.0\nw = track('w')\n"
        "early = [w.begin('early') for _ in range(3)]\nfor i in range(600): w.begin(i).done()\n"
        "print(sum(e.stat().st_size for e in os.scandir(os.environ['WATCHKEEPER_JOBS'])), flush=True); sys.stdin.readline()\n"
        "for job in early: job.failed('late')\nfor i in range(20): w.begin(i).done()\nprint(w.errors)\n"
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) < 20_000
    scene.service.round()
    told = scene.counts()
    assert told["open"] == 3
    assert 0 < told["done"] < 600
    assert len(scene.files()) == 1, "what was read and left is deleted while the worker runs"
    out, err = process.communicate("go on\n", timeout=patient(30))
    assert (out, err) == ("0\n", "")
    scene.service.round()
    counts = scene.counts()
    assert (counts["done"], counts["failed"], counts["open"]) == (620, 3, 0)
    assert 0 < counts["untold"] == 623 - counts["rows"]
    assert scene.files() == []


def test_a_full_disk_raises_nothing_and_loses_no_count(scene: Scene, worker: Start) -> None:
    """Writes that fail or are cut are counted, and told when there is room again; the line that was cut is no event."""
    out, err = finish(
        worker(
            HEAD + "import resource\nmodule.AGAIN_S = 0.0\nw = track('w')\n"
            "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\nresource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))\n"
            "for i in range(200):\n    job = w.begin(i)\n    job.failed('x') if i % 4 == 0 else job.done()\n"
            "print(w.errors > 0); sys.stdout.flush()\nresource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
            "for i in range(10): w.begin(i).done()\n"
        )
    )
    assert (out, err) == ("True\n", "")
    scene.service.round()
    counts = scene.counts()
    assert (counts["done"], counts["failed"], counts["interrupted"] + counts["open"]) == (160, 50, 0)
    assert counts["untold"] == 210 - counts["rows"]
    assert counts["damaged"] <= 1


@pytest.mark.parametrize("place", ["/proc/nothing/jobs", "a file/jobs"])
def test_a_spool_that_cannot_be_used(scene: Scene, worker: Start, place: str) -> None:
    """The worker works as if nothing was there."""
    (scene.folder / "a file").write_text("")
    program = (
        f"w = track('w', spool={str(scene.folder / place)!r})\nwith w:\n    with w.job(object()): print('worked')\n"
    )
    out, err = finish(
        worker(
            HEAD
            + program
            + "class Odd:\n    def __str__(self): raise RuntimeError\nw.begin(Odd()).failed(Odd())\nprint(w.errors > 0)"
        )
    )
    assert (out, err) == ("worked\nTrue\n", "")


def test_a_worker_that_lives_is_not_closed(scene: Scene, worker: Start) -> None:
    """However long a job takes: the lock of its file says that the worker lives."""
    process = worker(HEAD + "w = track('w')\nw.begin('long'); print('now', flush=True); sys.stdin.readline()")
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(3):
        scene.clock += 100.0
        scene.service.round()
    assert scene.counts()["open"] == 1
    process.communicate("end\n", timeout=patient(30))
    scene.service.round()
    scene.clock += 100.0
    scene.service.round()
    assert scene.rows("SELECT error FROM jobs") == [{"error": "the worker stopped"}]


def test_the_agent_is_away_and_comes_back(scene: Scene, worker: Start) -> None:
    """A new service goes on where the last commit ended, with the jobs that were open then."""
    process = worker(
        HEAD
        + "w = track('w')\nj = w.begin('a'); w.begin('b').done(); print('now', flush=True); sys.stdin.readline(); j.done()"
    )
    assert process.stdout is not None
    process.stdout.readline()
    scene.service.round()
    process.communicate("end\n", timeout=patient(30))
    scene.another().round()
    counts = scene.counts()
    assert (counts["done"], counts["rows"], counts["open"], counts["repeated"]) == (2, 2, 0, 0)


def test_the_module_is_as_old_as_it_says() -> None:
    """It compiles as Python 3.8, and imports nothing but the standard library."""
    import ast
    import sys

    tree = ast.parse(Path(track.__file__).read_text("utf-8"), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_lines_of_other_programs(scene: Scene) -> None:
    """Lines without run and number stand for themselves; an end belongs to the oldest open job of its name; repeats of numbered ones do not count."""
    scene.spool.mkdir()
    shell = '{"e":"begin","worker":"backup","job":"monday"}\n{"e":"done","worker":"backup","job":"monday"}\n{"e":"failed","worker":"mail","job":7,"error":"no"}\n'
    (scene.spool / "shell.jsonl").write_text(shell)
    numbered = '{"e":"start","n":0,"worker":"node","run":"r1"}\n{"e":"begin","n":1,"job":"x"}\nnonsense\n{"e":"done","n":2,"of":1}\n{"e":"done","n":2,"of":1}\n{"e":"done","n":3,"jo'
    (scene.spool / "node.jsonl").write_text(numbered)
    scene.service.round()
    found = {
        row["worker"]: (row["done"], row["failed"], row["repeated"], row["damaged"])
        for row in scene.rows("SELECT * FROM job_workers")
    }
    assert found == {"backup": (1, 0, 0, 0), "mail": (0, 1, 0, 0), "node": (1, 0, 1, 1)}
    with (scene.spool / "node.jsonl").open("a") as file:
        file.write('b":"y"}\n')
    scene.another().round()
    assert scene.rows("SELECT done FROM job_workers WHERE worker = 'node'") == [{"done": 2}]
    (scene.spool / "shell.jsonl").write_text('{"e":"done","worker":"backup","job":"tuesday"}\n')
    scene.another().round()
    assert scene.rows("SELECT sum(done) AS done FROM job_workers WHERE worker = 'backup'") == [{"done": 2}], (
        "emptied and begun anew"
    )


def test_whatever_a_line_says_can_be_stored(scene: Scene) -> None:
    """The greatest numbers, times of any year, and any text: none holds up the lines behind it."""
    scene.spool.mkdir()
    most = 2**62 - 1
    events = [
        {
            "e": "start",
            "n": 0,
            "worker": "\0'\u202e" + "x" * 900,
            "run": "odd",
            "pid": 2**31 - 1,
            "tick": most,
            "boot": "\U0001f600" * 300,
        },
        {"e": "begin", "n": most, "job": "a\0b", "t": 253402300799000000},
        {"e": "failed", "n": 5, "of": most, "error": "\0" + "y" * 9000, "s": 1e-300, "t": 0.001},
        {"e": "done", "n": 6, "job": 1e308, "s": 1e300, "t": -1},
        {"e": "missed", "n": 7, "done": 10**12, "failed": 10**12},
        {"e": "log", "n": 8, "of": most, "level": "z" * 99, "text": "\u2028"},
    ]
    (scene.spool / "odd.jsonl").write_text("\n".join(json.dumps(event) for event in events) + "\n")
    (scene.spool / "even.jsonl").write_text('{"e":"done","worker":"even"}\n')
    scene.service.round()
    found = {
        row["run"]: (row["done"], row["failed"])
        for row in scene.rows("SELECT worker_run AS run, done, failed FROM job_workers")
    }
    assert found["odd"] == (10**12 + 1, 10**12 + 1)
    assert len(found) == 2
    view = JobView(scene.store, lambda: scene.host, lambda: (3.0, 10.0))
    assert len(view.workers(NOW, 0)) == 2
    assert len(view.over(limit=9).jobs) == 3


def test_the_service_runs_by_itself(scene: Scene, worker: Start) -> None:
    """As a thread it finds a new worker, and stops when told."""
    scene.service.start()
    finish(worker(HEAD + "with track('w') as w:\n    with w.job('a'): pass\n"))
    wait_until(lambda: scene.counts()["done"] == 1, "the job is counted")
    assert scene.service.stop(patient(10))
