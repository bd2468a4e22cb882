"""The gateway's section of the AI page: what it is while it is off, the address and keys, who uses what, and that a stranger's words stay words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.doubles.page_ai import GATEWAY_ON, NOW, AiDouble
from tests.integration.pages.conftest import ROOT, ScriptedAgent
from tests.integration.pages.test_services_page import SIGNED
from tests.waiting import patient

PAGE = str(ROOT / "pages" / "ai_backend.py")
CALL: dict[str, Any] = {
    "ts": NOW, "call": "c", "api": "openai", "route": "r", "run": "42", "pid": 7, "uid": 0, "program": "python <i>work</i>.py", "key_name": "notebook",
    "wanted": "auto", "backend": "fast", "model": "m", "stream": True, "attempts": 2, "outcome": "cut", "status": 200, "message": "fast: it broke off",
    "queued_s": 0.0, "ttft_s": 12.0, "total_s": 61.0, "prompt_tokens": 5, "completion_tokens": 8, "tokens_origin": "estimated", "tokens_per_s": 50.0,
    "bytes_in": 1, "bytes_out": 2,
}  # fmt: skip
USAGE: dict[str, Any] = {
    "program": "python <i>work</i>.py", "key_name": "notebook", "model": "m", "backend": "fast", "calls": 9, "failed": 1, "prompt_tokens": 50,
    "completion_tokens": 1234, "ttft_p50_s": 0.05, "ttft_p95_s": 0.1, "tokens_per_s": 48.5, "run": "42", "last_ts": NOW,
}  # fmt: skip


@pytest.fixture
def double() -> AiDouble:
    """What the agent answers about engines."""
    return AiDouble()


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
    elements = [*app.markdown, *app.caption, *app.code, *app.success, *app.error]
    return "\n".join(str(element.value) for element in elements).replace("\\", "").replace("\u2060", "")


def test_off_it_says_what_it_is_and_is_switched_on_with_one_click(place: Path) -> None:
    """The switch saves the setting; no address, no keys before."""
    app = _open()
    assert "One address for every program that asks a model" in _text(app)
    assert not app.code
    app.toggle(key="gateway_on").set_value(True).run()
    assert not app.exception
    assert "enabled = true" in (place / "watchkeeper.toml").read_text("utf-8")


def test_on_it_shows_address_engines_keys_and_who_uses_what(double: AiDouble) -> None:
    """Programs lead to their processes; estimated tokens are called so; names of strangers are no markup."""
    double.gateway, double.gateway_calls = GATEWAY_ON, {"calls": [CALL], "usage": [USAGE]}
    app = _open()
    assert [code.value for code in app.code] == ["http://127.0.0.1:11435/v1", "http://127.0.0.1:11435"]
    text = _text(app)
    for words in (
        "now **fast** with <b>m</b>", "fast is left alone for a moment: it hung up", "far is not used: it is remote", "| notebook |", "**2** waiting",
        "[python work.py](/run?run=42) → auto: waits for its turn", "[python <i>work</i>.py](/run?run=42)", "9 :red[(1 not answered)]", "1,234", "50 ms",
        ":red[cut] fast: it broke off :gray[after 1 other]", "about 8", "12.0 s", "1 min",
    ):  # fmt: skip
        assert words in text
    raw = "\n".join(str(element.value) for element in app.markdown)
    assert "<b>" not in raw
    assert "<i>" not in raw


def test_what_ollama_does_with_calls_of_the_other_api_is_said_where_one_is(double: AiDouble) -> None:
    """It loads a model anew, which its owner should know."""
    double.gateway = GATEWAY_ON
    assert "loads a model anew" not in _text(_open())
    double.gateway = GATEWAY_ON | {"engines": [GATEWAY_ON["engines"][0] | {"label": "Ollama"}]}
    assert "Ollama loads a model anew that has another context than Ollama's default" in _text(_open())


def test_a_key_is_made_shown_once_and_removed(double: AiDouble) -> None:
    """It stands on the page until it was copied; a name that cannot be is refused with what to do."""
    double.gateway = GATEWAY_ON
    app = _open()
    app.text_input(key="gateway_key_name").set_value(" train ")
    app.button(key="gateway_make_key").click().run()
    assert double.asked == [("add key", "train")]
    assert "wk-secret" in _text(app)
    app.button(key="gateway_copied").click().run()
    assert "wk-secret" not in _text(app)
    app.button(key="gateway_make_key").click().run()
    assert "cannot be the name of a key" in _text(app)
    app.button(key="gateway_remove_key").click().run()
    assert double.asked[-1] == ("remove key", "notebook")


def test_a_budget_is_set_and_shown(double: AiDouble) -> None:
    """What a key has used stands beside its limits; a form sets them, and an empty field sets none."""
    used = {"day": "2026-11-30", "calls_day": 3, "tokens_day": 1200, "calls_month": 9, "tokens_month": 5000}
    key = {
        "name": "notebook",
        "created": 1,
        "budget": {"tokens_day": 1000},
        "used": used,
        "spent": "The key notebook has used its 1,000 tokens of this day.",
    }
    double.gateway = GATEWAY_ON | {"keys": [key]}
    app = _open()
    text = _text(app)
    for words in ("3 calls, 1,200 of 1,000 tokens", "9 calls, 5,000 tokens", "has used its 1,000 tokens of this day"):
        assert words in text
    app.number_input(key="gateway_tokens_day_notebook").set_value(None)
    app.number_input(key="gateway_calls_month_notebook").set_value(50)
    app.button(key="gateway_set_budget").click().run()
    assert not app.exception
    assert double.asked[-1] == (
        "budget notebook",
        {"calls_day": None, "tokens_day": None, "calls_month": 50, "tokens_month": None},
    )


def test_a_port_that_is_taken_is_told_with_what_to_do(double: AiDouble) -> None:
    """In words, with the place of the setting."""
    double.gateway = GATEWAY_ON | {
        "state": "down",
        "address": None,
        "message": "the gateway cannot listen: port 11435 cannot be used: Address already in use",
    }
    text = _text(_open())
    assert "The gateway cannot listen: port 11435" in text
    assert "Choose another port in *Settings*" in text


TEXT: dict[str, Any] = {
    "call": "c",
    "ts": NOW,
    "prompt": "user: <b>why</b>?",
    "answer": "Because.",
    "prompt_cut": False,
    "answer_cut": True,
}


def test_prompts_and_answers_are_read_and_deleted(double: AiDouble, place: Path) -> None:
    """Off, the section says so and has a switch. Kept ones are text, never markup; one is deleted with a click, all of them after a question."""
    double.gateway = GATEWAY_ON
    app = _open()
    assert "Prompts and answers are not kept." in [one.label for one in app.expander]
    app.toggle(key="gateway_keep_texts").set_value(True).run()
    assert "keep_texts = true" in (place / "watchkeeper.toml").read_text("utf-8")
    kept = {"keeps": True, "days": 7, "limit": 2**26, "calls": 2, "size": 100, "oldest": NOW, "lost": 0}
    double.gateway, double.gateway_calls = GATEWAY_ON | {"texts": kept}, {"calls": [CALL], "usage": []}
    double.gateway_texts = [TEXT, TEXT | {"call": "d", "prompt": "another"}]
    app = _open()
    assert "Prompts and answers are kept: those of 2 calls are here, 100 B." in [one.label for one in app.expander]
    assert [code.value for code in app.code][-2:] == ["user: <b>why</b>?", "Because."]
    assert "Answer, shortened" in _text(app)
    app.button(key="gateway_text_delete").click().run()
    assert [code.value for code in app.code][-2] == "another"
    app.button(key="gateway_texts_delete").click().run()
    assert not app.exception
    assert double.gateway_texts == []
    assert "Prompts and answers are kept from now on." in [one.label for one in app.expander]


def test_a_viewer_reads_no_prompts(double: AiDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section says that there are some, and neither shows nor deletes them."""
    kept = {"keeps": True, "days": 7, "limit": 2**26, "calls": 1, "size": 100, "oldest": NOW, "lost": 0}
    double.gateway, double.gateway_texts = GATEWAY_ON | {"texts": kept}, [TEXT]
    (tmp_path / "signed.toml").write_text(SIGNED, "utf-8")
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(tmp_path / "signed.toml"))
    st.cache_resource.clear()
    app = _open()
    assert "Prompts and answers are kept: those of 1 call are here, 100 B." in [one.label for one in app.expander]
    assert app.toggle(key="gateway_keep_texts").disabled
    assert "why" not in _text(app)
    assert not [button for button in app.button if str(button.key).startswith("gateway_text")]
