"""Notifications: a message to an address, or to a command, when an alert fires. A thread of its own does it, with deadlines and a few tries."""

import asyncio
import contextlib
import json
import logging
import os
import queue
import selectors
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final, cast

import httpx

from monitor.api_models.events import Notifications
from monitor.config.alerts import shown_address
from monitor.config.sections import AlertSettings
from monitor.core.errors import MonitorError

log = logging.getLogger("watchkeeper.alerts")
TRIES: Final = (0.0, 2.0, 10.0, 60.0)
"""Pauses before each try, seconds."""
ADDRESS_S: Final = 10.0
COMMAND_S: Final = 30.0
WAITING: Final = 100
ADDRESS_BYTES: Final = 8_192
"""A file with an address has at most so much."""
_LOOK_S: Final = 0.05
_KEPT_BYTES: Final = 4_096
"""So much of a command's last words is kept."""
SENT: Final = "sent"
BEING_SENT: Final = "being sent"


class NotSent(MonitorError):
    """A notification did not arrive."""


class Notifier:
    """Sends notifications, one after the other.

    Args:
        settings: those in force.
        environ: where `env:NAME` is looked up, and what a command gets.
        pauses: before each try, seconds.
        address_s: how long an address has for its answer, all of it.
        command_s: how long a command has to end.
    """

    def __init__(
        self,
        settings: Callable[[], AlertSettings],
        environ: Callable[[], dict[str, str]] = lambda: dict(os.environ),
        pauses: Sequence[float] = TRIES,
        address_s: float = ADDRESS_S,
        command_s: float = COMMAND_S,
    ) -> None:
        self._settings, self._environ, self._pauses = settings, environ, pauses
        self._address_s, self._command_s = address_s, command_s
        self._queue: queue.Queue[tuple[dict[str, Any], Callable[[str], object]] | None] = queue.Queue(WAITING)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._sent = self._failed = 0
        self._trouble = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End. What waits is sent once more, within this time; what is not taken by then has no outcome."""
        until = time.monotonic() + timeout_s
        self._ending.set()
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=timeout_s)
            self._thread.join(max(0.0, until - time.monotonic()))

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
        to = [f"address {shown_address(settings.webhook)}"] if settings.webhook else []
        to += [f"command {settings.command[0]}"] if settings.command else []
        return Notifications(to=to, sent=self._sent, failed=self._failed, trouble=self._trouble)

    def deliver(self, told: dict[str, Any], taken: set[str] | None = None) -> None:
        """Send one now, to all places that are set. Blocking.

        Args:
            told: the notification.
            taken: the places that have it and do not get it again; those that take it are added.

        Raises:
            NotSent: one of them did not take it. The others have it.
        """
        settings, taken, failed = self._settings(), set() if taken is None else taken, list[str]()
        places: dict[str, Callable[[], None]] = {}
        if settings.webhook:
            places["address"] = lambda: self._post(settings.webhook, told)
        if settings.command:
            places["command"] = lambda: self._call(settings.command, told)
        for place, send in places.items():
            if place not in taken:
                try:
                    send()
                except NotSent as error:
                    failed.append(error.message)
                else:
                    taken.add(place)
        if failed:
            raise NotSent("; ".join(failed))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            told, outcome = item
            said = self._try(told)
            if said is None:
                continue
            if said == SENT:
                self._sent, self._trouble = self._sent + 1, ""
            else:
                self._failed, self._trouble = self._failed + 1, said
                log.warning("a notification was not sent: %s", said)
            outcome(said)

    def _try(self, told: dict[str, Any]) -> str | None:
        """`sent`, or why not; None when the agent ends meanwhile."""
        said, taken = "", set[str]()
        for number, pause in enumerate(self._pauses):
            if self._ending.wait(pause) and number:
                return None
            try:
                self.deliver(told, taken)
            except NotSent as error:
                said = error.message
            except Exception as error:
                log.exception("a notification failed")  # the next one may not
                said = f"it failed: {_plain(error)}"
            else:
                return SENT
        return said

    def _post(self, address: str, told: dict[str, Any]) -> None:
        url = self._resolved(address)
        # `text` is what Slack, Mattermost and Teams show, `content` what Discord shows.
        body = {"text": told["message"], "content": told["message"], **told}
        try:
            status = asyncio.run(asyncio.wait_for(_posted(url, json.dumps(body).encode()), self._address_s))
        except TimeoutError as error:
            raise NotSent(f"{shown_address(url)} did not answer within {self._address_s:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ExceptionGroup) as error:
            raise NotSent(f"{shown_address(url)} cannot be reached: {_plain(error)}") from error
        if not 200 <= status < 300:
            raise NotSent(f"{shown_address(url)} answered {status}")

    def _call(self, command: Sequence[str], told: dict[str, Any]) -> None:
        # No variable holds NUL, and a lone surrogate is no text: a message is worth more than its odd characters.
        message = told["message"].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        environ = self._environ() | {"WATCHKEEPER_ALERT": message}
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
            said = (json.dumps(told) + "\n").encode()
            if os.name == "nt":  # pipes cannot be waited for there
                _, complaint = child.communicate(said, self._command_s)
            else:
                complaint = _heard(child, said, time.monotonic() + self._command_s)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise NotSent(f"{command[0]} did not end within {self._command_s:.0f} s") from error
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
                found = _in_file(Path(where).expanduser())
            except (OSError, ValueError, RuntimeError) as error:
                raise NotSent(f"{where}, which holds the address, cannot be read: {_plain(error)}") from error
        else:
            return address
        if not found.startswith(("http://", "https://")):
            raise NotSent(f"{address} holds no address that begins with http:// or https://")
        return found


async def _posted(url: str, body: bytes) -> int:
    """The status that an address answers; what else it says does not matter."""
    headers = {"content-type": "application/json"}
    async with (
        httpx.AsyncClient(timeout=ADDRESS_S, follow_redirects=False) as client,
        client.stream("POST", url, content=body, headers=headers) as answer,
    ):
        return answer.status_code


def _in_file(path: Path) -> str:
    """What an ordinary file holds. Anything else, such as a pipe, may never answer or never end.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it is something else.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is no ordinary file")
        found = file.read(ADDRESS_BYTES + 1)
    if len(found) > ADDRESS_BYTES:
        raise ValueError("it is too long for an address")
    return found.decode("utf-8").strip()


