"""Agents that are killed while they read, and workers that are killed while they work: the counts stay exact."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.client.client import Refused
from monitor.store.duckdb import open_store
from tests.conftest import ROOT, RunningAgent
from tests.doubles.alone import ENGINES, LOGS
from tests.doubles.forked import COMMANDS
from tests.doubles.stored import stored
from tests.integration.monitor.jobs.conftest import MODULE, NOW
from tests.waiting import patient, wait_until

READER = """
import sys
from pathlib import Path
from monitor.core.this_process import without
without("pandas")
from monitor.jobs import spool
from monitor.jobs.service import job_service
from monitor.store.duckdb import open_store
from monitor.store.writer import StoreWriter
spool.BLOCK_BYTES = 8192
folder = Path(sys.argv[1])
store = open_store(folder, limit_bytes=256 << 20, now=lambda: 1_700_000_000_000_000)
writer = StoreWriter(store, data_dir=folder)
writer.start()
def commit(changes):
    writer.commit(changes)
    print("committed", flush=True)
make = dict(host="h", run_of_pid=lambda pid: None, mask=str, patterns=list, now=lambda: 1_700_000_000_000_000)
service = job_service(folder, store, commit, **make)
service.round()
writer.stop(); store.close()
print("read", flush=True)
"""
JOBS = 600


def write_events(folder: Path) -> Counter[str]:
    """Two runs in four files: every seventh event twice, neighbours swapped, some jobs open. Answers the truth."""
    folder.mkdir()
    truth: Counter[str] = Counter()
    for run in ("r1", "r2"):
        lines = []
        for i in range(JOBS):
            begin, end = 2 * i + 1, 2 * i + 2
            lines.append(json.dumps({"e": "begin", "n": begin, "job": i, "t": NOW}))
            if i % 100:
                outcome = "failed" if i % 9 == 0 else "done"
                truth[outcome] += 1
                lines.append(json.dumps({"e": outcome, "n": end, "of": begin, "job": i, "s": 0.1, "t": NOW}))
            else:
                truth["open"] += 1
        lines[1::5], lines[2::5] = lines[2::5][: len(lines[1::5])], lines[1::5][: len(lines[2::5])]
        lines = [line for i, line in enumerate(lines) for _ in range(2 if i % 7 == 0 else 1)]
        first = json.dumps({"e": "start", "n": 0, "worker": "w", "run": run})
        half = len(lines) // 2
        (folder / f"{run}-0.jsonl").write_text("\n".join([first, *lines[:half], ""]))
        (folder / f"{run}-1.jsonl").write_text("\n".join([first, *lines[half - 50 :], ""]))
    return truth


def test_an_agent_killed_while_it_reads(tmp_path: Path) -> None:
    """Killed at a commit in the middle and started again, it counts each event once: as many rows as counts, and both the truth."""
    truth = write_events(tmp_path / "jobs")
    for commits in (5, None):
        command = [sys.executable, "-c", READER, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for number, _line in enumerate(process.stdout, 1):
                if number == commits:
                    process.send_signal(signal.SIGKILL)
                    break
            else:
                assert commits is None, "it had more to read than that"
                assert process.wait(patient(30)) == 0
    store = open_store(tmp_path, limit_bytes=256 << 20, now=lambda: NOW)
    try:
        sql = "SELECT sum(done) AS done, sum(failed) AS failed, sum(interrupted) AS interrupted, sum(damaged) AS damaged FROM job_workers"
        (counts,) = stored(store, sql)
        assert counts == {"done": truth["done"], "failed": truth["failed"], "interrupted": 0, "damaged": 0}
        rows = stored(store, "SELECT count(*) AS n, count(DISTINCT (worker_run, seq)) AS different FROM jobs")
        assert rows == [{"n": truth["done"] + truth["failed"], "different": truth["done"] + truth["failed"]}]
        assert stored(store, "SELECT count(*) AS n FROM jobs_open") == [{"n": truth["open"]}]
    finally:
        store.close()


def done(agent: RunningAgent, worker: str) -> tuple[int, int]:
    """Jobs done and in flight; those of the importer are counted from the records of a log."""
    rows = [row for row in agent.api.jobs.workers().workers if row.worker == worker]
    return (rows[0].counts.done, rows[0].in_flight) if rows else (0, 0)


def listed(agent: RunningAgent, *words: str) -> int:
    """How many jobs `watchkeeper jobs` lists, below their head."""
    return len(COMMANDS.run(["jobs", *words, "--data-dir", str(agent.data_dir)], os.environ).stdout.splitlines()) - 1


def assert_counted_by_error(agent: RunningAgent, words: list[str]) -> None:
    """`jobs --failed` counts jobs by their error, as the page shows them."""
    now = time.time_ns() // 1000
    told = [{"e": "start", "n": 0, "worker": "many", "run": "m1", "t": now}]
    told += [{"e": "failed", "n": n, "job": n, "s": 0.1, "t": now, "error": f"TimeoutError: no answer after {n} s" if n < 12 else "KeyError: 'id'"} for n in range(1, 14)]  # fmt: skip
    (agent.data_dir / "jobs" / "m1.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in told), "utf-8")
    wait_until(lambda: agent.api.jobs.found({"worker": "many", "failed": True}).total == 13, seconds=20)
    unknown = COMMANDS.run(["jobs", "--worker", "imported", *words[2:]], os.environ)
    assert (unknown.returncode, "no worker imported has reported a job" in unknown.stderr, "importer" in unknown.stderr) == (2, True, True)  # fmt: skip
    words = [*words, "--worker", "many"]
    counted = COMMANDS.run(words, os.environ).stdout.splitlines()
    assert [line.split()[0] for line in counted[1:]] == ["11", "2"]
    assert "TimeoutError: no answer after … s" in counted[1]
    errors = json.loads(COMMANDS.run([*words, "--json"], os.environ).stdout)["errors"]
    assert [(one["jobs"], one["error"]) for one in errors][1] == (2, "KeyError: 'id'")
    assert len(COMMANDS.run(["jobs", "list", *words[1:]], os.environ).stdout.splitlines()) == 14


def test_a_worker_killed_beside_a_real_agent(make_agent: Callable[..., RunningAgent], tmp_path: Path) -> None:
    """Worker and agent are killed in turn: done jobs count, the open one is closed, and the reason is how the process ended."""
    log = tmp_path / "importer.log"
    agent = make_agent(
        f"{LOGS}globs = [{json.dumps(str(log))}]\n{ENGINES}[jobs]\n"
        f"patterns = ['importer begun {tmp_path}/*.log begin (?P<id>\\S+)', 'importer done {tmp_path}/*.log finished (?P<id>\\S+)']\n"
    )
    (tmp_path / "track.py").write_bytes(MODULE.read_bytes())
    program = (
        "import sys\nfrom track import track\nw = track('killed')\nfor i in range(300): w.begin(i).done()\n"
        "w.begin('open'); print('now', flush=True); sys.stdin.readline()\n"
        "for i in range(200): w.begin(i).done()\nprint('now', flush=True); sys.stdin.readline()\n"
    )
    environ = {"WATCHKEEPER_DATA_DIR": str(agent.data_dir)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environ, stdin=pipe, stdout=pipe, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "now\n"

        def found(sql: str) -> list[list[object]]:
            return agent.api.query(sql).rows

        wait_until(lambda: done(agent, "killed")[0] == 300, "the first jobs are counted", seconds=20)
        at = time.strftime("%Y-%m-%d %H:%M:%S")
        log.write_text("".join(f"{at} INFO {text}\n" for text in ("begin a", "finished a", "begin b")))
        wait_until(lambda: done(agent, "importer") == (1, 1), "records are jobs too", seconds=30)
        agent.kill()
        with log.open("a") as file:
            file.writelines(f"{at} INFO {text}\n" for text in ("finished b", "begin c"))
        worker.stdin.write("go on\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "now\n"
        agent.start()
        wait_until(lambda: done(agent, "importer") == (2, 1), "each record counts once", seconds=30)
        wait_until(lambda: done(agent, "killed")[0] == 500, "so are those of meanwhile", seconds=20)
        worker.send_signal(signal.SIGKILL)
        worker.wait(patient(10))
    wait_until(lambda: agent.api.jobs.found({"failed": True}).total, "the open job is closed", seconds=20)
    rows = found("SELECT job, outcome, error FROM jobs WHERE outcome <> 'done'")
    assert rows == [["open", "interrupted", rows[0][2]]]
    known = found(
        "SELECT exit_signal FROM runs WHERE run = (SELECT run FROM job_workers WHERE worker = 'killed') AND end_ts IS NOT NULL"
    )
    assert ("killed by SIGKILL (signal 9)" if known == [[9]] else "its exit code is unknown") in str(rows[0][2])
    assert found("SELECT count(*) FROM jobs WHERE worker = 'killed'") == [[501]]
    assert list((agent.data_dir / "jobs").iterdir()) == []
    (summary,) = [row for row in agent.api.jobs.workers().workers if row.worker == "killed"]
    assert (summary.worker, summary.living, summary.counts.done, summary.counts.interrupted) == ("killed", 0, 500, 1)
    assert summary.reason == rows[0][2]
    failed = agent.api.jobs.found({"failed": True})
    assert (failed.total, failed.jobs[0].job, failed.jobs[0].pid) == (1, "open", worker.pid)
    one = agent.api.jobs.one(failed.jobs[0].worker_run, failed.jobs[0].seq)
    assert (one.job, one.records) == (failed.jobs[0], [])
    assert agent.api.run(str(failed.jobs[0].run)).pid == worker.pid
    with pytest.raises(Refused, match="no such job"):
        agent.api.jobs.one("nobody", 1)
    words = ["jobs", "--failed", "--data-dir", str(agent.data_dir)]
    assert "interrupted" in COMMANDS.run(words, os.environ).stdout
    assert (listed(agent, "list", "--worker", "importer"), listed(agent, "list", "OPE"), listed(agent, "ope")) == (
        2,
        1,
        1,
    )
    whole = json.loads(COMMANDS.run([*words, "--json"], os.environ).stdout)
    assert (whole["total"], {row["worker"]: row["recent"]["done"] for row in whole["workers"]}) == (
        1,
        {"killed": 500, "importer": 2},
    )
    assert_counted_by_error(agent, words)
