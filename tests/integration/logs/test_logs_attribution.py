"""Lines know the run that wrote them: real processes that share, inherit, reopen and hand over their log files."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from monitor.store.interface import Append, Store, Upsert
from monitor.store.lives import UNSEEN
from tests.doubles.alone import elsewhere
from tests.doubles.log_watch import now_us
from tests.waiting import patient, wait_until

LINE: Final = """
import os, sys, time
from datetime import datetime
def line(n, pid=True):
    who = f"[{os.getpid()}] " if pid else ""
    return f"{datetime.now().isoformat(sep=' ', timespec='milliseconds')} {who}INFO app: n={n} of={os.getpid()}\\n"
def go():
    return sys.stdin.readline()
"""
REOPENS: Final = (
    LINE
    + """
print(os.getpid(), flush=True); go()
for n in range(200):
    with open(sys.argv[1], "a") as file:
        file.write(line(n))
go()
"""
)
PRINTS: Final = (
    LINE
    + """
print(os.getpid(), file=sys.stderr, flush=True); go()
for n in range(200):
    sys.stdout.write(line(n, pid=False)); sys.stdout.flush()
go()
"""
)
OPENS: Final = (
    LINE
    + """
import subprocess
print(os.getpid(), end=" ", flush=True)
with open(sys.argv[1], "a") as file:
    subprocess.run([sys.executable, "-c", sys.argv[2]], stdout=file, stderr=sys.stdout)
    go()
    for n in range(50):
        file.write(line(n, pid=False)); file.flush()
    go()
"""
)
DIES: Final = (
    LINE
    + """
import traceback
print(os.getpid(), file=sys.stderr, flush=True); go()
def say(text):
    sys.stdout.write(text); sys.stdout.flush()
named = sys.argv[1] == "pid"
for n in range(20):
    say(line(n, pid=named))
go()
for n in range(20, 40):
    say(line(n, pid=named).replace(f"[{os.getpid()}]", "[999999]"))
try:
    1 / 0
except ZeroDivisionError:
    say(line(40, pid=named).replace("INFO", "ERROR") + traceback.format_exc())
"""
)
FORKS: Final = (
    LINE
    + """
file = open(sys.argv[1], "a", buffering=1)
end, kept = os.pipe()
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        os.close(kept)
        os.read(0, 1)
        for n in range(50):
            file.write(line(n))
        os.read(end, 1)
        os._exit(0)
    children.append(child)
print(os.getpid(), *children, flush=True)
os.read(0, 1)
for n in range(50):
    file.write(line(n, pid=False))
os.read(end, 1)
"""
)
Start = Callable[..., Any]


class Program:
    """A process under a test's control: it writes when told, and ends when told."""

    def __init__(self, command: list[str], output: Path | None = None, *, says: str = "stdout") -> None:
        file = output.open("a") if output is not None else None
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=file or subprocess.PIPE,
            stderr=subprocess.PIPE if file else None,
            text=True,
        )
        if file is not None:
            file.close()
        stream = self.process.stderr if says == "stderr" else self.process.stdout
        assert stream is not None
        self.pids = [int(word) for word in stream.readline().split()]

    def go(self, times: int = 1) -> None:
        """One step on, for so many processes that wait."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n" * times)
        self.process.stdin.flush()

    def end(self) -> None:
        """Let it end."""
        self.process.kill()
        self.process.communicate()


def runs_of(watch: Any, source: str) -> dict[str, set[int | None]]:
    """Which runs the lines of each process were given."""
    found: dict[str, set[int | None]] = {}
    for record in watch.records(source=source):
        found.setdefault(record.message.rpartition("of=")[2], set()).add(record.run)
    return found


def followed(watch: Any, path: Path, *pids: int) -> None:
    """Wait until the watch follows the file, and knows who holds it."""

    def known() -> bool:
        tails = [tail for tail in watch.service.tails if tail.path == str(path)]
        return bool(tails) and set(pids) <= tails[0].writers.pids

    wait_until(known)


def test_one_that_opens_writes_and_closes(start: Start, tmp_path: Path) -> None:
    """A program that holds its file for a moment only is known by the pid in its lines."""
    path = tmp_path / "reopens.log"
    path.touch()
    program = Program([sys.executable, "-c", REOPENS, str(path)])
    try:
        watch = start((str(path),))
        watch.runs[program.pids[0]] = 11
        followed(watch, path)
        program.go()
        wait_until(lambda: len(watch.records()) == 200)
        assert runs_of(watch, "reopens") == {str(program.pids[0]): {11}}
    finally:
        program.end()


def test_one_that_a_shell_started(start: Start, tmp_path: Path) -> None:
    """Where a shell and the program that it runs hold the same file, the lines are the program's, though they name nobody."""
    path = tmp_path / "inherited.log"
    command = ["/bin/sh", "-c", f'"{sys.executable}" -c "$0"; true', PRINTS]
    program = Program(command, path, says="stderr")
    try:
        watch = start(discover=True, exclude=elsewhere(tmp_path), runs={program.process.pid: 1, program.pids[0]: 12})
        program.go()
        followed(watch, path, program.process.pid, program.pids[0])
        wait_until(lambda: len(watch.records(source="inherited")) == 200)
        assert runs_of(watch, "inherited") == {str(program.pids[0]): {12}}
    finally:
        program.end()


