"""Workers of one command that differ by their environment alone: each has its number in every list, and nothing else of an environment is kept."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.command_line import answer, wk
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes of Linux")
COUNT = 4
SECRET = "hunter-two-of-an-environment"
SCRIPT = "import sys\nprint('ready', flush=True)\nsys.exit(int(sys.stdin.readline()))\n"
BRIEF = "import sys; sys.exit(3)\n"


def variables(rank: int) -> dict[str, str]:
    """What torchrun gives a worker, beside a secret."""
    return {**os.environ, "WORLD_SIZE": str(COUNT), "LOCAL_RANK": "0", "RANK": str(rank), "DEPLOY_WORD": SECRET}


@pytest.fixture
def word() -> str:
    """The name of a script that no other test runs meanwhile: equal titles would be told apart by their folders."""
    return f"fit_{secrets.token_hex(4)}"


@pytest.fixture
def ranks(tmp_path: Path, word: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Equal processes with the ranks 0 to 3."""
    script = tmp_path / f"{word}.py"
    script.write_text(SCRIPT, "utf-8")
    started = [
        subprocess.Popen(
            [sys.executable, "-S", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables(rank),
        )
        for rank in range(COUNT)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    yield started
    for one in started:
        one.kill()
        one.wait(patient(10))
        for pipe in (one.stdin, one.stdout):
            assert pipe is not None
            pipe.close()


def test_each_rank_has_its_name_in_every_list(
    running_agent: Any, ranks: list[subprocess.Popen[str]], word: str, tmp_path: Path
) -> None:
    """Now, at a past moment, on the timeline, among those that ended, on its page; searched by `rank 2`."""
    api, pids = running_agent.api, {one.pid: rank for rank, one in enumerate(ranks)}
    names = {pid: f"{Path(sys.executable).name} {word}.py (rank {rank})" for pid, rank in pids.items()}

    def told(rows: Any) -> dict[int, str]:
        return {one.pid: one.title for one in rows if one.pid in pids}

    running = wait_until(
        lambda: found if len(told(found := api.processes().processes)) == COUNT else None, "they are sampled"
    )
    shown = told(running)
    assert {pid: title.partition(" ")[2] for pid, title in shown.items()} == {
        pid: name.partition(" ")[2] for pid, name in names.items()
    }
    runs = {one.pid: one.run for one in running if one.pid in pids}
    rows = {row["pid"]: row for row in answer("ps", word, data_dir=running_agent.data_dir)["processes"]}
    assert {(pid, rows[pid]["member"], rows[pid]["title"]) for pid in pids} == {
        (pid, f"rank {rank}", shown[pid]) for pid, rank in pids.items()
    }
    assert [row["pid"] for row in answer("ps", "rank 2", data_dir=running_agent.data_dir)["processes"]] == [
        ranks[2].pid
    ]
    assert f"{word}.py (rank 3)" in wk("ps", word, data_dir=running_agent.data_dir).stdout
    alone = {row["pid"]: row["title"] for row in answer("ps", word, data_dir=tmp_path / "none")["processes"]}
    assert {pid: alone[pid] for pid in pids} == shown  # without an agent

    now = time.time_ns() // 1000
    wait_until(lambda: told(api.processes_at(now).processes) == shown, "the moment is stored")
    for code, one in enumerate(ranks):
        assert one.stdin is not None
        one.stdin.write(f"{code}\n")
        one.stdin.flush()
        one.wait(patient(10))
    wait_until(lambda: told(api.ended_runs({"q": word}).runs) == shown, "they have ended")
    assert [one.pid for one in api.ended_runs({"q": f"{word}.py rank 2"}).runs] == [ranks[2].pid]
    lived = api.lives(now - 60_000_000, time.time_ns() // 1000, {"q": word}).runs
    assert told(lived) == shown
    wait_until(lambda: api.run_ending(runs[ranks[3].pid]).exit_code == 3, "the end is stored")
    assert told([api.run_ending(run) for run in runs.values()]) == shown
    assert told([api.run(run) for run in runs.values()]) == shown
    assert told(api.ended_runs({"q": word}).runs) == shown  # from the store
    parent = api.run(runs[ranks[0].pid]).parent
    assert parent is None or parent.member is None


def test_a_rank_that_lived_for_a_moment_has_its_name_too(running_agent: Any, word: str, tmp_path: Path) -> None:
    """A program that ends at once is read when it begins."""
    if running_agent.api.status().sampler.exits != "connector":
        pytest.skip("nobody tells of short lives here")
    script = tmp_path / f"{word}.py"
    script.write_text(BRIEF, "utf-8")
    began = time.time_ns() // 1000
    for rank in range(COUNT):
        subprocess.run([sys.executable, "-S", str(script)], env=variables(rank), check=False)

    def found() -> set[str]:
        seen = running_agent.api.ended_runs({"q": word, "since": str(began)}).runs
        return {one.title.partition(" ")[2] for one in seen}

    wait_until(lambda: found() == {f"{word}.py (rank {rank})" for rank in range(COUNT)}, "all are known")


def test_nothing_else_of_an_environment_is_kept(
    running_agent: Any, ranks: list[subprocess.Popen[str]], word: str
) -> None:
    """The secret that stands beside the rank is in no answer and in no file of the agent."""
    api = running_agent.api
    wait_until(
        lambda: sum(one.member is not None for one in api.processes().processes if word in one.cmdline) == COUNT,
        "they are sampled",
    )
    run = next(one.run for one in api.processes().processes if one.pid == ranks[0].pid)
    wait_until(lambda: api.query(f"SELECT member FROM runs WHERE run = {run}").rows == [["rank 0"]], "it is stored")
    assert SECRET not in str(api.get_json("/v1/processes"))
    assert SECRET not in str(api.get_json(f"/v1/runs/{run}"))
    assert not [
        path for path in running_agent.data_dir.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
