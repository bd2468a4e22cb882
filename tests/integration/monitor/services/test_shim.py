"""The shim: keeps a real command running, leaves nothing behind, loses no line, and says what happened."""

import asyncio
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.services.link import Link, Wish, start_shims
from monitor.services.shim import spawn, tree
from tests.integration.monitor.services.conftest import Kept, events
from tests.waiting import patient, wait_until

Make = Callable[[str], Kept]
Python = Callable[..., list[str]]
SLEEP = "import time; time.sleep(1000)"
FAMILY = """
import os, signal, sys, time
def sleeper(*, session, ignores, leaves):
    if os.fork():
        return
    if session: os.setsid()
    if leaves and os.fork(): os._exit(0)
    if ignores: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(100)
for session in (False, True):
    for ignores in (False, True):
        for leaves in (False, True):
            sleeper(session=session, ignores=ignores, leaves=leaves)
print("family", flush=True)
signal.signal(signal.SIGTERM, {on_term})
time.sleep(1000)
"""
"""Eight processes below the main one: in a session of their own or not, deaf to SIGTERM or not, child or orphan."""


def marked(one: Kept) -> list[int]:
    """All processes that carry the mark of a service, its shim aside."""
    mark = one.state["mark"].encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark in environment:
                found.append(int(entry.name))
    return found


def test_what_is_killed_runs_again_and_its_end_is_kept(kept: Make, python: Python) -> None:
    """Another process runs, the count of restarts grows, and the events have the signal of the first."""
    one = kept("web").start(command=python(SLEEP), restart="always", environment={"WORKER_ID": "4"})
    first = one.running()
    os.kill(first["pid"], signal.SIGKILL)
    second = one.running(after=first["pid"])
    assert (second["restarts"], second["exit_signal"], second["exit_code"]) == (1, 9, None)
    one.stop()
    ends = [(event["pid"], event["code"], event["why"]) for event in events(one) if event["event"] == "ended"]
    assert ends == [(first["pid"], -9, ""), (second["pid"], -15, "its shim was ended")]
    lives, _ = one.folder.lives()
    assert [(life.exit_signal, life.ended_for, life.asked, life.member) for life in lives] == [
        (9, "", False, "worker 4"),
        (15, "web: its shim was ended", True, "worker 4"),
    ]
    assert [event["seq"] for event in events(one)] == list(range(1, len(events(one)) + 1))


SERVER = """
import http.server, os, pathlib, signal, sys, threading
port, flag = int(sys.argv[1]), pathlib.Path(sys.argv[2])
flag.unlink(missing_ok=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_error(503) if flag.exists() else self.send_response(204) or self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", port), Handler)
def deaf(*_):
    flag.touch()
    if sys.argv[3] == "port": os.close(server.fileno())
signal.signal(signal.SIGUSR1, deaf)
threading.Thread(target=server.serve_forever, daemon=True).start()
while True: signal.pause()
"""
"""A server that works until SIGUSR1; then it lives on, but answers no more."""


