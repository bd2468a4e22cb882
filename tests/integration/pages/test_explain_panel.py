"""The panel that asks a model: the same on three pages, followed and cancelled, for operators, and what it says without an engine."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from monitor.api_models.logs import RecordDetail
from monitor.client.client import Client
from tests.doubles.page_ai import AiDouble, opinion, question
from tests.integration.pages.conftest import ROOT, ScriptedAgent
from tests.waiting import patient, wait_until

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$4pUP6gFpFkcm7uVcjqXOsr5cDHY6XJqb0vBnQCIyS3o"


@pytest.fixture
def ai(place: Path) -> Iterator[AiDouble]:
    """An agent whose model says what the test says."""
    double = AiDouble()
    scripted = ScriptedAgent(place / "data", place / "watchkeeper.toml")
    scripted.more_routes = double.routes()
    scripted.start()
    yield double
    scripted.stop()


def _open(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=patient(30))
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def _data_of(app: AppTest, module: str) -> dict[str, Any] | None:
    """The data of a live component; None when it is not there."""
    found = [json.loads(one.proto.json) for one in app.get("bidi_component")]
    return next((data for data in found if data["module"].startswith(f"/wk/assets/{module}.js")), None)


@pytest.mark.parametrize("name", ["logs", "performance"])
def test_the_panel_opens_by_a_button_and_a_link(ai: AiDouble, name: str) -> None:
    """Closed at first; a click opens it and stands in the address; the address opens it."""
    app = _open(name)
    assert not [b for b in app.button if b.key in {"explain_records", "explain_spike"}]
    app.button(key="explain_open").click().run()
    assert "explain" in app.query_params
    assert [b for b in app.button if b.key in {"explain_records", "explain_spike"}]
    app.button(key="explain_open").click().run()
    assert "explain" not in app.query_params
    assert [b for b in _open(name, explain="1").button if b.key in {"explain_records", "explain_spike"}]


def test_logs_ask_about_the_records_of_the_view(ai: AiDouble) -> None:
    """Text, levels and the person's own words reach the agent; the id of the question stands in the address."""
    app = _open("logs", explain="1", q="/time.?out/", levels="error")
    app.text_input(key="explain_question").input("  why so many?  ")
    app.button(key="explain_records").click().run()
    asked = ai.asked[-1][1]
    assert asked["filters"] == {"q": "time.?out", "regex": 1, "case": 1, "levels": "error"}
    assert (asked["question"], asked["wait"], asked["readings"]) == ("why so many?", False, False)
    assert "".join(app.query_params["opinion"]) == "q1"


def test_logs_ask_about_the_opened_record_with_its_neighbours(ai: AiDouble) -> None:
    """There is a button for it only while a record is open; it stands first when it was asked for at the record."""
    assert not [b for b in _open("logs", explain="1").button if b.key == "explain_record"]
    app = _open("logs", explain="record", record="12:34")
    keys = [b.key for b in app.button if b.key in {"explain_record", "explain_records"}]
    assert keys == ["explain_record", "explain_records"]
    app.button(key="explain_record").click().run()
    assert (ai.asked[-1][1]["records"], ai.asked[-1][1]["around"]) == (["12:34"], 8)


def test_performance_asks_about_the_range_that_is_shown(ai: AiDouble) -> None:
    """A brushed range goes as it is, with readings."""
    span = {"range": "custom", "from": "2026-11-23T00:00:00Z", "to": "2026-11-23T00:10:00Z"}
    app = _open("performance", explain="1", **span)
    app.button(key="explain_spike").click().run()
    asked = ai.asked[-1][1]
    assert asked["readings"]
    assert int(asked["until"]) - int(asked["since"]) == 600_000_000


def test_progress_says_what_is_read_and_can_be_cancelled(ai: AiDouble) -> None:
    """How many records of how many, how long, the deadline; cancelling says so; no second question meanwhile."""
    ai.question = question()
    app = _open("logs", opinion="q1")
    assert "the newest 60 of 1,204 records" in app.get("progress")[0].proto.text
    assert "3 s of at most 150 s" in app.get("progress")[0].proto.text
    assert app.button(key="explain_records").disabled
    app.button(key="explain_cancel").click().run()
    assert ("cancel question", None) in ai.asked
    app.run()
    assert "Cancelled after 3 s" in app.info[0].value


