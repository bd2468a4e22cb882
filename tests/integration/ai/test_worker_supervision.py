"""Workers that crash, hang, grow, idle or outlive their parent: real processes, no zombie, recovery by condition."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from ai.core.errors import BackendDown, BackendOutOfMemory, BackendTimeout, BadModelFile
from ai.worker.budget import RestartBudget, RestartPolicy
from ai.worker.messages import WorkerConfig, parse
from ai.worker.process import ROOT
from ai.worker.supervisor import Supervisor, WatchPolicy
from ai.worker.tree import tree_rss
from tests.waiting import patient, wait_until_async

CONFIG = WorkerConfig("llamacpp", "serve", "", "", 0)
MODULE = "tests.doubles.worker_double"
PLENTY = RestartPolicy(failures=1000, window_s=600, first_wait_s=0.001, longest_wait_s=0.01)


def supervised(
    work: Callable[[Supervisor], Coroutine[Any, Any, None]],
    tmp_path: Path,
    watch: WatchPolicy | None = None,
    restarts: RestartPolicy = PLENTY,
) -> Supervisor:
    """Run `work` with a supervisor of the double; afterwards nothing may be left of it."""
    watch = replace(watch or WatchPolicy(), run_dir=tmp_path)

    async def go() -> Supervisor:
        supervisor = Supervisor("double", watch, restarts, module=MODULE)
        try:
            await work(supervisor)
        finally:
            await supervisor.close()
        return supervisor

    supervisor = asyncio.run(go())
    assert not list(tmp_path.iterdir())
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
    return supervisor


def test_a_worker_is_started_once_and_found_again(tmp_path: Path) -> None:
    """The same configuration is the same worker; another one is another."""

    async def work(supervisor: Supervisor) -> None:
        first, second = await asyncio.gather(supervisor.ensure(CONFIG, 60), supervisor.ensure(CONFIG, 60))
        assert (first.pid, {first.cold, second.cold}) == (second.pid, {True, False})
        assert os.getsid(first.pid) == first.pid
        assert Path(first.socket).parent.stat().st_mode & 0o777 == 0o700
        third = await supervisor.ensure(replace(CONFIG, context=2), 60)
        assert third.pid != first.pid
        assert not psutil.pid_exists(first.pid)
        assert third.key != first.key

    assert supervised(work, tmp_path).starts == 2


def test_many_kills_and_hangs_leave_no_zombie_and_every_one_is_recovered(tmp_path: Path) -> None:
    """Killed, stopped, aborted or segfaulted in any order: the next request has a worker, and the reason is known."""
    rounds = [signal.SIGKILL, signal.SIGSTOP, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL] * 3
    random.shuffle(rounds)

    async def work(supervisor: Supervisor) -> None:
        for how in rounds:
            running = await supervisor.ensure(CONFIG, 60)
            os.kill(running.pid, how)
            error = await supervisor.why_it_ended(30)
            assert isinstance(error, BackendDown)
            assert ("hung" in error.message) == (how == signal.SIGSTOP)
            assert not psutil.pid_exists(running.pid)
            assert supervisor.running is None

    supervisor = supervised(work, tmp_path, WatchPolicy(stopped_s=0.5))
    assert (supervisor.starts, supervisor.ended) == (15, {"crashed": 12, "hung": 3})


def test_a_hang_is_found_though_the_watch_is_held_up_again_and_again(tmp_path: Path) -> None:
    """A busy machine keeps the watching program from running for a second at a time: what it did not hear then is no excuse for a stopped worker."""

    async def work(supervisor: Supervisor) -> None:
        running = await supervisor.ensure(CONFIG, 60)
        os.kill(running.pid, signal.SIGSTOP)
        for _ in range(8):
            time.sleep(1.0)  # noqa: ASYNC251 - the fault itself: nothing else runs in this program
            if await supervisor.why_it_ended(0.8) is not None:
                break
        assert supervisor.running is None

    assert supervised(work, tmp_path).ended == {"hung": 1}


def test_a_worker_that_was_not_heard_because_nobody_listened_lives(tmp_path: Path) -> None:
    """The watching program was held up for longer than a worker may be silent; the worker was well all the time."""

    async def work(supervisor: Supervisor) -> None:
        running = await supervisor.ensure(CONFIG, 60)
        time.sleep(1.5)  # noqa: ASYNC251 - the fault itself
        assert await supervisor.why_it_ended(1.0) is None
        assert supervisor.running is running

    assert supervised(work, tmp_path, WatchPolicy(silent_s=1.2, stopped_s=0.5)).ended == {"asked": 1}


def test_the_memory_of_all_it_started_counts(tmp_path: Path) -> None:
    """Children in sessions of their own too; nothing of a process that is gone."""

    async def work(supervisor: Supervisor) -> None:
        running = await supervisor.ensure(replace(CONFIG, model="family"), 60)
        family = (running.pid, *running.info["children"])

        def agree() -> bool:
            parts = [psutil.Process(pid).memory_info().rss for pid in family]
            told = tree_rss(running.pid)
            return told == pytest.approx(sum(parts), rel=0.02) and min(parts[1:]) > 0.03 * sum(parts)

        await wait_until_async(agree)  # the children may still be starting, and grow between two looks
        await supervisor.stop()
        assert tree_rss(running.pid) == 0

    supervised(work, tmp_path)


def test_its_children_are_killed_with_it(tmp_path: Path) -> None:
    """A worker's compilers and helpers do not survive it, even in sessions of their own."""

    async def work(supervisor: Supervisor) -> None:
        running = await supervisor.ensure(replace(CONFIG, model="family"), 60)
        family = running.info["children"]
        assert len(family) == 2
        await supervisor.stop()
        await wait_until_async(lambda: not any(psutil.pid_exists(pid) for pid in family))

    supervised(work, tmp_path)


