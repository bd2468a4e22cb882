"""The models of an Ollama through the agent: API, command line, audit, read-only mode, and a model that is tried."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.api_models.ai import Turn
from monitor.client.client import Client, Refused
from monitor.client.models import ModelsClient
from tests.doubles.alone import LOGS
from tests.doubles.stateful_ollama import Held, StatefulOllama, serve_on_thread
from tests.integration.monitor.test_ai_cli import wk
from tests.waiting import wait_until

SIZE = 3_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[StatefulOllama]:
    """A server with one model in memory, one for embeddings, one of another machine, and one that can be fetched."""
    stock = StatefulOllama(
        models={"m:latest": {}, "embed:latest": {"capabilities": ["embedding"]}, "far:cloud": {"remote_host": "https://far.example"}},
        held={"m:latest": Held(8192, 1800.0)}, registry={"new:1b": SIZE},
    )  # fmt: skip
    with serve_on_thread(stock) as found:
        yield found


@pytest.fixture(scope="module")
def agent(make_agent: Callable[..., Any], server: StatefulOllama) -> Any:
    """An agent that knows it."""
    return make_agent(f"{LOGS}[engines]\nollama_url = '{server.url}'\ndiscover = false\ncheck_s = 5\n")


@pytest.fixture
def api(agent: Any) -> Client:
    """Its client."""
    client: Client = agent.api
    return client


@pytest.fixture
def models(api: Client) -> ModelsClient:
    """The part about models, once the server is found: a machine that is busy finds it later."""
    wait_until(lambda: api.ai.models.all().shelves, "the server is found", seconds=60)
    return api.ai.models


def test_a_model_is_fetched_loaded_let_go_and_deleted_each_in_the_audit(
    api: Client, models: ModelsClient, server: StatefulOllama
) -> None:
    """Progress in bytes; who did what, and what was refused, stands in the audit table."""
    server.fetching.clear()  # another test may have let it go on
    pull = models.pull("new:1b", by="ada")
    half = wait_until(lambda: (p := models.pulls()[0]).done == SIZE // 2 and p, "half of it")
    assert (half.id, half.total, half.state) == (pull.id, SIZE, "running")
    server.fetching.set()
    wait_until(lambda: models.pulls()[0].state == "done", "it is here")
    assert models.load("new:1b", context=2048, keep_alive="-1", by="ada").for_ever
    assert not models.unload("new:1b", by="ada").loaded
    assert models.delete("new:1b", by="ada").freed == SIZE
    with pytest.raises(Refused) as refused:
        models.load("nothing", by="ada")
    assert refused.value.status == 404
    expected = {"model pull", "model load", "model unload", "model delete"}
    kept = wait_until(
        lambda: (
            len(a := [x for x in api.services.actions().actions if x.action.startswith("model ") and x.actor == "ada"])
            >= 5
            and a
        ),
        "the audit is stored",
    )
    assert {action.action for action in kept} == expected
    assert [action.outcome.partition(" ")[2] for action in kept if action.target == "nothing"] == [
        "does not have nothing."
    ]


def test_read_only_mode_forbids_all_of_it(api: Client, models: ModelsClient, server: StatefulOllama) -> None:
    """Nothing reaches the server; the list says that it is switched off."""
    before = len(server.bodies)
    api.save_settings({"actions.read_only": True})
    try:
        assert models.all().read_only
        for act in (models.load, models.unload, models.delete, models.pull):
            with pytest.raises(Refused, match="switched off") as refused:
                act("m")
            assert refused.value.status == 403
    finally:
        api.save_settings({"actions.read_only": None})
    assert len(server.bodies) == before


def test_a_model_answers_when_it_is_tried(models: ModelsClient, server: StatefulOllama) -> None:
    """With its figures, one that was made a moment ago too; one of another machine is refused, one that embeds as well."""
    asked = models.ask([Turn(role="user", content="Say words.")], backend="ollama", max_tokens=12)
    done = wait_until(lambda: (now := models.answer(asked.id)).state == "done" and now, "it has answered")
    assert done.text == " word" * 12
    assert done.figures is not None
    assert done.figures.answer_tokens == 12
    assert not models.stop(asked.id)
    server.models["made:1b"] = {}
    assert models.ask([Turn(role="user", content="x")], backend="ollama", model="made:1b", max_tokens=1).id
    for name, said in (("far:cloud", "ai.allow_remote"), ("embed", "cannot chat")):
        with pytest.raises(Refused, match=said) as refused:
            models.ask([Turn(role="user", content="x")], backend="ollama", model=name)
        assert refused.value.status == 400
    with pytest.raises(Refused) as unknown:
        models.answer("nothing")
    assert unknown.value.status == 404


def test_the_command_line_does_the_same(agent: Any, server: StatefulOllama, models: ModelsClient) -> None:
    """List, load, unload, fetch, delete (not without a yes), and a question; the answer alone is on standard output with --json."""
    data = agent.data_dir
    listed = wk("models", "list", data_dir=data)
    assert "As it was started" in listed.stdout or "cannot be read from here" in listed.stdout
    assert "on another machine (far.example)" in listed.stdout
    assert "in memory" in wk("models", "load", "m", "--keep", "2h", data_dir=data).stdout
    assert server.held["m:latest"].keep_s == 7200.0
    assert "not in memory" in wk("models", "unload", "m", data_dir=data).stdout
    server.fetching.set()
    fetched = wk("models", "pull", "new:1b", "--json", data_dir=data)
    assert json.loads(fetched.stdout)["state"] == "done", fetched.stderr
    missing = wk("models", "pull", "nope:1b", data_dir=data)
    assert missing.returncode == 6
    assert "file does not exist" in missing.stderr
    kept = wk("models", "delete", "new:1b", data_dir=data)
    assert kept.returncode == 2
    assert "new:1b" in server.models
    assert wk("models", "delete", "new:1b", "--yes", data_dir=data).returncode == 0
    assert "new:1b" not in server.models
    tried = wk("models", "try", "Say words.", "--engine", "ollama", "--tokens", "5", data_dir=data)
    assert " word word word word word" in tried.stdout
    assert "tokens/s" in tried.stdout


def test_it_works_without_an_agent(server: StatefulOllama, tmp_path: Any) -> None:
    """The same commands ask the server themselves."""
    own = {"WATCHKEEPER_ENGINES__OLLAMA_URL": server.url, "WATCHKEEPER_ENGINES__DISCOVER": "false"}
    data = tmp_path / "d"
    listed = wait_until(
        lambda: json.loads(wk("models", "list", "--json", data_dir=data, **own).stdout)["shelves"],
        "it is found",
        seconds=60,
    )
    assert {m["name"] for m in listed[0]["models"]} >= {"m:latest", "embed:latest", "far:cloud"}
    server.fetching.set()
    pulled = wk("models", "pull", "new:1b", data_dir=data, **own)
    assert "new:1b is here" in pulled.stdout, pulled.stderr
    assert wk("models", "delete", "new:1b", "--yes", data_dir=data, **own).returncode == 0
    wait_until(lambda: " word word" in wk("models", "try", "Hi", "-e", "ollama", "--tokens", "2", data_dir=data, **own).stdout, "an answer", seconds=90)  # fmt: skip


def test_a_benchmark_tells_progress_and_verdict_apart(agent: Any, models: ModelsClient) -> None:
    """Progress on standard error, one JSON report on standard output."""
    done = wk(
        "benchmark", "--depth", "quick", "--seconds", "1", "--tokens", "4", "--concurrency", "1", "--postings", "0", "--kind", "self-check", "--backend", "ollama",
        "--json", data_dir=agent.data_dir,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["host"]["kind"] == "self-check"
    assert [c["name"] for c in report["contenders"]] == ["ollama", "ollama again"]
    assert "oading ollama" in done.stderr or "arming up" in done.stderr
    assert "not tested" in report["hypothesis"]["answer"]
