"""Programs that live for a moment: their lines know the run, and the run is stored."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import patient, slowness, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes of Linux")
PROGRAMS, BATCH, LINES = 30, 10, 6
WORDS = [first + second for first in ("coal", "corn", "milk", "salt", "tin") for second in ("barn", "cart", "dock", "gate", "hall", "lane", "mill", "road", "shop", "yard")]  # fmt: skip
"""What the files are called: names that end in numbers would be taken for generations of one."""
SHORT = """
import sys, time
with open(sys.argv[1], "a", buffering=1) as file:
    for n in range(6):
        file.write(time.strftime("%Y-%m-%d %H:%M:%S") + f" INFO short: n={n}\\n")
        time.sleep(float(sys.argv[2]) / 6)
"""
"""A fifth of a second of a calm machine, with a file of its own; its lines do not say who wrote them."""
FORKS = """
import os, sys, time
read, write = os.pipe()
for number in range(5):
    if not os.fork():
        os.read(read, 1)
        with open(sys.argv[1], "a", buffering=1) as file:
            for n in range(4):
                file.write(time.strftime("%Y-%m-%d %H:%M:%S") + f" [{os.getpid()}] INFO fork: n={n} of={os.getpid()}\\n")
                time.sleep(float(sys.argv[2]) / 4)
        os._exit(0)
os.write(write, b"....." )
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""


@pytest.fixture
def agent(make_agent: Callable[..., Any], tmp_path: Path) -> Any:
    """An agent that reads the files of this test alone."""
    return make_agent(
        f"[logs]\ndiscover = false\njournal = false\nglobs = ['{tmp_path}/lines/*.log']\n[engines]\nollama_url = ''\n"
    )


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """The folder of their files."""
    folder = tmp_path / "lines"
    folder.mkdir()
    return folder


def stored(agent: Any, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the store."""
    return [tuple(row) for row in agent.api.query(sql, limit=5_000).rows]


@contextlib.contextmanager
def ended(processes: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Wait for their ends; none is left."""
    try:
        yield
        for process in processes:
            process.wait(patient(20))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_programs_that_are_over_before_their_file_is_found(agent: Any, lines: Path) -> None:
    """Of thirty programs that live for a fifth of a second, each with a file of its own, nearly all lines know the run, and the run is found.

    On a calm machine all do. Beside others a look every 50 ms may come late: two thirds are far more than looks once a second would find.
    """
    processes = []
    for number in range(PROGRAMS):
        command = [sys.executable, "-S", "-E", "-c", SHORT, str(lines / f"{WORDS[number]}.log"), str(0.2 * slowness())]
        processes.append(subprocess.Popen(command))
        if number % BATCH == BATCH - 1:
            with ended(processes[-BATCH:]):
                pass
    sql = "SELECT r.path, l.run, u.pid FROM log_records l JOIN log_files r USING (file_id) LEFT JOIN runs u ON u.run = l.run WHERE r.path LIKE '%/lines/%'"
    wait_until(lambda: len(stored(agent, sql)) >= PROGRAMS * LINES, "all lines are stored", seconds=40)
    expected = {str(lines / f"{WORDS[number]}.log"): process.pid for number, process in enumerate(processes)}
    wait_until(
        lambda: all(pid is not None for _, run, pid in stored(agent, sql) if run is not None), "the runs are stored"
    )
    found = stored(agent, sql)
    right = [row for row in found if row[2] == expected[row[0]]]
    wrong = [row for row in found if row[2] not in {None, expected[row[0]]}]
    assert wrong == []
    assert len(right) >= PROGRAMS * LINES * 2 / 3


def test_a_child_that_begins_no_program_has_a_run_if_it_wrote_lines(agent: Any, lines: Path) -> None:
    """A fork that lives between two samples is no run of its own, unless lines name it: then it is found, once."""
    path = lines / "forks.log"
    with ended([subprocess.Popen([sys.executable, "-S", "-E", "-c", FORKS, str(path), str(0.2 * slowness())])]):
        pass
    sql = "SELECT l.message, u.pid, count(*) OVER (PARTITION BY l.file_id, l.pos) FROM log_records l LEFT JOIN runs u ON u.run = l.run WHERE l.message LIKE '%fork:%' OR l.logger = 'fork'"
    wait_until(lambda: len(stored(agent, sql)) >= 20, "all lines are stored", seconds=40)
    wait_until(
        lambda: all(pid is not None for _, pid, _ in stored(agent, sql)), lambda: f"runs of {stored(agent, sql)}"
    )
    found = stored(agent, sql)
    assert [row for row in found if int(row[0].rpartition("of=")[2]) != row[1] or row[2] != 1] == []