def test_its_children_are_killed_when_it_crashes(tmp_path: Path) -> None:
    """A crash leaves nothing behind, not even what left the group."""

    async def work(supervisor: Supervisor) -> None:
        running = await supervisor.ensure(replace(CONFIG, model="family"), 60)
        family = running.info["children"]
        os.kill(running.pid, signal.SIGKILL)
        await wait_until_async(lambda: not any(psutil.pid_exists(pid) for pid in family))

    supervised(work, tmp_path)


def test_a_worker_that_grows_is_ended_as_out_of_memory(tmp_path: Path) -> None:
    """Resident memory over the limit: killed, and the error says so."""

    async def work(supervisor: Supervisor) -> None:
        await supervisor.ensure(replace(CONFIG, model="grow"), 60)
        assert isinstance(await supervisor.why_it_ended(60), BackendOutOfMemory)

    supervisor = supervised(work, tmp_path, WatchPolicy(memory_limit=120 * 1024**2))
    assert supervisor.ended == {"memory": 1}
    assert supervisor.peak_rss > 100 * 1024**2


def test_the_kernel_refuses_memory_beyond_the_data_limit(tmp_path: Path) -> None:
    """RLIMIT_DATA holds before the machine suffers; the failed load is out of memory."""

    async def work(supervisor: Supervisor) -> None:
        with pytest.raises(BackendOutOfMemory):
            await supervisor.ensure(replace(CONFIG, model="big load"), 60)

    supervised(work, tmp_path, WatchPolicy(data_limit=200 * 1024**2))


def test_a_load_that_hangs_ends_by_its_deadline(tmp_path: Path) -> None:
    """The caller gets a timeout, and the half-loaded worker is gone."""

    async def work(supervisor: Supervisor) -> None:
        with pytest.raises(BackendTimeout) as caught:
            await supervisor.ensure(replace(CONFIG, model="never ready"), 2)
        assert caught.value.phase == "load"
        assert supervisor.running is None

    supervised(work, tmp_path)


def test_a_cancelled_start_leaves_no_worker(tmp_path: Path) -> None:
    """Whoever asked went away while it was loading."""

    async def work(supervisor: Supervisor) -> None:
        start = asyncio.create_task(supervisor.ensure(replace(CONFIG, model="never ready"), 60))
        await wait_until_async(lambda: supervisor.starts == 1)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        assert supervisor.running is None

    supervised(work, tmp_path)


def test_what_a_worker_says_of_its_failure_reaches_the_caller(tmp_path: Path) -> None:
    """A damaged file is not an outage, costs nothing of the budget, and carries the library's own complaint."""

    async def work(supervisor: Supervisor) -> None:
        for _ in range(3):
            with pytest.raises(BadModelFile, match="tensor 7 is missing"):
                await supervisor.ensure(replace(CONFIG, model="bad file"), 60)

    supervised(work, tmp_path, restarts=RestartPolicy(failures=10, first_wait_s=100))


