"""Threads that outlive an unexpected error: a watch that stopped reading must not go on in silence."""

import logging
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger("watchkeeper.logs")
AGAIN_S: Final = 1.0


class SupervisedThread:
    """A thread that does its work until that returns. After an error it reports it and begins again.

    Args:
        work: returns when `stopping` is set, or when nothing is left to do. It calls `well` after each round.
        stopping: ends the thread.
        report: gets a sentence for the status, and an empty one when the error has passed; the log gets the traceback.
        again_s: seconds from an error to the next try.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        stopping: threading.Event,
        report: Callable[[str], None],
        again_s: float = AGAIN_S,
    ) -> None:
        self._work, self._stopping, self._report, self._again_s = work, stopping, report, again_s
        self._failed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait until it has ended, `timeout_s` at most; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def current(self) -> bool:
        """Whether the caller runs on this thread."""
        return threading.current_thread() is self._thread

    def well(self) -> None:
        """A round of work went well: an error of before has passed."""
        if self._failed:
            self._failed = False
            self._report("")

    def _run(self) -> None:
        while True:
            try:
                self._work()
            except Exception as error:
                log.exception("%s failed and begins again in %g s", self._thread.name, self._again_s)
                self._failed = True
                self._report(f"{self._thread.name} failed and began again: {type(error).__name__}: {error}.")
            else:
                self.well()
                return
            if self._stopping.wait(self._again_s):
                return
