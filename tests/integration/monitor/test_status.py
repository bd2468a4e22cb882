"""What the agent says of itself, over a real store that is asked or cannot answer."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.agent import status as report
from monitor.agent.agent import Agent
from monitor.agent.status import StatusReporter
from monitor.config.settings import load_settings
from monitor.core.errors import StoreError
from monitor.lifecycle.failures import RecentFailures
from monitor.store.duckdb import open_store
from monitor.store.interface import Store, StoreInfo
from monitor.store.writer import StoreWriter


class Watched:
    """A real store that counts how often it is looked at, and can be made unable to answer."""

    def __init__(self, store: Store) -> None:
        self.store, self.looks, self.broken = store, 0, False

    def info(self) -> StoreInfo:
        """As the store has it, or an error."""
        self.looks += 1
        if self.broken:
            raise StoreError("the store is being mended")
        return self.store.info()

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent with a store, whose sampler has not begun."""
    agent = Agent(load_settings(tmp_path / "none.toml", environ={}), tmp_path, environ={})
    store = open_store(tmp_path, limit_bytes=100_000_000, now=lambda: 1_700_000_000_000_000)
    agent.store = Watched(store)
    agent.writer = StoreWriter(store, data_dir=tmp_path)
    agent.sampler = SimpleNamespace(pid=None, state="starting", restarts=0)
    agent.listener = SimpleNamespace(endpoint=SimpleNamespace(name="nowhere"))
    agent.alerts = SimpleNamespace(brief=list)
    agent.events = SimpleNamespace(failures=RecentFailures())
    yield agent
    store.close()


def test_what_is_known_is_said_without_asking_the_store(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one hears who begins to listen comes from memory, since it is said on the event loop; a status looks anew."""
    monkeypatch.setattr(report, "INFO_S", -1.0)
    reporter = StatusReporter(agent, "1", dict)
    for _ in range(3):
        assert reporter.known_status()["store"].size_bytes > 0
        assert reporter.about()["version"] == "1"
    assert agent.store.looks == 1
    assert reporter.status().store.size_bytes > 0
    assert agent.store.looks == 2


def test_a_store_that_cannot_answer_does_not_silence_the_status(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status answers with the size as last known, and says what is wrong; once the store answers, it says so no more."""
    monkeypatch.setattr(report, "INFO_S", -1.0)
    reporter = StatusReporter(agent, "1", dict)
    agent.store.broken = True
    said = reporter.status().store
    assert said.size_bytes > 0
    assert said.message == "the store is being mended"
    agent.store.broken = False
    assert reporter.status().store.message == ""
