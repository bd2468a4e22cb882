"""Hands events of a program to the running agent, without harming the program when there is none."""

import http.client
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from monitor.api_models.events import ProcessEvent
from monitor.core.endpoint import Endpoint, read_endpoint
from monitor.core.errors import AgentUnreachable
from monitor.core.paths import data_dir

log = logging.getLogger("watchkeeper.events")
DEADLINE_S: Final = 2.0
PAUSE_S: Final = 5.0
"""After a failure, events are not sent for this time: a program that reports often must not wait for an agent that hangs."""


class AgentDelivery:
    """Sends each event to the agent and waits for its answer, 2 s at most. Raises nothing: what cannot be delivered is counted, and the log says why.

    Args:
        directory: the agent's data directory; that of `watchkeeper` without it.
        clock: monotonic seconds.
    """

    def __init__(self, directory: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._clock = directory, clock
        self._pause_until = float("-inf")
        self.undelivered = 0
        """How many events the agent did not take."""
        self.problem = ""
        """Why the last one of them was not taken."""

    def __call__(self, event: ProcessEvent, /) -> None:
        """Send one event."""
        if self._clock() < self._pause_until:
            self.undelivered += 1
            return
        try:
            self._send(event)
        except (OSError, http.client.HTTPException, AgentUnreachable) as error:
            self._failed(str(error) or type(error).__name__)

    def _send(self, event: ProcessEvent) -> None:
        endpoint = read_endpoint(data_dir(self._directory, os.environ))
        connection = _connection(endpoint)
        try:
            body = event.model_dump_json()
            connection.request(
                "POST", "/v1/events", body, {"Content-Type": "application/json", "Host": "agent", **endpoint.headers}
            )
            answer = connection.getresponse()
            said = answer.read(2_000).decode("utf-8", "replace")
        finally:
            connection.close()
        if answer.status != http.client.OK:
            self._failed(f"the agent refused it with {answer.status}: {said}")

    def _failed(self, problem: str) -> None:
        self.undelivered += 1
        if problem != self.problem:
            log.warning("an event was not recorded: %s", problem)
        self.problem, self._pause_until = problem, self._clock() + PAUSE_S


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("agent", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the agent's socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(self._path)


def _connection(endpoint: Endpoint) -> http.client.HTTPConnection:
    if endpoint.socket is not None:
        return _UnixConnection(endpoint.socket)
    return http.client.HTTPConnection(urlsplit(endpoint.url or "").netloc, timeout=DEADLINE_S)
