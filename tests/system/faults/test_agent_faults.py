"""What goes wrong in real life, done to a real agent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.status import Subscription
from monitor.client.client import Client
from monitor.core.endpoint import read_endpoint
from tests.doubles.alone import ALONE, ENGINES, LOGS
from tests.doubles.forked import AGENTS
from tests.examples import sizes
from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[3]
Make = Callable[..., Any]
pytestmark = pytest.mark.timeout(180)


def test_a_second_agent_is_refused_by_name(running_agent: Any) -> None:
    """A second agent on the same data directory ends with 5 and names the first one's pid; the first goes on."""
    done = AGENTS.run(["agent", "--quiet", "--data-dir", str(running_agent.data_dir)], os.environ)
    assert done.returncode == 5
    assert str(running_agent.pid) in done.stderr
    assert "hint: " in done.stderr
    assert running_agent.api.status().agent.pid == running_agent.pid


def test_sigterm_flushes_and_the_next_life_goes_on(make_agent: Make) -> None:
    """On SIGTERM the agent ends with 0; socket and address are gone, the sampler too, and the samples are in the store.

    The next one shows them in its first picture, and closes the runs that ended while nobody kept watch. The end of its terminal, SIGHUP,
    is as orderly: nothing that was sampled is lost.
    """
    agent = make_agent()
    sampler = agent.api.status().sampler.pid
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        try:
            mine = f"SELECT run, end_ts, end_source FROM runs WHERE pid = {child.pid}"
            wait_until(lambda: agent.api.query(mine).rows, "the run is stored")
            received = wait_until(lambda: (n := agent.api.status().samples.received) >= 3 and n)
            assert agent.stop() == 0
        finally:
            child.kill()
    wait_until(lambda: not Path(f"/proc/{sampler}").exists(), "the sampler ends")
    assert not (agent.data_dir / "agent.sock").exists()
    assert not (agent.data_dir / "agent.json").exists()
    agent.start()
    assert agent.api.query("SELECT count(*) FROM host_samples").rows[0][0] >= received
    wait_until(lambda: agent.api.query(mine).rows[0][1], "the run is closed")
    assert agent.api.query(mine).rows[0][2] == "unseen"
    assert agent.api.run(agent.api.query(mine).rows[0][0]).end_source == "unseen"

    def history() -> int:
        with agent.api.live(Subscription(host=False, status=False)) as live:
            return len(live.receive(patient(5))["history"]["ts"])

    wait_until(lambda: history() > received, "the first picture goes over the restart")
    received += agent.api.status().samples.received
    assert agent.stop(signal.SIGHUP) == 0
    assert not (agent.data_dir / "agent.sock").exists()
    agent.start()
    assert agent.api.query("SELECT count(*) FROM host_samples").rows[0][0] >= received
    agent.stop()


def test_a_program_that_failed_is_still_told_by_the_next_agent(make_agent: Make, tmp_path: Path) -> None:
    """The status names it for ten minutes, whoever watches, and what it said last."""
    script, out = tmp_path / "nightly.py", tmp_path / "nightly.out"
    agent = make_agent(f"{LOGS}globs = ['{out}']\n")
    script.write_text("import time; time.sleep(2); raise KeyError('price')")
    with out.open("wb") as err:
        subprocess.run([sys.executable, str(script)], stderr=err, check=False, timeout=patient(60))

    def told() -> list[str]:
        with agent.api.live(Subscription(host=False, history_s=0)) as live:
            for _ in range(20):  # one comes at once, as far as it is known, the others every few seconds
                frame = live.receive(patient(10))
                for one in frame["programs_failed"] if frame["t"] == "status" else ():
                    if "nightly.py" in one["name"] and one["said"]:
                        return [one["name"], one["said"]]
        return []

    said = told()
    assert said == ["python nightly.py", "KeyError: 'price'"]
    assert agent.stop() == 0
    agent.start()
    assert told() == said


