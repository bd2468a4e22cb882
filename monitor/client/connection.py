"""How the agent is reached: what its HTTP clients and live sockets have in common."""

import functools
import ssl
from typing import Any, Final

import httpx

from monitor.core.endpoint import Endpoint, alive
from monitor.core.errors import AgentConnecting, AgentUnreachable

DROPPED: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.ConnectError)
"""What a request gets on a connection that the other side has closed."""
BASE: Final = "http://agent"
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


def unreachable(endpoint: Endpoint, error: Exception) -> AgentUnreachable:
    """Why the agent does not answer, and what to do: nothing, while it runs or the launcher starts it again."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return AgentUnreachable("the agent did not answer in time", hint="run `watchkeeper status`")
    if isinstance(error, PermissionError) or "Permission denied" in str(error):
        return AgentUnreachable(
            f"the agent at {endpoint.name} belongs to another user", hint="choose your own with --data-dir"
        )
    if endpoint.pid is not None and alive(endpoint.pid, endpoint.started):
        return AgentConnecting(
            f"the agent (process {endpoint.pid}) runs, but does not answer yet",
            hint="wait a moment; `watchkeeper status` shows its state",
        )
    if endpoint.launcher is not None and alive(endpoint.launcher, endpoint.launcher_started):
        return AgentConnecting(
            "the agent has ended and is being started again", hint="wait a moment; agent.log says why it ended"
        )
    return AgentUnreachable(f"no agent answers at {endpoint.name}", hint=START_HINT)
