"""A bounded queue in front of a pipe, so that a slow reader never delays a sweep."""

import os
import threading
from collections import deque
from collections.abc import Callable


class Outlet:
    """Writes whole frames to a file descriptor, in a thread.

    Args:
        fd: where the frames go; blocking.
        on_broken: called once when the other end is gone.
        limit: bytes that may wait; above it `full` is true and the caller skips a sweep.
    """

    def __init__(self, fd: int, on_broken: Callable[[], None], *, limit: int = 4 * 1024 * 1024) -> None:
        self._fd = fd
        self._on_broken = on_broken
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether the reader is too far behind to send more now."""
        return self._bytes > self._limit

    def send(self, frame: bytes) -> None:
        """Queue one frame. Never blocks and never cuts a frame."""
        with self._changed:
            self._waiting.append(frame)
            self._bytes += len(frame)
            self._changed.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is queued, for at most `timeout_s`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                frame = self._waiting.popleft()
            try:
                rest = memoryview(frame)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:  # EPIPE, or the descriptor was closed: nobody reads any more
                self._on_broken()
                return
            with self._changed:
                self._bytes -= len(frame)