def _heard(child: "subprocess.Popen[bytes]", said: bytes, until: float) -> bytes:
    """Tell a command something, and keep its last complaints until it ends. What it began in the background is not waited for.

    Raises:
        TimeoutError: it has not ended.
    """
    kept = b""

    def say() -> bool:
        nonlocal said
        said = said[os.write(told.fileno(), said) :]
        return bool(said)

    def hear() -> bool:
        nonlocal kept
        piece = os.read(complaint.fileno(), 65_536)
        kept = (kept + piece)[-_KEPT_BYTES:]
        return bool(piece)

    told, complaint = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stderr)
    with selectors.DefaultSelector() as ready:
        for pipe, event, act in ((told, selectors.EVENT_WRITE, say), (complaint, selectors.EVENT_READ, hear)):
            os.set_blocking(pipe.fileno(), False)
            ready.register(pipe, event, (pipe, act))
        ended = False
        while not ended:
            if time.monotonic() > until:
                raise TimeoutError
            ended = child.poll() is not None  # before the last look: what it wrote until then is there
            if not (found := ready.select(0 if ended else _LOOK_S)) and not ended:
                time.sleep(_LOOK_S)  # with nothing to wait for, a selector may not wait
            for key, _ in found:
                pipe, act = key.data
                if not _goes_on(act):
                    ready.unregister(pipe)
                    pipe.close()
    return kept


def _goes_on(act: Callable[[], bool]) -> bool:
    """Whether there is more to say or to hear."""
    try:
        return act()
    except BlockingIOError:
        return True
    except BrokenPipeError:  # it does not want to hear it
        return False


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a command with all that it began."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
    for pipe in (child.stdin, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


def _plain(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
