"""A child process of the launcher: in a session of its own, restarted with growing pauses, stopped by pid."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitor.core.log_file import open_log

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STABLE_S: Final = 30.0
MAX_FAILURES: Final = 5
LAST_WORDS: Final = 4000


class Child:
    """One child; `start` again after it ended.

    Args:
        name: its name in messages.
        command: what to run.
        cwd: its working directory.
        errors: file for its output, rotated at a start if it is large.
    """

    def __init__(self, name: str, command: Sequence[str], *, cwd: Path, errors: Path) -> None:
        self.name, self._command, self._cwd, self._errors = name, list(command), cwd, errors
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._due_at: float | None = None
        self._words_from = 0
        self.failures = 0

    @property
    def pid(self) -> int | None:
        """Its process ID."""
        return self._process.pid if self._process else None

    @property
    def noticed(self) -> bool:
        """Whether its end was noticed and the next start is planned."""
        return self._due_at is not None

    def start(self) -> None:
        """Start it."""
        descriptor = open_log(self._errors)
        self._words_from = os.fstat(descriptor).st_size
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self._began, self._due_at = time.monotonic(), None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll() if self._process else None

    def settled(self) -> None:
        """Forget its failures once it has run long enough."""
        if self.failures and time.monotonic() - self._began > STABLE_S:
            self.failures = 0

    def given_up(self, *, passes: bool) -> bool:
        """Whether it ended too often in a row to be started again. Where the cause `passes`, as a full disk does, it is tried until it has."""
        if self.noticed:
            return False
        if passes:
            self.failures = min(self.failures, MAX_FAILURES - 1)
        return self.failures >= MAX_FAILURES

    def due(self) -> bool:
        """Whether the pause after its end is over. The first call starts the pause."""
        if self._due_at is None:
            self._due_at = time.monotonic() + min(FIRST_PAUSE_S * 2**self.failures, LONGEST_PAUSE_S)
            self.failures += 1
        return time.monotonic() >= self._due_at

    def ending(self) -> str:
        """How it ended, in words."""
        code = self.poll()
        if code is None:
            return "still running"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until it is gone; kill it at `deadline` (monotonic)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The end of what it wrote since its start."""
        try:
            with self._errors.open("rb") as source:
                end = source.seek(0, os.SEEK_END)
                began = self._words_from if self._words_from <= end else 0  # it was rotated meanwhile
                source.seek(max(began, end - LAST_WORDS))
                return source.read().decode("utf-8", "replace")
        except OSError:
            return ""
