"""The gateway as the agent keeps it: switched on and off, keys, routes to real engines, every call with the program that made it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from monitor.api_models.gateway import Budget, GatewayStatus
from monitor.client.client import Client, Refused
from tests.doubles.alone import ALONE
from tests.doubles.forked import COMMANDS
from tests.doubles.stub_engine import Stub, serve
from tests.waiting import patient, wait_until

ASK = {"model": "auto", "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 4}
ONCE = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], data=sys.argv[2].encode(), headers={"Authorization": "Bearer " + sys.argv[3]})
print(len(urllib.request.urlopen(request).read()))
"""


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """An engine behind it."""
    with serve() as found:
        yield found


@pytest.fixture(scope="module")
def agent(make_agent: Callable[..., Any], stub: Stub) -> Any:
    """An agent with the gateway switched on, that knows the stub and the embedded engine."""
    return make_agent(f"{ALONE}openai_urls = ['{stub.url}']\n[gateway]\nenabled = true\nport = 0\n")


def running(api: Client) -> GatewayStatus:
    """Its state, once it runs and knows both engines."""

    def ready() -> GatewayStatus | None:
        found = api.gateway.status()
        return found if found.address and len(found.engines) == 2 else None

    found = wait_until(ready, lambda: str(api.gateway.status()), seconds=60)
    assert found is not None
    return found


def ask(address: str, key: str, body: object = ASK, path: str = "/v1/chat/completions") -> httpx.Response:
    """One answer."""
    return httpx.post(f"{address}{path}", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=patient(60))


@pytest.fixture(scope="module")
def key(agent: Any) -> str:
    """A key, made while the gateway runs."""
    running(agent.api)
    found: str = agent.api.gateway.add_key("tests").key
    address = running(agent.api).address
    wait_until(
        lambda: httpx.get(f"{address}/v1/models", headers={"Authorization": f"Bearer {found}"}).status_code == 200,
        "the key",
    )
    return found


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    """A command."""
    return COMMANDS.run(list(words), os.environ)


def test_a_call_is_answered_by_the_chosen_engine_and_recorded_with_its_program(
    agent: Any, key: str, stub: Stub
) -> None:
    """A process of its own asks: its run is the one that the process pages show, and usage sums it up by program, key and model."""
    state = running(agent.api)
    name = state.engines[0].name
    stub.gate.clear()
    body = json.dumps({**ASK, "model": "stub", "stream": True})
    program = subprocess.Popen(
        [sys.executable, "-c", ONCE, f"{state.address}/v1/chat/completions", body, key], stdout=subprocess.PIPE
    )
    now = wait_until(
        lambda: [c for c in agent.api.gateway.status().calls if c.run and c.phase == "answering"], "the call under way"
    )
    assert now[0].key == "tests"
    shown = wait_until(
        lambda: [p for p in agent.api.processes().processes if p.pid == program.pid], "the sampler to see the program"
    )
    stub.gate.set()
    program.communicate()
    (call,) = wait_until(lambda: agent.api.gateway.calls(run=shown[0].run).calls, "the stored call")
    assert call.pid == program.pid
    assert (call.outcome, call.model, call.key_name, call.completion_tokens) == ("answered", "stub", "tests", 16)
    found = agent.api.gateway.calls()
    # Other runs of a program with this name, the tests' own process among them, may have asked before.
    alike = [
        c
        for c in found.calls
        if (c.program, c.key_name, c.model, c.backend) == (call.program, "tests", "stub", call.backend)
    ]
    (usage,) = [u for u in found.usage if u.run == call.run]
    assert (usage.program, usage.key_name, usage.model, usage.calls) == (call.program, "tests", "stub", len(alike))
    assert usage.completion_tokens == sum(c.completion_tokens or 0 for c in alike)
    assert name in {"llamacpp", call.backend}


def test_the_embedded_engine_answers_both_apis(agent: Any, key: str) -> None:
    """It is loaded when it is asked, by the name of its engine, and its tokens are counted by itself."""
    address = running(agent.api).address
    assert address
    said = ask(address, key, {**ASK, "model": "llamacpp"})
    assert said.status_code == 200, said.text
    assert said.json()["usage"]["completion_tokens"] <= 4
    other = ask(
        address,
        key,
        {"model": "llamacpp", "messages": ASK["messages"], "stream": False, "options": {"num_predict": 4}},
        "/api/chat",
    )
    assert other.json()["done"], other.text
    wanted = {("openai", "reported"), ("ollama", "reported")}

    def recorded() -> bool:
        calls = agent.api.gateway.calls(50).calls
        return {(c.api, c.tokens_origin) for c in calls if c.backend == "llamacpp"} == wanted

    wait_until(recorded, "both calls, with the engine's own count")


def test_the_command_line_tells_the_same(agent: Any, key: str) -> None:
    """State, calls, usage and keys; a key that is removed opens nothing."""
    where = ["--data-dir", str(agent.data_dir)]
    state = json.loads(run("gateway", "status", "--json", *where).stdout)
    assert state["state"] == "running"
    assert f"at {state['address']}" in run("gateway", "status", *where).stdout
    ask(state["address"], key, {**ASK, "model": "stub"})
    stored = ("stub", "tests")
    wait_until(
        lambda: stored in [(call.model, call.key_name) for call in agent.api.gateway.calls().calls], "the stored call"
    )
    assert json.loads(run("gateway", "calls", "--json", *where).stdout)["calls"]
    assert "tests" in run("gateway", "calls", *where).stdout
    assert "stub" in run("gateway", "calls", "--usage", *where).stdout
    made = run("gateway", "key", "add", "notebook", *where).stdout.strip()
    wait_until(lambda: ask(state["address"], made, {**ASK, "model": "stub"}).status_code == 200, "the new key")
    assert "notebook" in run("gateway", "key", "list", *where).stdout
    assert run("gateway", "key", "add", "notebook", *where).returncode == 2
    run("gateway", "key", "remove", "notebook", *where)
    wait_until(lambda: ask(state["address"], made, {**ASK, "model": "stub"}).status_code == 401, "the key to be gone")
    assert made not in (agent.data_dir / "gateway_keys.json").read_text("utf-8")
    assert (agent.data_dir / "gateway_keys.json").stat().st_mode & 0o077 == 0


