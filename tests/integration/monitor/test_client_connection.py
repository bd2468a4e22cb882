"""The client and its connection: one that was dropped gets a second try, and an agent that is only starting is not called absent."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from monitor.client.client import Client
from monitor.client.connection import Knocker
from monitor.core.endpoint import Endpoint, read_endpoint, start_tick_of, write_endpoint, write_private
from monitor.core.errors import AgentConnecting, AgentUnreachable
from monitor.core.paths import DataFiles
from tests.waiting import wait_until

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Dropping:
    """An agent that answers one request on each connection, and closes it at the next one. It counts what it was sent."""

    def __init__(self, path: Path) -> None:
        self.path, self.requests = path, 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            for number in range(2):
                if not connection.recv(65536):
                    return
                self.requests += 1
                if number == 0:
                    connection.sendall(ANSWER)

    def close(self) -> None:
        """Accept nothing more."""
        self._listener.close()


@pytest.fixture
def dropping(tmp_path: Path) -> Iterator[Dropping]:
    """Such an agent."""
    agent = Dropping(tmp_path / "a.sock")
    yield agent
    agent.close()


def test_a_dropped_connection_is_tried_again(dropping: Dropping) -> None:
    """Reading goes on without a word; what changes something is not sent twice."""
    with Client(Endpoint(None, str(dropping.path))) as client:
        for _ in range(5):
            assert client.get_json("/v1/status") == {}
        sent = dropping.requests
        with pytest.raises(AgentUnreachable):
            client.request("POST", "/v1/shutdown")
        assert dropping.requests == sent + 1


@pytest.mark.parametrize("state", ["hangs", "stopped"])
def test_an_agent_that_hangs_is_told_before_any_request_waits_for_it(tmp_path: Path, state: str) -> None:
    """Its socket takes every connection and answers nothing. What is stopped is told how to go on."""
    with (
        socket.socket(socket.AF_UNIX) as listener,
        subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as agent,
    ):
        listener.bind(str(tmp_path / "a.sock"))
        listener.listen(8)
        endpoint = Endpoint(agent.pid, str(tmp_path / "a.sock"))
        if state == "stopped":
            agent.send_signal(signal.SIGSTOP)
            wait_until(lambda: Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        with pytest.raises(AgentConnecting) as caught:
            Knocker(endpoint, answer_s=0.05).knock()
        assert ("is stopped" in caught.value.message) == (state == "stopped")
        assert (f"kill -CONT {agent.pid}" in caught.value.hint) == (state == "stopped")
        agent.kill()


def test_a_request_is_given_up_when_the_agent_stops_answering(tmp_path: Path) -> None:
    """One that takes long is waited for as long as the agent answers at all, however long its own deadline is."""
    knocks = 0

    def serve(connection: socket.socket) -> None:
        nonlocal knocks
        if b"/v1/alive" in connection.recv(65536):
            knocks += 1
            if knocks < 3:
                connection.sendall(ANSWER)
                connection.close()
        held.append(connection)

    held: list[socket.socket] = []
    with (
        socket.socket(socket.AF_UNIX) as listener,
        httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "a.sock"))) as http,
    ):
        listener.bind(str(tmp_path / "a.sock"))
        listener.listen(8)
        threading.Thread(target=lambda: [serve(listener.accept()[0]) for _ in range(4)], daemon=True).start()
        knocker = Knocker(Endpoint(os.getpid(), str(tmp_path / "a.sock")), threads=1, answer_s=0.2)
        with pytest.raises(AgentConnecting):
            knocker.send(http, http.build_request("GET", "http://agent/v1/logs/records", timeout=600))
        assert knocks == 3
        for connection in held:
            connection.close()
        knocker.close()


@pytest.mark.parametrize("content", ["", "{garbage", "[]", "{}", '{"pid": 1', "\0" * 50])
def test_an_address_that_says_nothing_is_the_usual_one(tmp_path: Path, content: str) -> None:
    """What a crash or another program left of the file costs nobody the agent that still listens."""
    DataFiles(tmp_path).endpoint.write_text(content)
    assert read_endpoint(tmp_path).socket == str(tmp_path / "agent.sock")


def test_an_agent_that_runs_or_is_started_again_is_connecting(tmp_path: Path) -> None:
    """Nobody is told to start what runs, or what the launcher restarts; without both the hint says how to start one."""
    gone = str(tmp_path / "none.sock")

    def why() -> AgentUnreachable:
        with Client.of(str(tmp_path)) as client, pytest.raises(AgentUnreachable) as caught:  # as examples write it
            client.status()
        return caught.value

    assert "start one with" in why().hint
    write_endpoint(tmp_path, Endpoint(os.getpid(), gone))
    assert isinstance(why(), AgentConnecting)
    assert "runs, but does not answer yet" in why().message
    another = start_tick_of(os.getpid()) or 0
    write_endpoint(tmp_path, Endpoint(os.getpid(), gone, started=another - 1))  # its number went to this process
    assert "start one with" in why().hint
    board = {"pid": os.getpid(), "url": "http://x", "launcher": os.getpid(), "launcher_started": another}
    write_private(DataFiles(tmp_path).dashboard, board | {"restarts_agent": False})
    assert "start one with" in why().hint
    write_private(DataFiles(tmp_path).dashboard, board | {"restarts_agent": True})
    assert isinstance(why(), AgentConnecting)
    assert "start one" not in why().hint
    write_private(DataFiles(tmp_path).dashboard, board | {"restarts_agent": True, "launcher_started": another - 1})
    assert "start one with" in why().hint
    assert json.loads(DataFiles(tmp_path).endpoint.read_text())["launcher"] is None


def test_threads_that_write_one_file_at_once_do_not_meet(tmp_path: Path) -> None:
    """Each writes a whole file, and the last one stays."""
    path, together = tmp_path / "state.json", threading.Barrier(8)

    def write(number: int) -> None:
        together.wait()
        for turn in range(200):
            write_private(path, {"number": number, "turn": turn, "text": str(number) * 500})

    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(write, number) for number in range(8)]:
            written.result()
    kept = json.loads(path.read_text())
    assert (kept["turn"], kept["text"]) == (199, str(kept["number"]) * 500)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]
