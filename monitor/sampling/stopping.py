"""How the sampler stops: its input ends, its output breaks, or a signal arrives."""

import os
import select
import signal
import socket
import threading
from types import FrameType
from typing import Final

GRACE_S: Final = 2.0
"""After this time the process ends in any case: a sweep that hangs in the kernel must not outlive the agent."""


class Stopping:
    """Waits for a deadline or a stop. `stop` is safe in a signal handler and from any thread."""

    def __init__(self) -> None:
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._stopped = False

    def stop(self) -> None:
        """Request a stop; idempotent."""
        self._stopped = True
        self.nudge()

    def nudge(self) -> None:
        """End the wait that goes on, or the next one, without a stop; safe where `stop` is."""
        try:
            self._wake.send(b"x")
        except OSError:  # full or closed: the wait ends, or has ended, anyway
            return

    def wait(self, timeout_s: float) -> bool:
        """True if a stop was requested, False after `timeout_s` or a nudge."""
        if not self._stopped and select.select([self._woken], [], [], max(timeout_s, 0.0))[0]:
            self._woken.recv(4_096)
        return self._stopped

    def close(self) -> None:
        """Release the sockets."""
        self._wake.close()
        self._woken.close()

    def on_signals(self) -> None:
        """Stop on SIGTERM. Ctrl-C in a shared terminal is left to the agent, which then closes our input."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def on_end_of(self, fd: int) -> None:
        """Stop when `fd` ends, which happens when the agent ends for any reason."""
        threading.Thread(target=self._watch, args=(fd,), name="input", daemon=True).start()

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop()

    def _watch(self, fd: int) -> None:
        try:
            while os.read(fd, 4096):
                pass
        except OSError:  # a closed input is an ended input
            pass
        self.stop()
        timer = threading.Timer(GRACE_S, os._exit, args=(0,))
        timer.daemon = True
        timer.start()