LINES = 20_000


@pytest.mark.parametrize("rounds", sizes(1, 4))
def test_kill_9_loses_nothing_acknowledged_and_repeats_nothing(make_agent: Make, tmp_path: Path, rounds: int) -> None:
    """Killed while sampling, following a file and ingesting another: after the restart every line is there, once."""
    followed, big = tmp_path / "followed.log", tmp_path / "big.txt"
    big.write_text("".join(f"2026-01-02 03:04:05,{i % 1000:03d} INFO big: number {i}\n" for i in range(LINES)), "utf-8")
    followed.write_text("", "utf-8")
    agent = make_agent(f"{LOGS}globs = ['{followed}']\n{ENGINES}")
    written = 0
    for _ in range(rounds):
        agent.api.ingest([big])
        for _ in range(20):
            with followed.open("a", encoding="utf-8") as out:
                out.write(f"2026-01-02 03:04:06,000 INFO tail: line {written}\n")
            written += 1
        samples = agent.api.query("SELECT count(*) FROM host_samples").rows[0][0]
        agent.kill()
        agent.start()
        assert agent.api.query("SELECT count(*) FROM host_samples").rows[0][0] >= samples
    job = agent.api.ingest([big])
    done = wait_until(lambda: (s := agent.api.ingest_job(job)).state != "running" and s, seconds=60)
    assert done.state == "done", done.error
    wait_until(lambda: agent.api.log_count({"q": "line "}).count >= written, "every line is stored", seconds=30)
    twice = "SELECT count(*), count(DISTINCT message) FROM log_records WHERE message LIKE '{} %'"
    assert agent.api.query(twice.format("line")).rows == [[written, written]]
    assert agent.api.query(twice.format("number")).rows == [[LINES, LINES]]
    again = "SELECT count(*), count(DISTINCT ts) FROM host_samples"
    rows = agent.api.query(again).rows[0]
    assert rows[0] == rows[1]
    agent.stop()


def test_a_killed_sampler_comes_back_and_the_hole_is_told(running_agent: Any) -> None:
    """The sampler is restarted; what was missed is counted, and an event."""
    agent = running_agent
    first = agent.api.status().sampler.pid
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: agent.api.status().samples.missed >= 2, "missed samples are counted", seconds=30)
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: (s := agent.api.status()).sampler.pid not in {None, first} and s.sampler.state == "running", seconds=40
    )
    before = agent.api.status().samples.received
    wait_until(lambda: agent.api.status().samples.received > before + 1)
    status = agent.api.status()
    assert status.sampler.restarts >= 1
    assert status.samples.missed >= 2
    gaps = wait_until(lambda: agent.api.query("SELECT message, details FROM events WHERE kind = 'GAP'").rows)
    assert "missed" in gaps[0][0]


SCRIPTED = """
import sys, time, array
from monitor.metrics.catalogue import *
from monitor.metrics.messages import *
host = HostInfo("scripted", "boot", 0, "k", "p", 1, 1, 100)
out = sys.stdout.buffer
def say(m):
    out.write(encode(m)); out.flush()
say(Hello(PROTOCOL, __import__("os").getpid(), 0.2, "scripted", host))
empty = RunColumns(*[b""] * len(RUN_COLUMNS))
base = time.time_ns() // 1000
seq = 0
while True:
    seq += 1
    if seq == 6:
        seq = 10
    step = -3600.0 if seq == 4 else 0.0
    offset = -3600_000_000 if seq >= 4 else 0
    mono = time.monotonic_ns()
    say(Tick(seq, base + seq * 200_000 + offset, mono, HostReading(cpu_pct=float(seq % 100)), empty, [], [],
        GpuState("none", "no GPU", 0.0, [], []), Quality(seq, seq, 0.0, 0.1, 0.0, 1000, {}), step))
    time.sleep(0.2)
"""


