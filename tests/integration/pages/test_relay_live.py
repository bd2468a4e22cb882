"""The relay between a browser tab and the agent: untouched frames, absence and return, and the read-only answers."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import Message
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from monitor.core.paths import socket_path
from pages.server import relay as relay_module
from tests.integration.pages.conftest import DashboardProcess, ScriptedAgent, free_port
from tests.waiting import patient, wait_until

SUBSCRIBE = '{"subscribe":  {"host":true, "logs": {"q": "ü"}}}'


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptedAgent, DashboardProcess]]:
    """A dashboard, and the agent it looks for (not started)."""
    place = tmp_path_factory.mktemp("relay")
    agent = ScriptedAgent(place / "data", place / "watchkeeper.toml")
    dashboard = DashboardProcess(place / "data", place / "watchkeeper.toml", free_port(), [])
    try:
        dashboard.wait_until_up()
        yield agent, dashboard
    finally:
        dashboard.end()
        agent.stop()


@contextmanager
def _tab(dashboard: DashboardProcess) -> Iterator[ClientConnection]:
    address = f"ws://{dashboard.address}/wk/live"
    with connect(address, origin=dashboard.url, proxy=None, close_timeout=2) as tab:
        tab.send(SUBSCRIBE)
        yield tab


def test_frames_pass_untouched(pair: tuple[ScriptedAgent, DashboardProcess]) -> None:
    """What the agent sends arrives byte for byte, and so does the subscription."""
    agent, dashboard = pair
    agent.start()
    try:
        with _tab(dashboard) as tab:
            wait_until(lambda: agent.live, "the agent was subscribed to")
            assert agent.received[-1] == SUBSCRIBE
            for frame in ('{"t": "tick",  "ts": 9007199254740993}', '{"t":"logs","records":["\\u0000 ü <b>"]}'):
                agent.send(frame)
                assert tab.recv(patient(5)) == frame
    finally:
        agent.stop()


def test_anything_but_a_subscription_ends_the_socket(pair: tuple[ScriptedAgent, DashboardProcess]) -> None:
    """What is no subscription, or an enormous one, reaches no agent: the socket is closed as a breach of the rules."""
    agent, dashboard = pair
    agent.start()
    try:
        for text in (
            "",
            b"",
            b"\xff",
            b'{"subscribe": {}}',
            "[]",
            '{"subscribe": 1}',
            '{"query": {}}',
            json.dumps({"subscribe": {"q": "x" * 1_000_000}}),
        ):
            with _tab(dashboard) as tab:
                wait_until(lambda: agent.live, "the agent was subscribed to")
                heard = len(agent.received)
                tab.send(text)
                with pytest.raises(ConnectionClosed):
                    _read_on(tab)
                assert tab.close_code in {1008, 1009}, text[:20]
                assert len(agent.received) == heard
            wait_until(lambda: not agent.live, "the agent's socket ended too")
    finally:
        agent.stop()


def _read_on(tab: ClientConnection) -> None:
    while True:
        tab.recv(patient(5))


class _Socket:
    """One side of a WebSocket that the relay serves, without a server between."""

    def __init__(self, relay: relay_module.LiveRelay) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "websocket", "path": "/wk/live", "headers": []}
        self.said.put_nowait({"type": "websocket.connect"})
        self.served = asyncio.create_task(relay.serve(WebSocket(scope, self.said.get, self.heard.put)))

    async def leave(self) -> None:
        """Go, and wait until the relay noticed."""
        self.said.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.served


def test_tabs_beyond_the_bound_are_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tab too many is told to try again later; when another leaves there is room."""
    monkeypatch.setattr(relay_module, "MAX_TABS", 1)

    async def scenario() -> list[Message]:
        relay = relay_module.LiveRelay(tmp_path)
        async with asyncio.timeout(20):
            first = _Socket(relay)
            answers = [await first.heard.get()]
            second = _Socket(relay)
            answers.append(await second.heard.get())
            await second.served
            await first.leave()
            third = _Socket(relay)
            answers.append(await third.heard.get())
            await third.leave()
        return answers

    first, second, third = asyncio.run(scenario())
    assert [first["type"], second["type"], third["type"]] == ["websocket.accept", "websocket.close", "websocket.accept"]
    assert second["code"] == 1013


def test_absence_and_return_are_told_and_the_subscription_is_replayed(
    pair: tuple[ScriptedAgent, DashboardProcess],
) -> None:
    """An agent that goes is told at once, with since when; one that comes back too, and gets the last subscription."""
    agent, dashboard = pair
    agent.start()
    try:
        with _tab(dashboard) as tab:
            wait_until(lambda: agent.live, "the agent was subscribed to")
            changed = '{"subscribe": {"processes": true}}'
            tab.send(changed)
            wait_until(lambda: agent.received[-1] == changed, "the agent heard the change")
            agent.stop()
            away = json.loads(tab.recv(patient(5)))
            assert (away["t"], away["state"]) == ("agent", "away")
            assert away["since"] > 1_600_000_000_000_000
            agent.received.clear()
            agent.start()
            back = json.loads(tab.recv(patient(5)))
            assert (back["t"], back["state"], back["since"]) == ("agent", "back", away["since"])
            wait_until(lambda: agent.received == [changed], "the subscription was replayed")
    finally:
        agent.stop()


def test_a_tab_that_leaves_ends_its_subscription(pair: tuple[ScriptedAgent, DashboardProcess]) -> None:
    """A closed tab leaves no upstream socket behind."""
    agent, dashboard = pair
    agent.start()
    try:
        with _tab(dashboard):
            wait_until(lambda: agent.live, "the agent was subscribed to")
        wait_until(lambda: not agent.live, "the agent was left")
    finally:
        agent.stop()


def test_an_agent_that_hangs_counts_as_away(pair: tuple[ScriptedAgent, DashboardProcess]) -> None:
    """An agent that keeps the socket open and answers nothing, not even a ping, is told as away."""
    agent, dashboard = pair
    agent.start()
    try:
        with _tab(dashboard) as tab:
            wait_until(lambda: agent.live, "the agent was subscribed to")
            agent.hang(8)
            away = json.loads(tab.recv(patient(10)))
            assert away["state"] == "away"
    finally:
        agent.stop()


def test_reads_are_relayed_with_their_query(pair: tuple[ScriptedAgent, DashboardProcess]) -> None:
    """A listed read reaches the agent as it was asked, and its answer comes back as it was given."""
    agent, dashboard = pair
    agent.start()
    try:
        answer = httpx.get(f"{dashboard.url}/wk/api/v1/logs/records?q=a%26b&level=error", trust_env=False)
        assert answer.status_code == 200
        assert answer.json() == {"path": "/v1/logs/records", "query": "q=a%26b&level=error"}
        assert answer.headers["cache-control"] == "no-store"
        refused = httpx.get(f"{dashboard.url}/wk/api/v1/host/series?metrics=x", trust_env=False)
        assert refused.status_code == 404  # the agent's own words, passed on
    finally:
        agent.stop()
    assert not socket_path(agent.data_dir, os.environ).exists()
    assert httpx.get(f"{dashboard.url}/wk/api/v1/status", trust_env=False).status_code == 503