def test_a_worker_nobody_asks_gives_its_memory_back(tmp_path: Path) -> None:
    """Idle for long enough: ended, and started again when asked; in use it is never idle."""

    async def work(supervisor: Supervisor) -> None:
        first = await supervisor.ensure(CONFIG, 60)
        async with supervisor.lease():
            await asyncio.sleep(1.0)
            assert psutil.pid_exists(first.pid)
        await wait_until_async(lambda: not psutil.pid_exists(first.pid))
        assert supervisor.last_error is None
        assert (await supervisor.ensure(CONFIG, 60)).cold

    assert supervised(work, tmp_path, WatchPolicy(idle_s=0.4)).ended["idle"] >= 1


def test_a_storm_of_crashes_stops_at_the_budget(tmp_path: Path) -> None:
    """After the budget the caller is told to wait, at once, with the last reason."""

    async def work(supervisor: Supervisor) -> None:
        for _ in range(2):
            os.kill((await supervisor.ensure(CONFIG, 60)).pid, signal.SIGKILL)
            await supervisor.why_it_ended(30)
        with pytest.raises(BackendDown, match=r"ended too often.*SIGKILL"):
            await supervisor.ensure(CONFIG, 60)

    assert supervised(work, tmp_path, restarts=RestartPolicy(failures=10, first_wait_s=60)).starts == 2


def test_a_worker_that_was_asked_to_end_has_not_failed(tmp_path: Path) -> None:
    """Models in turn, as a benchmark loads them that fit only alone: as often as it takes."""

    async def work(supervisor: Supervisor) -> None:
        for turn in range(4):
            assert (await supervisor.ensure(replace(CONFIG, context=512 + turn), 60)).cold
        await supervisor.stop()
        assert (await supervisor.ensure(CONFIG, 60)).cold

    assert supervised(work, tmp_path, restarts=RestartPolicy(failures=2)).starts == 5


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed without a chance to clean up: the kernel takes the worker too."""
    program = f"""
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from ai.worker.messages import WorkerConfig
from ai.worker.supervisor import Supervisor, WatchPolicy
from ai.worker.tree import tree_rss
async def main():
    supervisor = Supervisor("double", WatchPolicy(run_dir=Path({str(tmp_path)!r})), module={MODULE!r})
    running = await supervisor.ensure(WorkerConfig("llamacpp", "deaf", "", "", 0), 60)
    print(running.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        worker = psutil.Process(pid)
        parent.kill()
    psutil.wait_procs([worker], timeout=patient(30))
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE  # init may take a moment to reap it


def test_the_budget_waits_longer_after_each_failure_and_forgives_success() -> None:
    """The first restart is at once; then 1, 2, 4 … up to the longest; an answer resets the row."""
    now = [0.0]
    budget = RestartBudget(RestartPolicy(failures=100, window_s=1000, first_wait_s=1, longest_wait_s=5), lambda: now[0])
    waits = []
    for _ in range(6):
        waits.append(budget.wait_s())
        budget.failed()
    assert waits == [0, 0, 1, 2, 4, 5]
    budget.served()
    assert budget.wait_s() == 0


def test_the_budget_counts_failures_in_a_window() -> None:
    """So many, forgiven or not, then no start until the first of them is old."""
    now = [0.0]
    budget = RestartBudget(RestartPolicy(failures=2, window_s=10), lambda: now[0])
    budget.failed()
    budget.served()
    now[0] = 4.0
    budget.failed()
    budget.served()
    assert budget.wait_s() == 6.0
    now[0] = 10.0
    assert budget.wait_s() == 0.0


@pytest.mark.parametrize("line", [b"", b"not json", b"[1]", b"[" * 100_000, b'{"t": "beat"'])
def test_a_message_that_is_none_is_empty(line: bytes) -> None:
    """A library that prints on the worker's pipe does no harm."""
    assert parse(line) == {}


def test_the_key_is_not_shown() -> None:
    """Neither configuration nor logs of it carry the key; the line to the worker does."""
    config = replace(CONFIG, key="sesame")
    assert "sesame" not in repr(config)
    assert WorkerConfig.of(config.line()) == config
