"""The model shelf and the chat box of the AI page: what a server has, what can be done, a model that is tried; strangers' words stay words."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.doubles.page_ai import AiDouble, pull, shelves, trial
from tests.integration.pages.conftest import OLLAMA, ROOT, ScriptedAgent
from tests.integration.pages.test_services_page import SIGNED
from tests.waiting import patient

PAGE = str(ROOT / "pages" / "ai_backend.py")
USABLE: dict[str, Any] = OLLAMA | {
    "backend": "ollama", "usable": True, "model": "<b>m</b>",
    "models": [{"name": "<b>m</b>"}, {"name": "other"}, {"name": "embed", "capabilities": ["embedding"]}],
}  # fmt: skip


@pytest.fixture
def double() -> AiDouble:
    """What the agent answers about engines."""
    found = AiDouble()
    found.models, found.backends, found.trial = shelves(), [USABLE], trial()
    return found


@pytest.fixture(autouse=True)
def agent(place: Path, double: AiDouble) -> Iterator[ScriptedAgent]:
    """A scripted agent with it."""
    scripted = ScriptedAgent(place / "data", place / "watchkeeper.toml")
    scripted.more_routes = double.routes()
    scripted.start()
    yield scripted
    scripted.stop()


def _open() -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=patient(20)).run()
    assert not app.exception
    return app


def _text(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.code, *app.success, *app.error, *app.info]
    return "\n".join(str(element.value) for element in elements).replace("\\", "").replace("\u2060", "")


def test_a_shelf_tells_what_a_server_has(double: AiDouble) -> None:
    """What is in memory with its context and how long, what embeds, what is far away and why it is not asked, the server's own settings, the command."""
    app = _open()
    text = _text(app)
    for words in (
        "4 requests at a time", "context of 8,192 tokens", "keeps a model 30m", "cache of q8_0", "131,072", "in memory", "1.5 GiB", "1.0 GiB of it on the GPU",
        "used by Watchkeeper", "embeddings", "on another machine (far.example)", "`ai.allow_remote` is off", "ollama run '<b>m</b>'",
    ):  # fmt: skip
        assert words in text
    assert "<b>" not in "\n".join(str(element.value) for element in app.markdown)
    double.models = {"shelves": [], "pulls": [], "read_only": False}
    assert "Start it with `ollama serve`" in _text(_open())


def test_models_are_loaded_let_go_and_deleted_by_clicks(double: AiDouble) -> None:
    """Each with what was given, and a sentence on what came of it; a refusal says what to do."""
    app = _open()
    app.number_input(key="shelf_context_0").set_value(2048).run()
    app.selectbox(key="shelf_keep_0").set_value("-1").run()
    app.button(key="shelf_load_0").click().run()
    assert double.asked == [
        ("model load", {"server": "ollama", "model": "<b>m</b>", "context": 2048, "keep_alive": "-1"})
    ]
    assert "is in memory with a context of 2,048" in _text(app)
    app.button(key="shelf_unload_0").click().run()
    assert double.asked[-1] == ("model unload", {"server": "ollama", "model": "<b>m</b>"})
    app.selectbox(key="shelf_model_0").set_value("embed").run()
    assert "Delete **embed** from the server's disk?" in _text(app)
    app.button(key="shelf_delete_0").click().run()
    assert double.asked[-1] == ("model delete", {"server": "ollama", "model": "embed"})
    assert "1.0 GiB are free again" in _text(app)
    double.refusal = (409, "a benchmark runs")
    app.button(key="shelf_delete_0").click().run()
    assert "A benchmark runs" in _text(app)
    assert "look at the cards" in _text(app)


def test_a_fetch_is_started_followed_and_stopped(double: AiDouble) -> None:
    """Bytes, rate and time left while it runs; one that failed says why."""
    app = _open()
    app.text_input(key="shelf_new_0").set_value(" new:1b ")
    app.button(key="shelf_fetch_go_0").click().run()
    assert double.asked == [("model pull", {"server": "ollama", "model": "new:1b"})]
    failed = pull("nope", id="p2", state="failed", error="it does not exist.", hint="Check the name.")
    double.models = shelves() | {"pulls": [pull("<i>new</i>:1b"), failed]}
    app = _open()
    assert "nope :red[:material/error: failed] it does not exist. Check the name." in _text(app)
    app.button(key="shelf_stop_p1").click().run()
    assert ("cancel pull", "p1") in double.asked


def test_a_model_is_tried(double: AiDouble) -> None:
    """The question and the answer as text, the figures below it; models that embed are not offered; a conversation goes on and is cleared."""
    app = _open()
    assert app.selectbox(key="chat_model_ollama").options == ["<b>m</b>", "other"]
    app.chat_input(key="chat_question").set_value("Why <u>blue</u>?").run()
    assert double.asked[-1] == ("try", ("ollama", "<b>m</b>", "Why <u>blue</u>?"))
    text = _text(app)
    for words in (
        "Why <u>blue</u>?",
        "<i>scattering</i>",
        "first token after 120 ms",
        "48.5 tokens/s (reported)",
        "64 tokens in 1.4 s",
        "One note.",
    ):
        assert words in text
    raw = "\n".join(str(element.value) for element in app.markdown)
    assert "<i>" not in raw
    assert "<u>" not in raw
    app.button(key="chat_clear").click().run()
    assert "scattering" not in _text(app)
    double.trial = trial(state="failed", text="", figures=None, error="It ran out of memory.", hint="Take a smaller model.")  # fmt: skip
    app.chat_input(key="chat_question").set_value("Again?").run()
    assert "It ran out of memory." in _text(app)
    assert "What to do: Take a smaller model." in _text(app)


def test_a_viewer_and_read_only_mode_can_only_look(
    double: AiDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that acts is switched off."""
    double.models = shelves() | {"read_only": True}
    app = _open()
    assert "`actions.read_only` switches them on" in _text(app)
    assert app.button(key="shelf_unload_0").disabled
    double.models = shelves()
    (tmp_path / "signed.toml").write_text(SIGNED, "utf-8")
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(tmp_path / "signed.toml"))
    st.cache_resource.clear()
    app = _open()
    assert app.button(key="shelf_unload_0").disabled
    assert app.chat_input(key="chat_question").disabled
    app.button(key="shelf_delete_0").click().run()
    assert "only operators can delete models" in _text(app).lower()
    assert double.asked == []
    assert os.environ["WATCHKEEPER_CONFIG"].endswith("signed.toml")