def test_a_clock_set_back_and_missed_seconds(make_agent: Make, tmp_path: Path) -> None:
    """A step of the wall clock and a hole in the sequence become events; nothing is stored twice or lost."""
    script = tmp_path / "sampler.py"
    script.write_text(SCRIPTED, "utf-8")
    agent = make_agent(
        f"[sampling]\ninterval_s = 0.2\n{ALONE}",
        options=["--sampler-command", f"{sys.executable} {script}"],
        environ={"PYTHONPATH": str(ROOT)},
    )
    wait_until(lambda: agent.api.status().samples.received >= 8)
    events = wait_until(
        lambda: len(r := agent.api.query("SELECT kind, message FROM events ORDER BY kind").rows) >= 2 and r
    )
    assert [kind for kind, _ in events] == ["CLOCK_STEP", "GAP"]
    assert agent.api.status().samples.missed == 4
    stored = agent.api.query("SELECT count(*), count(DISTINCT seq) FROM host_samples").rows[0]
    assert stored[0] == stored[1]
    agent.stop()


def _can_mount(where: Path) -> bool:
    where.mkdir()
    return (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(where)], capture_output=True, check=False
        ).returncode
        == 0
    )


def test_a_full_disk_is_said_and_heals(make_agent: Make, tmp_path: Path) -> None:
    """On a full disk the status says so and the agent lives; when there is room again it heals, and says what was lost."""
    disk = tmp_path / "disk"
    if not _can_mount(disk):
        pytest.skip("mounting a tmpfs needs root")
    try:
        agent = make_agent(data_dir=disk / "d")
        filler = disk / "filler"
        with filler.open("wb") as out:
            try:
                while True:
                    out.write(b"x" * 65536)
                    out.flush()
            except OSError:
                pass

        wait_until(lambda: agent.api.status().store.state == "full", "the status says full", seconds=60)
        status = agent.api.status()
        assert status.store.message
        assert any("full" in warning for warning in status.warnings)
        received = status.samples.received
        wait_until(lambda: agent.api.status().samples.received > received + 1, "sampling goes on")
        filler.unlink()
        wait_until(lambda: agent.api.status().store.state == "ok", "it heals", seconds=60)
        wait_until(lambda: (s := agent.api.status().samples).stored + s.dropped >= s.received - 2, seconds=30)
        agent.stop()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A data directory under a file is a clear error with its own exit code, not a traceback."""
    (tmp_path / "file").write_text("", "utf-8")
    done = AGENTS.run(["agent", "--quiet", "--data-dir", str(tmp_path / "file/d")], os.environ)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def refused(data_dir: str | bytes) -> list[str]:
    """An agent that must not start: what it says, line by line."""
    done = AGENTS.run(["agent", "--quiet", "--data-dir", os.fsdecode(data_dir)], os.environ)
    assert done.returncode == 2, done.stderr
    return done.stderr.splitlines()


def test_a_data_directory_of_everybody_is_refused(tmp_path: Path) -> None:
    """Where anybody may write, links and a false address could be planted; nothing is left there."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "something").write_text("", "utf-8")
    shared.chmod(0o1777)
    said = refused(str(shared))
    assert said[0].startswith("error: every user can write to the data directory")
    assert "chmod 700" in said[1]
    assert [path.name for path in shared.iterdir()] == ["something"]
    assert shared.stat().st_mode & 0o7777 == 0o1777


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Two lines, no traceback."""
    said = refused(os.fsencode(tmp_path) + b"/a\xff")
    assert len(said) == 2
    assert "is not UTF-8" in said[0]


def test_something_in_the_place_of_the_socket_is_said(tmp_path: Path) -> None:
    """An agent that fails after its store is open says why in two lines, and nothing else."""
    data = tmp_path / "data"
    (data / "agent.sock").mkdir(parents=True)
    said = refused(str(data))
    assert len(said) == 2, said
    assert "cannot listen" in said[0]


def test_an_open_directory_is_closed_or_told(make_agent: Make, tmp_path: Path) -> None:
    """An empty data directory is closed to other accounts; about one with other things in it there is a warning."""
    empty, used = tmp_path / "empty", tmp_path / "used"
    for place in (empty, used):
        place.mkdir()
        place.chmod(0o755)
    (used / "mine").write_text("", "utf-8")
    agent = make_agent(data_dir=empty)
    assert empty.stat().st_mode & 0o777 == 0o700
    assert not [text for text in agent.api.status().warnings if "other users" in text]
    agent.stop()
    agent = make_agent(data_dir=used)
    assert used.stat().st_mode & 0o777 == 0o755
    assert [text for text in agent.api.status().warnings if "chmod 700" in text and "other users" in text]
    agent.stop()


def test_a_long_data_directory_still_has_a_socket(make_agent: Make, tmp_path: Path) -> None:
    """A path too long for a socket: the socket lies in a private directory elsewhere, and clients find it."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    agent = make_agent(data_dir=deep / "data")
    socket = Path(agent.api.status().socket)
    assert not socket.is_relative_to(deep)
    assert socket.stat().st_mode & 0o777 == 0o600
    agent.stop()
    assert not socket.exists()