@pytest.mark.parametrize("kind", ["port", "http", "command"])
def test_what_lives_but_answers_no_more_is_restarted(kept: Make, python: Python, tmp_path: Path, kind: str) -> None:
    """After so many checks in a row that failed; the event says which check. What answers is left alone, and counts from the start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flag = tmp_path / "deaf"
    what = {"port": port, "http": f"http://127.0.0.1:{port}/health", "command": f"test ! -e {flag}"}[kind]
    check = {kind: what, "every_s": 0.1, "timeout_s": 2.0, "failures": 2}
    ready = {"port": port}
    one = kept("deaf").start(command=python(SERVER, port, flag, kind), ready=ready, liveness=check, restart="always")
    first = one.running()
    os.kill(first["pid"], signal.SIGUSR1)
    second = one.running(after=first["pid"])
    assert second["restarts"] == 1
    told = [event["reason"] for event in events(one) if event["event"] == "stopping"]
    named = what if kind == "http" else f"{kind} {what}"
    why = {"port": "connection refused", "http": "answered 503 Service Unavailable", "command": "exit code 1"}[kind]
    assert told[0] == f"liveness check failed 2 times in a row: {named}: {why}"
    assert one.running()["pid"] == second["pid"]
    assert [event["why"] for event in events(one) if event["event"] == "ended"] == [told[0]] == [second["ended_for"]]
    assert not one.folder.lives()[0][0].asked


@pytest.mark.parametrize(("code", "state"), [(0, "exited"), (3, "failed")])
def test_a_command_that_is_not_restarted_keeps_its_exit_code(kept: Make, python: Python, code: int, state: str) -> None:
    """Its shim ends with it, and the state stays."""
    one = kept("once").start(command=python(f"raise SystemExit({code})"), restart="never")
    found = one.becomes(state)
    assert (found["exit_code"], found["reason"], found["pid"]) == (code, f"exit code {code}", None)
    wait_until(lambda: tree.start_tick(found["shim"]) is None, "the shim ends")
    assert not (one.folder.path / "control").exists()


def test_a_crash_loop_ends_with_its_reason(kept: Make, python: Python) -> None:
    """Five failures within the window are enough."""
    one = kept("loop").start(command=python("raise SystemExit(7)"), backoff_s=0.01)
    found = one.becomes("failed")
    assert found["reason"].startswith("failed 5 times in ")
    assert found["reason"].endswith(" s: exit code 7")
    assert found["restarts"] == 4


@pytest.mark.parametrize(
    ("command", "directory", "words"),
    [
        (["/does/not/exist"], "/", "/does/not/exist: No such file"),
        ([__file__], "/", "it may not be executed (chmod +x)"),
        (["no-such-command"], "/", "no-such-command: command not found; give its full path"),
        (["true"], "/does/not/exist", "its directory /does/not/exist: No such file"),
    ],
)
def test_what_cannot_be_started_says_why(kept: Make, command: list[str], directory: str, words: str) -> None:
    """A missing program, one that is not executable, a missing folder."""
    one = kept("missing").start(command=command, directory=directory)
    found = one.becomes("failed")
    assert found["reason"].startswith("cannot be started: ")
    assert words in found["reason"]


def test_a_check_that_goes_on_is_nothing_that_a_service_left_behind(kept: Make, tmp_path: Path) -> None:
    """It ends well while a check of it runs: that check is its shim's, and has children of its own."""
    asked = tmp_path / "asked"
    check = f"sh -c 'touch {asked}; sleep 100; true'"
    main = f"sh -c 'while [ ! -e {asked} ]; do sleep 0.01; done'"
    one = kept("brief").start(command=main, restart="never", ready={"command": check, "timeout_s": 60})
    found = one.becomes("exited")
    assert (found["exit_code"], found["reason"]) == (0, "exit code 0")


@pytest.mark.parametrize("on_term", ["signal.SIG_DFL", "signal.SIG_IGN", "lambda *_: sys.exit(0)"])
def test_a_stop_leaves_no_descendant(kept: Make, python: Python, on_term: str) -> None:
    """Not one that left the session, was orphaned, or ignores SIGTERM; nor when the main process ignores it."""
    one = kept("family").start(command=python(FAMILY.replace("{on_term}", on_term)), stop_grace_s=0.3)
    wait_until(lambda: "family" in one.output())
    wait_until(lambda: len(marked(one)) == 9, lambda: f"9 processes, not {marked(one)}")
    one.stop()
    assert one.state["state"] == "stopped"
    assert marked(one) == []


def test_what_a_killed_main_process_leaves_is_ended_before_it_runs_again(kept: Make, python: Python) -> None:
    """Nine processes before and after, none of them the same."""
    one = kept("family").start(
        command=python(FAMILY.replace("{on_term}", "signal.SIG_DFL")), restart="always", stop_grace_s=0.2
    )
    wait_until(lambda: len(marked(one)) == 9)
    before, first = set(marked(one)), one.running()["pid"]
    os.kill(first, signal.SIGKILL)
    one.running(after=first)
    wait_until(lambda: len(marked(one)) == 9)
    assert not before & set(marked(one))


def test_only_one_shim_has_a_service(kept: Make, python: Python) -> None:
    """A hundred more at once are refused; one process runs."""
    one = kept("web").start(command=python(SLEEP))
    pid = one.running()["pid"]

    async def many() -> list[dict[str, str]]:
        return await asyncio.gather(*(start_shims([one.folder.path] * 25, os.environ) for _ in range(4)))

    assert all(found == {"web": "busy"} for found in asyncio.run(many()))
    assert marked(one) == [pid]


