"""The real sampler process, and the agent's side that keeps it running."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from array import array
from pathlib import Path
from typing import Any

import pytest

from monitor.lifecycle.choose import open_exits
from monitor.metrics.messages import PROTOCOL, Hello, Lives, Tick, read_messages
from monitor.sampling.process import ROOT, SamplerProcess
from tests.doubles.alone import ALONE
from tests.waiting import patient, wait_until

COMMAND = [sys.executable, "-m", "monitor.sampling", "--interval", "0.1"]


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture
def sampler(spawn: Any) -> Any:
    """A bare sampler process and its messages, without what ends between two ticks."""
    child = spawn(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    return child, (one for one in read_messages(child.stdout) if not isinstance(one, Lives))


@pytest.fixture
def keep() -> Any:
    """Keep sampler processes; all are stopped at the end."""
    kept: list[SamplerProcess] = []

    def make(**options: Any) -> Any:
        messages: list[Hello | Tick] = []
        states: list[tuple[str, str]] = []
        options.setdefault("interval_s", 0.1)
        receive = options.pop("receive", messages.append)
        one = options.pop("kind", SamplerProcess)(receive, lambda state, why: states.append((state, why)), **options)
        kept.append(one)
        one.start()
        return one, messages, states

    yield make
    for one in kept:
        one.stop()


def test_ends_do_not_wait_for_a_sweep(spawn: Any) -> None:
    """With a minute between two sweeps: a process that the first one saw, and one that it did not, are told when they are over, and once."""
    source = open_exits(lambda: 100)
    if source is None:
        pytest.skip("nobody tells of ends here")
    source.close()
    known = spawn(["sleep", "600"])
    command = [*COMMAND[:-1], "60"]
    child = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    messages = read_messages(child.stdout)
    tick = next(one for one in messages if isinstance(one, Tick))
    [run] = [info.run for info in tick.born if info.pid == known.pid]
    brief = spawn(["sh", "-c", "exit 3"])
    brief.wait()
    known.kill()
    known.wait()
    told: dict[int, tuple[int | None, int | None]] = {}
    for one in messages:
        assert isinstance(one, Lives)
        pids = {info.run: info.pid for info in one.brief} | {run: known.pid}
        ends = {pids[end.run]: (end.exit_code, end.exit_signal) for end in one.ends if end.run in pids}
        assert not ends.keys() & told.keys()
        told |= ends
        if run in one.gone:
            break
    assert told[known.pid][1] in {9, None}
    assert source.name != "connector" or (told[brief.pid], told[known.pid]) == ((3, None), (None, 9))


def test_hello_then_ticks(sampler: Any) -> None:
    """The first frame says who speaks, then come ticks without a hole, the first with every process."""
    child, messages = sampler
    hello = next(messages)
    assert isinstance(hello, Hello)
    assert (hello.protocol, hello.pid, hello.interval_s) == (PROTOCOL, child.pid, 0.1)
    ticks = [next(messages) for _ in range(3)]
    assert len(ticks[0].born) == ticks[0].host.procs_total == len(ticks[0].runs.run) // 8
    assert child.pid in {info.pid for info in ticks[0].born}
    assert ticks[1].host.cpu_pct is not None
    assert ticks[2].quality.rss < 45_000_000
    assert abs(ticks[2].ts / 1e6 - time.time()) < 5


def test_it_has_a_session_of_its_own(sampler: Any) -> None:
    """It shares neither the CPU share nor the Ctrl-C of the terminal it was started from."""
    child, messages = sampler
    next(messages)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_own_patterns_reach_the_sampler(keep: Any, spawn: Any) -> None:
    """A pattern of one's own hides its secret in command lines, and stands in none itself, nor in an environment."""
    child = spawn(["/bin/sh", "-c", "read line", "badge-4711"], stdin=subprocess.PIPE)
    sampler, messages, _ = keep(mask=["badge-(?P<secret>[0-9]+)", "grüße|\n"])
    born = wait_until(lambda: [info for tick in messages if isinstance(tick, Tick) for info in tick.born])
    assert [info.cmdline for info in born if info.pid == child.pid] == ["/bin/sh -c read line badge-***"]
    for place in ("cmdline", "environ"):
        assert b"badge-" not in Path(f"/proc/{sampler.pid}/{place}").read_bytes()