def test_the_agent_ends_with_its_parent(make_agent: Make) -> None:
    """An agent whose parent is gone ends; all others of these tests have theirs, and go on."""
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            orphan = make_agent(options=["--parent", str(stranger.pid)], start=False)
            orphan.start(wait=False)
            assert orphan.process.wait(40) == 0  # not its parent at all: as if it were gone
        finally:
            stranger.kill()


WITHOUT_SOCKETS = """
import socket, types
import monitor.cli.app, monitor.agent.listener
there = types.ModuleType("socket")  # asyncio itself needs them here, so only the agent's door loses them
there.__dict__.update({name: value for name, value in vars(socket).items() if name != "AF_UNIX"})
monitor.agent.listener.socket = there
monitor.cli.app.main()
"""


def test_without_unix_sockets_it_listens_on_loopback_behind_a_token(tmp_path: Path) -> None:
    """Where there are no Unix sockets: a loopback port; who lacks the token is refused, who reads agent.json has it."""
    import httpx

    config, data = tmp_path / "w.toml", tmp_path / "d"
    config.write_text(ALONE, "utf-8")
    command = [
        sys.executable,
        "-c",
        WITHOUT_SOCKETS,
        "agent",
        "--quiet",
        "--data-dir",
        str(data),
        "--config",
        str(config),
    ]
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as agent:
        try:
            wait_until(lambda: (data / "agent.json").exists() or agent.poll() is not None, "it listens", seconds=60)
            assert agent.poll() is None, (tmp_path / "out").read_text("utf-8")
            assert (data / "agent.json").stat().st_mode & 0o777 == 0o600
            endpoint = read_endpoint(data)
            assert endpoint.socket is None
            assert str(endpoint.url).startswith("http://127.0.0.1:")
            with httpx.Client(trust_env=False, base_url=str(endpoint.url), timeout=patient(20)) as stranger:
                wait_until(lambda: _answers(stranger), "the port answers")
                assert stranger.get("/v1/status").status_code == 403
                assert stranger.post("/v1/shutdown", headers={"Authorization": "Bearer x"}).status_code == 403
            with Client.of(data, timeout_s=patient(20)) as client:
                assert client.status().agent.pid == endpoint.pid
                with client.live(Subscription(status=False)) as live:
                    assert live.receive(patient(10))["t"] == "hello"
                client.shutdown()
            assert agent.wait(patient(20)) == 0
        finally:
            if agent.poll() is None:
                agent.kill()
    assert not (data / "agent.json").exists()


def _answers(client: Any) -> bool:
    """Whether something listens."""
    import httpx

    try:
        client.get("/v1/status")
    except httpx.TransportError:
        return False
    return True