def test_the_output_is_rotated_and_no_line_is_lost(kept: Make, python: Python) -> None:
    """Of 20,000 numbered lines on both streams all are there, in order, in files of about the size that was asked for."""
    text = "import sys\nfor n in range(20000): print(f'line {n:06d}', file=(sys.stdout, sys.stderr)[n % 2])"
    one = kept("chatty").start(command=python(text), restart="never", output_mb=0.05, output_kept=20)
    one.becomes("exited")
    files = sorted(one.folder.path.glob("output.log*"), key=lambda file: int(file.suffix[1:]) if file.suffix != ".log" else 0)  # fmt: skip
    assert len(files) > 3
    assert all(file.stat().st_size < 0.05 * 1024 * 1024 + 70_000 for file in files)
    lines = [line for file in reversed(files) for line in file.read_text("utf-8").splitlines()]
    assert sorted(lines) == [f"line {n:06d}" for n in range(20000)]
    assert one.state["output_lost"] == 0


def test_a_full_disk_does_not_stop_a_service(kept: Make, python: Python) -> None:
    """What cannot be written is counted and said."""
    one = kept("full")
    one.folder.path.mkdir(parents=True)
    one.folder.output.symlink_to("/dev/full")
    one.start(command=python("print('x' * 1000)"), restart="never")
    found = one.becomes("exited")
    assert found["output_lost"] == 1001
    assert "No space left" in found["output_error"]


