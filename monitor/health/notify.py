"""Notifications: a message to an address, or to a command, when an alert fires. A thread of its own does it, with deadlines and a few tries."""

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from monitor.api_models.events import Notifications
from monitor.config.sections import AlertSettings
from monitor.core.errors import MonitorError

log = logging.getLogger("watchkeeper.alerts")
TRIES: Final = (0.0, 2.0, 10.0, 60.0)
"""Pauses before each try, seconds."""
ADDRESS_S: Final = 10.0
COMMAND_S: Final = 30.0
WAITING: Final = 100
SENT: Final = "sent"


class NotSent(MonitorError):
    """A notification did not arrive."""


class Notifier:
    """Sends notifications, one after the other.

    Args:
        settings: those in force.
        environ: where `env:NAME` is looked up, and what a command gets.
        pauses: before each try, seconds.
    """

    def __init__(
        self,
        settings: Callable[[], AlertSettings],
        environ: Callable[[], dict[str, str]] = lambda: dict(os.environ),
        pauses: Sequence[float] = TRIES,
    ) -> None:
        self._settings, self._environ, self._pauses = settings, environ, pauses
        self._queue: queue.Queue[tuple[dict[str, Any], Callable[[str], object]] | None] = queue.Queue(WAITING)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._sent = self._failed = 0
        self._trouble = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End; what waits is not sent, and its outcome says so."""
        self._ending.set()
        self._queue.put(None) if not self._queue.full() else None
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to notify."""
        return bool(self._settings().webhook or self._settings().command)

    def send(self, told: dict[str, Any], outcome: Callable[[str], object]) -> None:
        """Queue one. `outcome` is called on the thread, with `sent` or why not."""
        try:
            self._queue.put_nowait((told, outcome))
        except queue.Full:
            self._failed += 1
            outcome(f"more than {WAITING} notifications waited")

    def about(self) -> Notifications:
        """Where they go, and how that went."""
        settings = self._settings()
        to = [f"address {_host(settings.webhook)}"] if settings.webhook else []
        to += [f"command {settings.command[0]}"] if settings.command else []
        return Notifications(to=to, sent=self._sent, failed=self._failed, trouble=self._trouble)

    def deliver(self, told: dict[str, Any]) -> None:
        """Send one now, to all places that are set. Blocking.

        Raises:
            NotSent: one of them did not take it.
        """
        settings = self._settings()
        if settings.webhook:
            self._post(settings.webhook, told)
        if settings.command:
            self._call(settings.command, told)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None and not self._ending.is_set():
            told, outcome = item
            said = self._try(told)
            if said == SENT:
                self._sent, self._trouble = self._sent + 1, ""
            else:
                self._failed, self._trouble = self._failed + 1, said
                log.warning("a notification was not sent: %s", said)
            outcome(said)

    def _try(self, told: dict[str, Any]) -> str:
        said = "the agent ended"
        for pause in self._pauses:
            if self._ending.wait(pause):
                break
            try:
                self.deliver(told)
            except NotSent as error:
                said = error.message
            else:
                return SENT
        return said

    def _post(self, address: str, told: dict[str, Any]) -> None:
        url = self._resolved(address)
        # `text` is what Slack, Mattermost and Teams show, `content` what Discord shows.
        body = {"text": told["message"], "content": told["message"], **told}
        try:
            with httpx.stream("POST", url, json=body, timeout=ADDRESS_S, follow_redirects=False) as answer:
                status = answer.status_code  # what else it says does not matter
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise NotSent(f"{_host(url)} cannot be reached: {_plain(error)}") from error
        if not 200 <= status < 300:
            raise NotSent(f"{_host(url)} answered {status}")

    def _call(self, command: Sequence[str], told: dict[str, Any]) -> None:
        environ = self._environ() | {"WATCHKEEPER_ALERT": told["message"]}
        words = [os.path.expanduser(command[0]), *command[1:]]  # noqa: PTH111 - a word
        try:
            child = subprocess.Popen(
                words,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NotSent(f"{command[0]} cannot be run: {_plain(error)}") from error
        try:
            _, complaint = child.communicate((json.dumps(told) + "\n").encode(), COMMAND_S)
        except subprocess.TimeoutExpired as error:
            raise NotSent(f"{command[0]} did not end within {COMMAND_S:.0f} s") from error
        finally:
            _end(child)
        if child.returncode:
            last = complaint.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
            raise NotSent(f"{command[0]} ended with {child.returncode}{f': {last[0][:200]}' if last[0] else ''}")

    def _resolved(self, address: str) -> str:
        """The address itself, or what is in the variable or the file that holds it: such an address is often a secret."""
        kind, _, where = address.partition(":")
        if kind == "env":
            found = self._environ().get(where, "")
        elif kind == "file":
            try:
                found = Path(where).expanduser().read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise NotSent(f"{where}, which holds the address, cannot be read: {_plain(error)}") from error
        else:
            return address
        if not found.startswith(("http://", "https://")):
            raise NotSent(f"{address} holds no address that begins with http:// or https://")
        return found


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a command with all that it began."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
    for pipe in (child.stdin, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


def _host(address: str) -> str:
    """The address without what may be secret in it."""
    if address.startswith(("env:", "file:")):
        return address
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return "that address"
    return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"


def _plain(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