def test_the_agent_hands_its_patterns_on(make_agent: Any, spawn: Any) -> None:
    """`masking.extra` hides what it names in the command lines that the agent shows."""
    child = spawn(["/bin/sh", "-c", "read line", "badge-4711"], stdin=subprocess.PIPE)
    agent = make_agent(f"{ALONE}[masking]\nextra = ['badge-[0-9]+']\n")
    shown = wait_until(lambda: [p.cmdline for p in agent.api.processes().processes if p.pid == child.pid])
    assert shown == ["/bin/sh -c read line ***"]


def test_patterns_that_cannot_be_read_are_told(spawn: Any) -> None:
    """A first line that is no list of regular expressions ends the sampler with the reason."""
    for line in (b"", b"{}\n", b'["("]\n'):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = spawn([*COMMAND, "--masks-from-input"], cwd=ROOT, **options)
        _, said = child.communicate(line, timeout=patient(20))
        assert child.returncode == 2
        assert b"patterns to hide" in said


def test_end_of_input_ends_it(sampler: Any) -> None:
    """When the agent is gone, so is the sampler, with code 0 and nothing to say."""
    child, messages = sampler
    next(messages)
    child.stdin.close()
    assert child.wait(patient(5)) == 0
    assert child.stderr.read() == b""


def test_a_broken_output_ends_it(sampler: Any) -> None:
    """When nobody reads any more it ends by itself."""
    child, messages = sampler
    next(messages)
    child.stdout.close()
    assert child.wait(patient(5)) == 0


def test_sigterm_ends_it_and_ctrl_c_does_not(sampler: Any) -> None:
    """SIGTERM is an orderly end; an interrupt from a shared terminal is the agent's affair."""
    child, messages = sampler
    next(messages)
    child.send_signal(signal.SIGINT)
    assert isinstance(next(messages), Tick)
    child.send_signal(signal.SIGTERM)
    assert child.wait(patient(5)) == 0


def test_a_reader_that_pauses_gets_whole_frames_and_a_hole(spawn: Any) -> None:
    """A blocked pipe costs ticks, counted as such; frames stay whole and a birth meanwhile is told later."""
    command = [*COMMAND, "--interval", "0.05", "--buffer", "1"]
    child = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    waiting = array("i", [0])
    seen: list[int] = []

    def pipe_is_full() -> bool:
        """The sampler samples twenty times a second, and the pipe takes no more of it."""
        fcntl.ioctl(child.stdout, termios.FIONREAD, waiting)
        seen.append(waiting[0])
        return waiting[0] > 0 and len(seen) > 60 and len(set(seen[-60:])) == 1

    wait_until(pipe_is_full, seconds=20)
    newcomer = spawn(["/bin/sleep", "600"])
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.5)
    ticks: list[Tick] = []
    for message in read_messages(child.stdout):
        if isinstance(message, Tick):
            ticks.append(message)
            if message.quality.errors.get("agent_slow", 0) >= 5:
                break
    seqs = [tick.seq for tick in ticks]
    assert seqs == sorted(set(seqs))
    assert seqs[-1] >= len(seqs) + 5
    assert ticks[-1].quality.expected - ticks[-1].quality.taken >= ticks[-1].quality.errors["agent_slow"] >= 5
    assert newcomer.pid in {info.pid for tick in ticks for info in tick.born}


def test_a_sampler_that_was_held_up_leaves_a_hole(sampler: Any) -> None:
    """A sampler that did not run for a while skips the seconds it missed."""
    child, messages = sampler
    first = [next(messages) for _ in range(3)][-1]
    child.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() - stopped > 0.5)
    child.send_signal(signal.SIGCONT)
    later = [next(messages) for _ in range(5)]
    assert later[-1].seq - first.seq > 5
    assert later[-1].quality.expected > later[-1].quality.taken