def test_a_loss_is_told_while_it_grows_and_ends_when_there_is_room_again(kept: Make, python: Python) -> None:
    """The service runs on; how much was lost so far is told although nothing else happens, and its output goes on once the file system takes it."""
    text = "import sys, time\nwhile True: print('x' * 999); time.sleep(0.01)"
    one = kept("flood").start(command=python(text))
    first = one.running()
    resource.prlimit(first["shim"], resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    lost = wait_until(lambda: one.state["output_lost"], "a loss is told")
    wait_until(lambda: one.state["output_lost"] > lost, "it grows")
    assert "cannot be written" in one.state["output_error"]
    resource.prlimit(first["shim"], resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: one.folder.output.stat().st_size > 16_384, "it is written again")
    wait_until(lambda: one.state["output_error"] == "", "that is told")
    assert (one.state["pid"], one.state["state"]) == (first["pid"], "running")


def test_a_disk_that_takes_nothing_ends_no_service(kept: Make, python: Python) -> None:
    """It is restarted all the same; its state is kept in the space that it has, and its events as soon as that works again."""
    one = kept("calm").start(command=python("import time; time.sleep(1000)"), backoff_s=0.01)
    first = one.running()
    in_the_way = [one.folder.path / name for name in (".state.json", "events.jsonl")]
    in_the_way[1].unlink()
    for path in in_the_way:
        path.mkdir()
    os.kill(first["pid"], signal.SIGKILL)
    again = one.running(after=first["pid"])  # in the room that its file has already
    assert tree.descendants(first["shim"]) == [again["pid"]]
    for path in in_the_way:
        path.rmdir()
    os.kill(again["pid"], signal.SIGKILL)
    wait_until(lambda: one.running()["restarts"] == 2, "it runs once more")
    assert "cannot be written" in (one.folder.path / "shim.log").read_text("utf-8")


SPEAKS = """
import os, pathlib, sys
done, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
for number in range(rounds): print("life", os.getpid(), "x" * 50, flush=True)
print("life", os.getpid(), "cut", end="", flush=True)
with done.open("a") as file: file.write("x")
raise SystemExit(0 if done.stat().st_size >= 5 else 3)
"""


@pytest.mark.parametrize("rounds", [0, 1, 60])
def test_it_says_which_life_wrote_which_part_of_the_output(
    kept: Make, python: Python, tmp_path: Path, rounds: int
) -> None:
    """Over five lives, whose last line has no end, over rotations and over a shim of its own for the next start."""
    one = kept("speaks")
    for start in range(2):
        (tmp_path / "done").unlink(missing_ok=True)
        one.start(
            command=python(SPEAKS, tmp_path / "done", rounds), backoff_s=0.01, crash_limit=20, output_mb=0.006, output_kept=40,
        )  # fmt: skip
        one.becomes("exited")
        wait_until(lambda: not (one.folder.path / "control").exists(), "the shim ends")
        parts = one.state["output"]
        wrong, found = [], set()
        for path in one.folder.path.glob("output.log*"):
            data, offset = path.read_bytes(), 0
            for line in data.splitlines(keepends=True):
                said = [part for part in parts if part[4] == path.stat().st_ino and part[5] <= offset]
                assert line.endswith(b"\n") or offset + len(line) == len(data)
                _, pid, tick, *_ = max(said, key=lambda part: (part[5], part[0]))
                found.add((pid, tick))  # its number alone may be given to two of them
                if int(line.split()[1]) != pid:
                    wrong.append((path.name, offset, line))
                offset += len(line)
        assert not wrong
        assert len(found) == 5 * (start + 1)
        assert [part[0] for part in parts] == sorted(part[0] for part in parts)
        assert all(tick for _, _, tick, *_ in parts)


def test_an_emptied_output_belongs_to_who_writes_it(kept: Make, python: Python) -> None:
    """What somebody emptied begins anew, with the life that writes then; the next life's part begins where it is."""
    counts = "n=10000; while sleep 0.01; do n=$((n + 1)); echo $$ $n; done"
    one = kept("emptied").start(command=["sh", "-c", counts], backoff_s=0.01)
    first = one.running()
    wait_until(lambda: len(one.output()) > 500, "it wrote")
    seen = one.output().splitlines()[-1]
    os.truncate(one.folder.output, 0)
    wait_until(lambda: seen < one.output()[: len(seen)], "it writes on, with a later line")  # however late we look
    os.kill(first["pid"], signal.SIGKILL)
    second = one.running(after=first["pid"])
    wait_until(lambda: str(second["pid"]) in one.output().split(), "the next life wrote")
    (_, pid, *_, begin), (_, after, *_, end) = one.state["output"]
    assert (pid, after, begin) == (first["pid"], second["pid"], 0)
    text = one.output()
    assert {line.split()[0] for line in text[:end].splitlines()} == {str(pid)}
    assert {line.split()[0] for line in text[end:].splitlines()} == {str(after)}


READY_AFTER = """
import http.server, sys, time, pathlib
print("warming up", flush=True)
gate = pathlib.Path(sys.argv[1])
while not gate.exists(): time.sleep(0.01)
print("listening now", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.parametrize("kind", ["port", "http", "command", "log"])
def test_a_service_is_running_once_it_is_ready(
    kept: Make, python: Python, tmp_path: Path, free_port: int, kind: str
) -> None:
    """It is starting until its port is open, its address answers, its command succeeds, or its line comes."""
    gate = tmp_path / "gate"
    check = {
        "port": str(free_port),
        "http": f"http://127.0.0.1:{free_port}/",
        "command": f"test -e {gate}",
        "log": r"listen\w+ now",
    }[kind]
    command = python(READY_AFTER, gate, free_port)
    one = kept("slow").start(command=command, directory=str(tmp_path), ready={kind: check})
    wait_until(lambda: "warming up" in one.output())
    assert one.state["state"] == "starting"
    gate.touch()
    one.running()


def test_one_that_does_not_become_ready_is_stopped_with_that_reason(kept: Make, python: Python) -> None:
    """And counts as failed."""
    one = kept("never").start(command=python(SLEEP), restart="never", ready={"log": "never", "timeout_s": 0.2})
    assert one.becomes("failed")["reason"] == "not ready within 0.2 s: no line of its output matches never"


@pytest.mark.parametrize(
    ("kind", "answer", "why"),
    [
        ("port", None, ""),
        ("port", "nobody", "connection refused"),
        ("http", b"HTTP/1.0 204 None\r\n\r\n", ""),
        ("http", b"HTTP/1.0 500 Out of order\r\n\r\n", "answered 500 Out of order"),
        ("http", b"HTTP/1.0 500 \x1b[31mred" + b"x" * 500 + b"\r\n\r\n", f"answered 500 [31mred{'x' * 180}"),
        ("http", b"220 mail ready\r\n", "its answer is no HTTP"),
        ("http", b"", "the connection was closed without an answer"),
        ("http", None, "no answer within 0.2 s"),
        ("command", "exit 3", "exit code 3"),
        ("command", "kill -15 $$", "killed by SIGTERM (signal 15)"),
        ("command", "sleep 61; true", "no answer within 0.2 s"),
    ],
)
def test_a_check_says_why_it_failed(kind: str, answer: str | bytes | None, why: str) -> None:
    """What it met, in words: no one there, another answer than was wanted, none in time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answer == "nobody":
            server.close()
        what = {"port": str(port), "http": f"http://127.0.0.1:{port}/", "command": str(answer)}[kind]
        probe = spawn.probe(kind, what, "/", dict(os.environ), 0.2 if why.startswith("no answer") else patient(20))
        if isinstance(answer, bytes):
            with server.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(answer)
        over = os.WEXITED | os.WNOHANG | os.WNOWAIT
        wait_until(lambda: time.monotonic() > probe.due or os.waitid(os.P_PID, probe.pid, over))
        if os.waitid(os.P_PID, probe.pid, over) is None:
            probe.kill()
        assert probe.ended(os.waitstatus_to_exitcode(os.waitpid(probe.pid, 0)[1])) == why
        with pytest.raises(ProcessLookupError):  # what it started is gone with it
            wait_until(lambda: os.killpg(probe.pid, 0))


def test_a_restart_reads_the_settings_again(kept: Make, python: Python) -> None:
    """The next process has the new command and environment; the restart counts, and begins the pauses anew."""
    show = "import os, time; print(os.environ['SIZE'], flush=True); time.sleep(1000)"
    one = kept("web").start(command=python(show), environment={"SIZE": "small"})
    first = one.running()
    wait_until(lambda: one.output() == "small\n")
    one.folder.write_spec(one_with(one, command=python(show), environment={"SIZE": "large"}))

    async def ask() -> None:
        link = await Link.open(one.folder.path)
        assert link is not None
        await link.send(Wish("restart", "restarted by hand"))
        link.close()

    asyncio.run(ask())
    second = one.running(after=first["pid"])
    wait_until(lambda: one.output() == "small\nlarge\n", one.output)
    assert second["restarts"] == 1
    assert second["spec"] != first["spec"]


def one_with(one: Kept, **settings: object) -> object:
    """Settings for a service."""
    from monitor.config.services import ServiceSettings

    return ServiceSettings(name=one.folder.name, **settings)  # type: ignore[arg-type]


def test_if_the_shim_is_killed_nothing_goes_on_unseen(kept: Make, python: Python) -> None:
    """The kernel ends the main process; what it leaves behind is found by its mark and ended."""
    one = kept("family").start(command=python(FAMILY.replace("{on_term}", "signal.SIG_IGN")))
    wait_until(lambda: len(marked(one)) == 9)
    found = one.running()
    os.kill(found["shim"], signal.SIGKILL)
    wait_until(lambda: tree.start_tick(found["pid"]) is None, "the main process ends with its shim")
    assert one.folder.end_leftovers() == 8
    wait_until(lambda: not marked(one))


@pytest.mark.slow
def test_of_five_hundred_stops_none_leaves_a_descendant(kept: Make, python: Python) -> None:
    """The long form: fifty services of nine processes each, ten times."""
    command = python(FAMILY.replace("{on_term}", "signal.SIG_IGN"))
    for turn in range(10):
        many = [kept(f"family-{turn}-{number}").start(command=command, stop_grace_s=0.1) for number in range(50)]
        for one in many:
            wait_until(lambda one=one: "family" in one.output(), seconds=60)
        marks = [one.state["mark"].encode() for one in many]
        for one in many:
            one.stop()
        left = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _has(entry, marks)]
        assert left == []


def _has(entry: Path, marks: list[bytes]) -> bool:
    """Whether a process carries one of these marks."""
    try:
        environment = (entry / "environ").read_bytes()
    except OSError:
        return False
    return any(mark in environment for mark in marks)
