"""How the agent is reached: what its HTTP clients and live sockets have in common."""

import functools
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

import httpx

from monitor.core.endpoint import Endpoint, alive
from monitor.core.errors import AgentConnecting, AgentUnreachable

DROPPED: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.ConnectError)
"""What a request gets on a connection that the other side has closed."""
BASE: Final = "http://agent"
KNOCK: Final = b"GET /v1/alive HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
"""Answered without a look at the store, and by an agent of any version with something."""
BELIEVED_S: Final = 1.0
"""How long an agent counts as answering, or as silent, without another knock."""
START_HINT: Final = "start one with `watchkeeper` (with the dashboard) or `watchkeeper agent`"


@functools.cache
def no_authorities() -> ssl.SSLContext:
    """A TLS context without certificate authorities.

    The agent speaks plain HTTP on this machine. By default, every client would first load the list of authorities, which takes
    19 ms of a core for each command and each tab that opens.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_options(endpoint: Endpoint, timeout_s: float) -> dict[str, Any]:
    """What `httpx.Client` and `httpx.AsyncClient` are made with, but for their transport."""
    return {
        "base_url": endpoint.url or BASE,
        "headers": endpoint.headers,
        "timeout": httpx.Timeout(timeout_s, connect=2.0),
        "trust_env": False,
    }


def live_url(endpoint: Endpoint) -> str:
    """The address of the live socket, for agents that are not reached by a socket of this machine."""
    return f"{(endpoint.url or BASE).replace('http', 'ws', 1)}/v1/live"


def live_options(endpoint: Endpoint) -> dict[str, Any]:
    """What a live socket is opened with, by `websockets`."""
    return {
        "max_size": 64 * 1024 * 1024,
        "open_timeout": 5,
        "close_timeout": 1,
        "compression": None,
        "additional_headers": endpoint.headers,
    }


class Knocker:
    """Finds out whether an agent answers at all before a long wait for an answer. Safe to share between threads.

    A process that hangs or was stopped still has its socket: the kernel accepts every connection. Each request would wait until its own
    deadline, one after the other.

    Args:
        endpoint: of the agent.
        threads: at most so many requests at a time are watched; 0: none, they wait until their deadline.
        answer_s: an agent that is silent on a knock for so long hangs, or was stopped.
    """

    def __init__(self, endpoint: Endpoint, threads: int = 0, answer_s: float = 2.5) -> None:
        self._endpoint, self._answer_s = endpoint, answer_s
        self._answered, self._silent = float("-inf"), float("-inf")
        self._pool = ThreadPoolExecutor(threads, "request") if threads else None

    def close(self) -> None:
        """Wait for nothing that is still under way."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def answered(self, *, again: bool = True) -> None:
        """An answer came; with `again` False the next request knocks anew."""
        self._answered = time.monotonic() if again else float("-inf")

    def knock(self) -> None:
        """Check that the agent answers. httpx would leave the socket of a failed connection open until it is garbage-collected.

        Raises:
            AgentUnreachable: it does not.
        """
        now = time.monotonic()
        if self._endpoint.socket is None or now - self._answered < BELIEVED_S:
            return
        if now - self._silent < BELIEVED_S:
            silence = TimeoutError()
            raise unreachable(self._endpoint, silence) from silence
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(self._answer_s)
                probe.connect(self._endpoint.socket)
                probe.sendall(KNOCK)
                probe.recv(4096)
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._silent = time.monotonic()
            raise unreachable(self._endpoint, error) from error
        self.answered()

    def send(self, http: httpx.Client, request: httpx.Request) -> httpx.Response:
        """Send a request. Where requests are watched, one that takes long is given up once the agent does not answer at all.

        Raises:
            AgentUnreachable: the agent stopped answering meanwhile.
        """
        if self._pool is None or self._endpoint.socket is None:
            return http.send(request)
        answer = self._pool.submit(http.send, request)
        while not wait([answer], timeout=self._answer_s).done:
            self.answered(again=False)
            self.knock()
        return answer.result()


def unreachable(endpoint: Endpoint, error: Exception) -> AgentUnreachable:
    """Why the agent does not answer, and what to do: nothing, while it runs or the launcher starts it again."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return AgentUnreachable("the agent did not answer in time", hint="run `watchkeeper status`")
    if isinstance(error, PermissionError) or "Permission denied" in str(error):
        return AgentUnreachable(
            f"the agent at {endpoint.name} belongs to another user", hint="choose your own with --data-dir"
        )
    if endpoint.pid is not None and alive(endpoint.pid, endpoint.started):
        if _is_stopped(endpoint.pid):
            return AgentConnecting(
                f"the agent (process {endpoint.pid}) is stopped and does not answer",
                hint=f"`kill -CONT {endpoint.pid}` lets it go on",
            )
        return AgentConnecting(
            f"the agent (process {endpoint.pid}) runs, but does not answer yet",
            hint="wait a moment; `watchkeeper status` shows its state",
        )
    if endpoint.launcher is not None and alive(endpoint.launcher, endpoint.launcher_started):
        return AgentConnecting(
            "the agent has ended and is being started again", hint="wait a moment; agent.log says why it ended"
        )
    return AgentUnreachable(f"no agent answers at {endpoint.name}", hint=START_HINT)


def _is_stopped(pid: int) -> bool:
    """Whether a process is held by SIGSTOP or a debugger; False where nobody can tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in {b"T", b"t"}
    except (OSError, IndexError):
        return False