def test_a_killed_gateway_is_started_again(agent: Any, key: str) -> None:
    """With the same keys and engines."""
    before = running(agent.api)
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    again = wait_until(
        lambda: (s := agent.api.gateway.status()).pid not in {None, before.pid} and s.address and s, "another process"
    )
    assert again
    assert agent.api.gateway.status().restarts > before.restarts
    assert ask(running(agent.api).address or "", key, {**ASK, "model": "stub"}).status_code == 200


def test_settings_switch_it_and_move_it(agent: Any, key: str, free_port: int) -> None:
    """Off: nobody listens. Another port: it moves. A port that is taken: the state says so. Without required keys, any program is answered."""
    api = agent.api
    before = running(api)
    api.save_settings({"gateway.enabled": False})
    wait_until(lambda: api.gateway.status().state == "off", "off")
    with pytest.raises(httpx.ConnectError):
        httpx.get(before.address or "")
    api.save_settings({"gateway.enabled": True, "gateway.port": free_port, "gateway.require_key": False})
    moved = running(api)
    assert moved.address == f"http://127.0.0.1:{free_port}"
    assert httpx.get(f"{moved.address}/v1/models").status_code == 200
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        api.save_settings({"gateway.port": taken.getsockname()[1]})
        down = wait_until(lambda: (s := api.gateway.status()).state == "down" and s, "a port that is taken")
        assert down
        assert "cannot listen" in down.message
        assert str(taken.getsockname()[1]) in down.message
    api.save_settings({"gateway.port": 0, "gateway.require_key": True})
    running(api)


def test_wrong_names_of_keys_are_refused_with_what_to_do(agent: Any) -> None:
    """400, with a hint."""
    with pytest.raises(Refused, match="cannot be the name") as refused:
        agent.api.gateway.add_key("../x")
    assert (refused.value.status, bool(refused.value.hint)) == (400, True)
    with pytest.raises(Refused, match="There is no key named"):
        agent.api.gateway.remove_key("absent")


def test_a_key_has_a_budget(agent: Any) -> None:
    """A key that has used it is answered 429 with the time to wait, in words, in each API; the record and the list of keys say so; another key goes on."""
    found = agent.api.gateway
    key = found.add_key("bounded").key
    done = run("gateway", "key", "budget", "bounded", "--calls-day", "1", "--data-dir", str(agent.data_dir))
    assert "1 calls a day" in done.stdout, done.stderr
    address = running(agent.api).address
    assert address is not None
    wait_until(lambda: ask(address, key).status_code == 429, "the budget is used up")
    refused = ask(address, key)
    assert int(refused.headers["Retry-After"]) > 0
    assert "has used its 1 calls of this day" in refused.json()["error"]["message"]
    assert "has used its 1 calls" in ask(address, key, path="/api/chat").json()["error"]

    def told() -> bool:
        bounded = next(k for k in found.status().keys if k.name == "bounded")
        return bounded.used is not None and bounded.used.calls_day >= 1 and "it may go on" in bounded.spent

    wait_until(told, "the list of keys says so")
    wait_until(
        lambda: any(c.key_name == "bounded" and c.outcome == "refused" for c in found.calls().calls), "its record"
    )
    found.set_budget("bounded", Budget())
    wait_until(lambda: ask(address, key).status_code == 200, "no budget any more")


def test_prompts_and_answers_are_kept_only_where_that_is_wanted(agent: Any, key: str) -> None:
    """Off: nothing of them is anywhere. On: masked, to be read and deleted with the command line. Off again: what comes then is not kept."""
    api, where = agent.api.gateway, ["--data-dir", str(agent.data_dir)]
    address = running(agent.api).address
    assert address is not None
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    body = {
        "model": "stub",
        "stream": True,
        "messages": [{"role": "user", "content": f"Push it with {token}, please."}],
    }
    file = agent.data_dir / "gateway_texts.sqlite"
    assert ask(address, key, body).status_code == 200
    assert not file.exists()
    agent.api.save_settings({"gateway.keep_texts": True})
    wait_until(lambda: ask(address, key, body).status_code == 200 and api.texts().texts, "kept texts")
    call = api.texts().texts[0].call
    wait_until(lambda: call in [one.call for one in api.calls().calls], "the record of the same call")
    said = run("gateway", "texts", call, *where).stdout
    assert "user: Push it with ghp_***, please." in said
    assert said.count("word") == 16
    assert call in run("gateway", "texts", *where).stdout
    assert token.encode() not in file.read_bytes()
    agent.api.save_settings({"gateway.keep_texts": False})
    assert not api.status().texts.keeps
    assert re.search(r"of [1-9]\d* calls?\b", run("gateway", "texts", "--delete-all", *where).stdout)
    assert api.texts().texts == []
    assert run("gateway", "texts", call, *where).returncode != 0
