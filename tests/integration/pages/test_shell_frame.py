"""The frame around the pages: navigation, status strip, the visitor's name; with an agent and without."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.integration.pages.conftest import ROOT, ScriptedAgent
from tests.waiting import patient

FRAME = str(ROOT / "pages" / "_frame.py")


def _open(page: str = "") -> AppTest:
    app = AppTest.from_file(FRAME, default_timeout=patient(20)).run()
    return app.switch_page(page).run() if page else app


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("page", ["settings.py", "ai_backend.py"])
def test_pages_open_in_the_frame(page: str) -> None:
    """A page of the shell opens without an exception, with a title and live components."""
    app = _open(page)
    assert not app.exception
    assert len(app.title) == 1
    assert app.get("bidi_component")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("page", ["settings.py", "ai_backend.py"])
def test_without_an_agent_pages_say_what_to_do(page: str) -> None:
    """With no agent every page names what is missing, since when, and what to do, and nothing raises."""
    app = _open(page)
    assert not app.exception
    assert app.error
    words = app.error[0].value
    assert "no agent answers" in words.replace("\\", "").lower()
    assert "Since" in words
    assert "What to do" in words


def test_a_page_heals_when_the_agent_comes(agent: ScriptedAgent) -> None:
    """A page that showed the agent's absence shows its content at the next look, with nothing reloaded."""
    agent.stop()
    app = _open("settings.py")
    assert app.error
    agent.start()
    app.run()
    assert not app.error
    assert not app.exception
    assert any("store.limit_mb" in text.value for text in app.markdown)
