"""Many requests at once: each is answered, or hears soon that the agent is busy; the samples go on."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from monitor.client.connection import no_authorities
from tests.examples import sizes
from tests.waiting import patient, wait_until

LINES = 30_000


@pytest.fixture(scope="module")
def agent(make_agent: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An agent with some log records."""
    started = make_agent()
    path = tmp_path_factory.mktemp("many") / "many.log"
    path.write_text(
        "".join(
            f"2026-11-01 10:{n // 60 % 60:02}:{n % 60:02} INFO app: request {n * 7919 % LINES} of batch {n}\n"
            for n in range(LINES)
        )
    )
    job = started.api.ingest([str(path)])
    wait_until(lambda: started.api.ingest_job(job).state == "done", "the file is read", seconds=60)
    return started


def ask(agent: Any, method: str, url: str, **more: Any) -> tuple[int, float, dict[str, Any]]:
    """Status, seconds and answer of one request on a connection of its own."""
    transport = httpx.HTTPTransport(uds=str(agent.data_dir / "agent.sock"), verify=no_authorities())
    began = time.monotonic()
    with httpx.Client(transport=transport, base_url="http://agent", timeout=patient(120)) as client:
        answer = client.request(method, url, **more)
    return answer.status_code, time.monotonic() - began, answer.json()


class Asking:
    """A request on a connection that is open already."""

    def __init__(self, agent: Any, url: str) -> None:
        self._url, self._connection = url, http.client.HTTPConnection("agent")
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.settimeout(patient(120))
        self._connection.sock.connect(str(agent.data_dir / "agent.sock"))

    def send(self) -> None:
        """Ask."""
        self._began = time.monotonic()
        self._connection.request("GET", self._url)

    def answer(self) -> tuple[int, float, dict[str, Any]]:
        """Status, seconds and answer."""
        with contextlib.closing(self._connection):
            answer = self._connection.getresponse()
            return answer.status, time.monotonic() - self._began, json.load(answer)


def search(agent: Any, number: int) -> tuple[int, float, dict[str, Any]]:
    """A search that reads every record."""
    return ask(agent, "GET", "/v1/logs/count", params={"q": f"(?i)r.?quest.*{number}$", "regex": 1})


def test_forty_searches_at_once_are_all_answered(agent: Any) -> None:
    """They take turns; none runs out of its time while it waits."""
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda n: search(agent, n), range(40)))
    assert {status for status, _, _ in found} == {200}


def test_more_searches_than_may_wait_hear_it_at_once(agent: Any) -> None:
    """Of two hundred, some are answered and the others are told that the agent is busy, within a second. The status answers meanwhile."""
    asking = [Asking(agent, f"/v1/logs/count?q=(?i)r.%3Fquest.*{n}$&regex=1") for n in range(200)]
    for one in asking:
        one.send()  # one after the other at once: threads that make their connections first would come late on a busy machine
    with ThreadPoolExecutor(201) as pool:
        began = [pool.submit(one.answer) for one in asking]
        status = pool.submit(ask, agent, "GET", "/v1/status").result()
        found = [future.result() for future in began]
    assert status[0] == 200
    assert {code for code, _, _ in found} == {200, 503}
    refused = [(seconds, answer) for code, seconds, answer in found if code == 503]
    assert all(answer["error"]["kind"] == "Busy" and answer["error"]["hint"] for _, answer in refused)
    assert sorted(seconds for seconds, _ in refused)[len(refused) // 2] < patient(1)


@pytest.mark.parametrize("count", sizes(2, 4))
def test_greedy_queries_leave_the_agent_small_and_on_time(agent: Any, count: int) -> None:
    """Queries that ask for gigabytes, some at once: the agent grows by less than 50 MB and misses no sample."""
    greedy = [
        "SELECT length(replace(repeat('a', 20000), 'a', repeat('b', 100000)))",
        "SELECT repeat('x', 90000) FROM range(100000)",
        "SELECT list_sort(range(100000)) FROM range(3000)",
        "SELECT repeat('x', 600) FROM range(90000)",
    ]
    process = psutil.Process(agent.pid)
    before, missed = process.memory_info().rss, agent.api.status().samples.missed
    with ThreadPoolExecutor(count) as pool:
        found = list(
            pool.map(lambda sql: ask(agent, "POST", "/v1/query", json={"sql": sql, "limit": 100_000}), greedy[:count])
        )
    assert {status for status, _, _ in found} <= {200, 400, 504}
    assert process.memory_info().rss - before < 50_000_000
    assert agent.api.status().samples.missed == missed


def test_queries_take_turns(agent: Any) -> None:
    """Many queries at once are answered, or hear that the agent is busy."""
    with ThreadPoolExecutor(40) as pool:
        sql = {"sql": "SELECT count(*) FROM log_records"}
        found = list(pool.map(lambda _: ask(agent, "POST", "/v1/query", json=sql), range(40)))
    assert {status for status, _, _ in found} <= {200, 503}
    assert sum(status == 200 for status, _, _ in found) >= 10