def test_the_answer_goes_to_the_component_as_data(ai: AiDouble) -> None:
    """The opinion, what it cites and what was measured, untouched by Markdown; never as native text."""
    measured = [
        {"id": "run:7", "kind": "process", "number": 3, "text": "process x", "ts": None, "level": None, "source": None}
    ]
    ai.question = question(state="done", opinion=opinion(), measured=measured)
    app = _open("performance", opinion="q1")
    data = _data_of(app, "logs/opinion")
    assert data is not None
    assert data["opinion"]["text"] == "The <b>disk</b> is full."
    assert data["opinion"]["citations"][0]["id"] == "12:34"
    assert (data["measured"], data["here"]) == (measured, "performance")
    assert "disk" not in "".join(str(one.value) for one in [*app.markdown, *app.caption])


def test_the_records_are_handed_over_while_a_model_is_asked(ai: AiDouble) -> None:
    """The page stands whole beside a question under way."""
    ai.question = question()
    assert _data_of(_open("logs", opinion="q1"), "logs/view") is not None


def test_a_failure_says_why_and_an_old_link_that_it_is_gone(ai: AiDouble) -> None:
    """The engine's own reason with what to do; a link to a forgotten question."""
    error = {"kind": "NoAnswer", "message": "llamacpp answered too <b>late</b>", "hint": "wait until it is quiet"}
    ai.question = question(state="failed", error=error)
    said = _open("logs", opinion="q1").error[0].value.replace("\\", "")
    assert "answered too <b>late</b>" in said
    assert "wait until it is quiet" in said
    assert "has expired" in _open("logs", opinion="old").info[0].value


@pytest.mark.parametrize("name", ["logs", "performance", "ai_backend"])
def test_without_an_engine_the_panel_says_what_to_do(ai: AiDouble, name: str) -> None:
    """No engine: the way to the page that says of each what is missing, and the setting that helps."""
    ai.scores = False
    said = "\n".join(str(one.value) for one in _open(name, explain="1").warning)
    assert "No model available." in said
    assert "(/ai)" in said
    assert "ai.model_paths" in said


@pytest.mark.parametrize("name", ["logs", "performance", "ai_backend"])
def test_a_viewer_may_not_ask(ai: AiDouble, place: Path, name: str) -> None:
    """The button is off and says why; an answer that exists may be read."""
    text = f'[auth]\nmode = "password"\n[[auth.users]]\nname = "v"\npassword_hash = "{HASH}"\nrole = "viewer"\n'
    (place / "watchkeeper.toml").write_text(text, "utf-8")
    ai.question = question(state="done", opinion=opinion())
    app = _open(name, explain="1", opinion="q1")
    button = next(b for b in app.button if b.key in {"explain_records", "explain_spike", "explain_errors"})
    assert button.disabled
    assert "Only operators" in button.help
    assert _data_of(app, "logs/opinion") is not None


@pytest.mark.slow  # the same click with an answer that is given: above; a real agent and a real model: test_opinions.py and, by a click, test_browser_explain.py
def test_a_real_model_explains_real_records(running_agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the click on the logs page to an opinion of the embedded model that cites records which exist, secrets masked."""
    secret, word = "hunter2hunter2", f"quay{time.monotonic_ns()}"
    with (running_agent.logs_dir / f"{word}.log").open("w", encoding="utf-8") as log:
        for i in range(2):
            at = f"{time.strftime('%Y-%m-%d %H:%M:%S')},{i:03d}"
            log.write(f"{at} ERROR worker: upload {i} failed: password={secret} disk full on /srv\n")
    api: Client = running_agent.api
    wait_until(lambda: api.log_count({"source": word}).count == 2, "the records are in the store")
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(running_agent.data_dir))
    app = _open("logs", explain="1", source=word)
    app.button(key="explain_records").click().run()
    asked = "".join(app.query_params["opinion"])
    state = wait_until(lambda: (s := api.ai.opinion(asked)).state != "running" and s, "an answer", seconds=100)
    assert state.state == "done", state.error
    assert (state.records, state.matched) == (2, 2)
    app.run()
    said = (_data_of(app, "logs/opinion") or {})["opinion"]
    assert said["citations"]
    assert "opinion" in said["notice"]
    for cited in said["citations"]:
        assert api.get(RecordDetail, f"/v1/logs/records/{cited['id']}").source == word
    assert secret not in json.dumps(said)
