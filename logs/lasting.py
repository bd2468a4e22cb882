"""Threads that outlive an error nobody thought of: a watch that stopped reading must not go on in silence."""

import logging
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger("watchkeeper.logs")
AGAIN_S: Final = 1.0


class Lasting:
    """A thread that does its work until that returns. After an error it is told of, and begins again.

    Args:
        work: returns when `stopping` is set, or when nothing is left to do.
        tell: gets a sentence for the status; the log gets the traceback.
        again_s: how long after an error the work begins again.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        stopping: threading.Event,
        tell: Callable[[str], None],
        again_s: float = AGAIN_S,
    ) -> None:
        self._work, self._stopping, self._tell, self._again_s = work, stopping, tell, again_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended, but not longer."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                self._work()
            except Exception as error:
                log.exception("%s failed and begins again in %g s", self._thread.name, self._again_s)
                self._tell(f"{self._thread.name} failed and began again: {type(error).__name__}: {error}.")
            else:
                return
            if self._stopping.wait(self._again_s):
                return
