"""The agent's side of the sampler: starts the process, reads its frames, and restarts it if it dies or hangs."""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from monitor.core.this_process import ahead
from monitor.metrics.messages import Message, read_messages

State = Literal["starting", "running", "down"]
ROOT: Final = Path(__file__).resolve().parents[2]
"""The directory that holds `monitor/`, in a checkout and in a wheel."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0
SILENT_INTERVALS: Final = 10
START_GRACE_S: Final = 20.0
"""Time allowed for the first frame: a cold start imports from a slow disk."""
_log: Final = logging.getLogger("watchkeeper.sampler")


class SamplerProcess:
    """Keeps one sampler process running between `start` and `stop`.

    The child ends by itself when its standard input closes, so it never outlives this process, however this one ends.

    Args:
        on_message: called with each `Hello` and `Tick` in the reading thread; what it raises restarts the sampler.
        on_state: called with the new state (`starting`, `running`, `down`) and a sentence; the sentence is empty when running.
        interval_s: seconds between samples.
        command: the sampler's command line; None takes `python -m monitor.sampling --interval …`.
        mask: further patterns of secrets in command lines, see `masking.Masker`. They go through the child's standard input:
            a pattern may name what it hides, and anybody on the machine can read a command line.
    """

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_state: Callable[[str, str], None],
        *,
        interval_s: float = 1.0,
        command: Sequence[str] | None = None,
        mask: Sequence[str] = (),
    ) -> None:
        self._on_message = on_message
        self._on_state = on_state
        self._silence_s = max(SILENT_INTERVALS * interval_s, 2.0)
        default = [sys.executable, "-m", "monitor.sampling", "--interval", str(interval_s)]
        self._first_words = b""
        if mask and command is None:
            default.append("--masks-from-input")
            self._first_words = json.dumps(list(mask)).encode() + b"\n"
        self._command = tuple(command or default)
        self._changed = threading.Condition()
        self._child: subprocess.Popen[bytes] | None = None
        self._state: State = "down"
        self._restarts = 0
        self._stopping = False
        self._waits_since: float | None = None
        self._last_words = ""
        self._frames = 0
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The sampler's process ID; None while it is not running."""
        child = self._child
        return None if child is None else child.pid

    @property
    def state(self) -> State:
        """`starting` until its first frame, `running`, or `down`."""
        return self._state

    @property
    def restarts(self) -> int:
        """Number of restarts."""
        return self._restarts

    def start(self) -> None:
        """Start the sampler and keep it running. Returns at once.

        Raises:
            RuntimeError: it was started before.
        """
        if self._thread is not None:
            raise RuntimeError("a SamplerProcess is started once")
        self._thread = threading.Thread(target=self._keep, name="sampler-keeper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop the sampler: close its input, then terminate, then kill. It is always reaped. Idempotent."""
        with self._changed:
            self._stopping = True
            child = self._child
            self._changed.notify_all()
        if child is not None:
            self._end(child, timeout_s)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s + 2.0)

    def _keep(self) -> None:
        """Run one child after another, with growing pauses after early failures."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            self._tell(
                "starting", "the sampler is starting" if self._restarts == 0 else "the sampler is starting again"
            )
            self._frames = 0
            began = time.monotonic()
            why = self._run_once()
            if self._stopping:
                break
            if self._frames > SILENT_INTERVALS or time.monotonic() - began > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            self._restarts += 1
            self._tell("down", f"{why}; next attempt in {pause_s:.1f} s")
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._tell("down", "the sampler was stopped")

    def _run_once(self) -> str:
        """Run one child; returns why it ended."""
        try:
            child = self._spawn()
        except OSError as error:
            return f"the sampler could not be started: {error}"
        readers = [
            threading.Thread(target=self._read, args=(child.stdout,), name="sampler-frames", daemon=True),
            threading.Thread(target=self._hear, args=(child.stderr,), name="sampler-words", daemon=True),
        ]
        for thread in readers:
            thread.start()
        self._instruct(child)
        silent = self._watch(readers[0])
        self._end(child, 1.0 if not silent else 0.0)
        for thread in readers:
            thread.join(2.0)
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        with self._changed:
            self._child = None
        if silent:
            return f"the sampler was silent for {self._silence_s:.0f} s and was ended"
        ending = f"the sampler ended with {_ending(child.returncode)}"
        return f"{ending}: {self._last_words}" if self._last_words else ending

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the child under the lock, so that a concurrent `stop` either prevents it or sees it.

        Raises:
            OSError: it cannot be started.
        """
        # PYTHONSAFEPATH would keep the working directory off the child's path.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
        self._last_words = ""
        with self._changed:
            self._waits_since = time.monotonic()
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                env=environment,
            )
            self._child = child
            if self._stopping:
                child.kill()
        return child

    def _instruct(self, child: subprocess.Popen[bytes]) -> None:
        """Send the child what its command line does not contain. If it has died already, its silence shows that."""
        if self._first_words and child.stdin is not None:
            try:
                child.stdin.write(self._first_words)
                child.stdin.flush()
            except (BrokenPipeError, ValueError) as error:  # ValueError: `stop` has closed it
                _log.debug("sampler: took no instructions (%s)", error)

    def _read(self, stream: BinaryIO) -> None:
        """Pass every frame on, until the stream ends, a frame is damaged, or the receiver fails."""
        try:
            with ahead():
                self._pass_on(stream)
        except (ValueError, msgspec.DecodeError) as error:
            self._last_words = f"a frame could not be read ({error})"
            _log.error("sampler: %s", self._last_words)
        finally:
            self._waits_since = time.monotonic()
            with self._changed:
                self._changed.notify_all()

    def _pass_on(self, stream: BinaryIO) -> None:
        for message in read_messages(stream):
            self._waits_since = None  # silence while the receiver works is not the sampler's
            if self._state != "running":
                self._tell("running", "")
            self._frames += 1
            self._on_message(message)
            self._waits_since = time.monotonic()

    def _hear(self, stream: BinaryIO) -> None:
        """Log what the sampler writes to standard error. The last line explains why it ended."""
        for line in stream:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._last_words = text[:300]
                _log.warning("sampler: %s", text[:2000])

    def _watch(self, reader: threading.Thread) -> bool:
        """Wait until the frames end; returns True if the sampler hangs instead."""
        while reader.is_alive():
            with self._changed:
                self._changed.wait(min(self._silence_s / 4, 1.0))
            if self._stopping:
                reader.join(0.05)
                continue
            since = self._waits_since
            allowed = self._silence_s if self._frames else max(self._silence_s, START_GRACE_S)
            if since is not None and time.monotonic() - since > allowed:
                return reader.is_alive()
        return False

    def _end(self, child: subprocess.Popen[bytes], timeout_s: float) -> None:
        """End a child and reap it."""
        if child.stdin is not None and not child.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it ended before it read what it was told
                child.stdin.close()
        for insist, wait_s in ((None, timeout_s), (child.terminate, 1.0), (child.kill, 5.0)):
            if insist is not None:
                insist()
            try:
                child.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
            return
        _log.error("sampler: process %d does not end even when killed", child.pid)

    def _tell(self, state: State, message: str) -> None:
        self._state = state
        self._on_state(state, message)


def _ending(code: int | None) -> str:
    """A return code in words."""
    if code is None:
        return "no code"
    return f"code {code}" if code >= 0 else f"signal {-code}"