def test_one_whose_output_another_opened(start: Start, tmp_path: Path) -> None:
    """Of a program that opens a log for the output of another, the lines are the other's, also those read once only the first one holds the file; then they are its own."""
    path = tmp_path / "opened.log"
    program = Program([sys.executable, "-c", OPENS, str(path), PRINTS])
    opener, printer = program.pids
    try:
        watch = start(discover=True, exclude=elsewhere(tmp_path), runs={opener: 1, printer: 12})
        program.go()
        followed(watch, path, opener, printer)
        wait_until(lambda: len(watch.records(source="opened")) == 200)
        program.go()
        wait_until(lambda: watch.service.tails[0].writers.pids == {opener})
        program.go()
        wait_until(lambda: len(watch.records(source="opened")) == 250)
        assert runs_of(watch, "opened") == {str(printer): {12}, str(opener): {1}}
    finally:
        program.end()


def test_many_that_share_a_file(start: Start, tmp_path: Path) -> None:
    """Of a program and its workers, lines that name a pid are the worker's, all others the program's."""
    path = tmp_path / "shared.log"
    program = Program([sys.executable, "-c", FORKS, str(path)])
    try:
        runs = {pid: number for number, pid in enumerate(program.pids, 100)}
        watch = start(discover=True, exclude=elsewhere(tmp_path), runs=runs)
        program.go(5)
        wait_until(lambda: len(watch.records(source="shared")) == 250)
        assert runs_of(watch, "shared") == {str(pid): {number} for number, pid in enumerate(program.pids, 100)}
    finally:
        program.end()


def test_one_after_the_other(start: Start, tmp_path: Path) -> None:
    """A program that is started again goes on in the same file: each life has its own lines."""
    path = tmp_path / "again.log"
    watch = start(discover=True, exclude=elsewhere(tmp_path))
    expected: dict[str, set[int | None]] = {}
    for life in (21, 22):
        with watch.service.unwatched():  # a run is known before its process is met
            program = Program([sys.executable, "-c", PRINTS], path, says="stderr")
            watch.runs[program.pids[0]] = life
        expected[str(program.pids[0])] = {life}
        program.go()
        followed(watch, path, program.pids[0])
        wait_until(lambda life=life: len(watch.records(source="again")) == 200 * (life - 20))
        program.end()
    assert runs_of(watch, "again") == expected


@pytest.mark.parametrize("pid", ["1", "7"])
def test_a_pid_of_another_name_space(start: Start, tmp_path: Path, pid: str) -> None:
    """A pid in a line that has nothing to do with who holds the file (a container's own count) leads nowhere."""
    path = tmp_path / "container.log"
    program = Program(
        [sys.executable, "-c", PRINTS.replace("pid=False", "pid=True").replace("[{os.getpid()}]", f"[{pid}]")],
        path,
        says="stderr",
    )
    try:
        watch = start(discover=True, exclude=elsewhere(tmp_path), runs={int(pid): 1, program.pids[0]: 31})
        program.go()
        wait_until(lambda: len(watch.records(source="container")) == 200)
        assert runs_of(watch, "container") == {str(program.pids[0]): {31}}
    finally:
        program.end()


def number_of(message: str) -> int:
    """Which of the program's lines it is."""
    found = re.search(r"\bn=(\d+)", message)
    assert found, message
    return int(found[1])


MINUTE_US: Final = 60_000_000


def stored_end(store: Store, pid: int, ended: str | None, *, seen_ago_us: int) -> Store:
    """Put the run 41 of a process into the store, as an agent does that saw the machine for the last time so long ago."""
    seen = pa.array([now_us() - seen_ago_us]).view(pa.timestamp("us"))
    run: dict[str, Any] = {"run": [41], "host": ["testhost"], "boot_id": ["b"], "pid": pa.array([pid], pa.int32())}
    if ended is not None:
        run |= {"end_ts": seen, "end_source": [ended]}
    store.write(
        [Upsert("runs", pa.table(run), ("run",)), Append("host_samples", pa.table({"host": ["testhost"], "ts": seen}))]
    )
    return store


@pytest.mark.parametrize(
    "case",
    [
        (None, 0, "nobody", {41}),  # the new agent has not looked yet
        (UNSEEN, 0, "nobody", {41}),
        (UNSEEN, 60 * MINUTE_US, "nobody", {None}),  # others may have come and gone in an hour
        ("poll", MINUTE_US, "nobody", {None}),  # it was seen to end before these lines
        (UNSEEN, 0, "pid", {None, 41}),  # lines that name somebody else
    ],
)
def test_one_that_ends_while_nobody_watches(
    start: Start, stop: Any, tmp_path: Path, case: tuple[str | None, int, str, set[int | None]]
) -> None:
    """What a run wrote last, its traceback above all, is its own also when it is read after its end."""
    ended, seen_ago_us, said, expected = case
    name = "mill"
    path = tmp_path / f"{name}.log"
    watch = start(discover=True, exclude=elsewhere(tmp_path))
    with watch.service.unwatched():
        program = Program([sys.executable, "-c", DIES, said], path, says="stderr")
        watch.runs[program.pids[0]] = 41
    try:
        followed(watch, path, program.pids[0])
        program.go()
        wait_until(lambda: len(watch.records(source=name)) == 20)
        assert runs_of(watch, name) == {str(program.pids[0]): {41}}
        stop(watch)
        program.go()
        program.process.wait(patient(20))
        later = start(
            discover=True,
            exclude=elsewhere(tmp_path),
            in_store=lambda store: stored_end(store, program.pids[0], ended, seen_ago_us=seen_ago_us),
        )
        wait_until(lambda: len(later.records(source=name)) == 41)
        after = [record for record in later.records(source=name) if number_of(record.message) >= 20]
        assert {record.run for record in after} == expected
        (last,) = [record for record in after if "Traceback" in record.message]
        assert last.run == (None if expected == {None} else 41)
        assert [file["path"] for file in later.service.files_of_run(41)] == [str(path)]
    finally:
        program.end()