@pytest.mark.parametrize(
    "arguments", [["--interval", "0"], ["--interval", "soon"], ["--reader", "none"], ["--mask", "x"]]
)
def test_wrong_arguments_are_refused(arguments: Any) -> None:
    """Wrong options end with code 2 and a line that names them."""
    done = subprocess.run(
        [sys.executable, "-m", "monitor.sampling", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=patient(20),
    )
    assert done.returncode == 2
    assert arguments[0].encode() in done.stderr


def test_kept_sampler_runs_and_stops(keep: Any) -> None:
    """Starting tells `starting`, then `running`; stopping leaves no process and no zombie."""
    one, messages, states = keep()
    wait_until(lambda: len(messages) > 3)
    pid = one.pid
    assert one.state == "running"
    one.stop()
    assert [state for state, _ in states] == ["starting", "running", "down"]
    assert one.pid is None
    assert _is_gone(pid)
    one.stop()


def test_killed_sampler_is_restarted(keep: Any) -> None:
    """A sampler that is killed comes back under another pid, with a new Hello, and the reason is told."""
    one, messages, states = keep()
    wait_until(lambda: len(messages) > 2)
    pid = one.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: one.pid not in (None, pid) and one.state == "running")
    wait_until(lambda: sum(isinstance(message, Hello) for message in messages) == 2)
    assert one.restarts == 1
    assert any(state == "down" and "signal 9" in why for state, why in states)
    assert _is_gone(pid)


def test_silent_sampler_is_ended_and_restarted(keep: Any) -> None:
    """A sampler that sends nothing for ten intervals is replaced."""
    one, messages, states = keep(interval_s=0.05)
    wait_until(lambda: len(messages) > 2)
    pid = one.pid
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: one.pid not in (None, pid) and one.state == "running", seconds=20)
    assert any("silent" in why for _, why in states)
    wait_until(lambda: _is_gone(pid), "the silent one is gone")


def test_a_receiver_that_is_slow_is_not_the_samplers_fault(keep: Any) -> None:
    """While the agent works on a message for long, the sampler is left alone."""
    release, entered = threading.Event(), threading.Event()

    def receive(_message: Any) -> None:
        entered.set()
        release.wait(patient(20))

    one, _, states = keep(interval_s=0.05, receive=receive)
    assert entered.wait(patient(10))
    held = time.monotonic()
    wait_until(lambda: time.monotonic() - held > 2.5)
    assert (one.restarts, one.state) == (0, "running")
    release.set()
    assert [state for state, _ in states] == ["starting", "running"]


def test_failing_starts_are_told_and_not_hurried(keep: Any) -> None:
    """A command that fails at once is tried again with growing pauses, and its last words are told."""
    one, _, states = keep(command=[sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])
    wait_until(lambda: one.restarts >= 2)
    downs = [why for state, why in states if state == "down"]
    assert "code 3: no luck" in downs[0]
    assert "0.2 s" in downs[0]
    assert "0.4 s" in downs[1]


def test_one_that_ends_before_it_took_its_instructions_is_started_again(
    keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler that is dead before it is told its patterns is one that ended, and not the end of the watch over it."""

    class Late(SamplerProcess):
        def _spawn(self) -> subprocess.Popen[bytes]:
            child = super()._spawn()
            child.wait(patient(20))
            return child

    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    one, _, states = keep(kind=Late, mask=["badge-[0-9]+"])
    wait_until(lambda: one.restarts >= 2)
    assert "the sampler ended with code 1" in next(why for state, why in states if state == "down")


def test_a_command_that_does_not_exist_is_told(keep: Any) -> None:
    """A missing program is a state, not an exception."""
    _, _, states = keep(command=["/does/not/exist"])
    wait_until(lambda: any("could not be started" in why for _, why in states))


def test_garbage_on_the_pipe_restarts_it(keep: Any) -> None:
    """Bytes that are no frame end that sampler; the next one is started."""
    one, _, states = keep(
        command=[
            sys.executable,
            "-c",
            "import sys,time; sys.stdout.buffer.write(b'\\xff'*64); sys.stdout.flush(); time.sleep(60)",
        ]
    )
    wait_until(lambda: one.restarts >= 1)
    assert any("frame could not be read" in why for _, why in states)


def test_no_orphan_when_the_agent_is_killed(spawn: Any) -> None:
    """An agent that dies by SIGKILL takes its sampler with it."""
    script = (
        "import time\nfrom monitor.sampling.process import SamplerProcess\n"
        "s=SamplerProcess(lambda m: print(s.pid, flush=True), lambda *_: None, interval_s=0.2)\n"
        "s.start(); time.sleep(60)\n"
    )
    agent = spawn([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    pid = int(agent.stdout.readline())
    assert not _is_gone(pid)
    agent.kill()
    agent.wait()
    wait_until(lambda: _is_gone(pid))
