"""The AI back ends page: what is found, what is not and why, and that a stranger's words stay words."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.shared.agent import coded, plain
from tests.doubles.page_ai import AiDouble
from tests.integration.pages.conftest import OLLAMA, ROOT, ScriptedAgent
from tests.waiting import patient

PAGE = str(ROOT / "pages" / "ai_backend.py")


@pytest.fixture
def agent(place: Path) -> Iterator[ScriptedAgent]:
    """A scripted agent on which nothing was measured yet."""
    scripted = ScriptedAgent(place / "data", place / "watchkeeper.toml")
    scripted.more_routes = AiDouble().routes()
    scripted.start()
    yield scripted
    scripted.stop()


def _open() -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=patient(20)).run()
    assert not app.exception
    return app


def _text(app: AppTest) -> str:
    elements = [*app.title, *app.header, *app.markdown, *app.caption]
    return "\n".join(str(element.value) for element in elements).replace("\\", "").replace("\u2060", "")


@pytest.mark.usefixtures("agent")
def test_engines_are_shown_with_state_models_and_remedy() -> None:
    """A working engine shows address, version and models; one that is missing shows why and what to do."""
    text = _text(_open())
    assert "1 of 2 engines is usable" in text
    for words in ("Ollama", "ready", "http://127.0.0.1:11434", "0.13.0", "llama3.1:8b", "Q4_K_M", "loaded", "8,192"):
        assert words in text
    for words in ("ExLlamaV2", "not installed", "The package is not installed.", "What to do", "pip install exllamav2"):
        assert words in text
    assert text.index("Ollama") < text.index("ExLlamaV2")
    assert "Checked at" in text
    assert "No NVIDIA GPU was found. Engines that need a GPU cannot run here" in text


@pytest.mark.usefixtures("agent")
def test_a_strangers_words_are_no_markup() -> None:
    """A model named like a script is shown as text."""
    raw = "\n".join(str(element.value) for element in _open().markdown)
    assert "<script>" not in raw
    assert "\\<script\\>" in raw


def test_check_again_asks_the_engines_anew(agent: ScriptedAgent) -> None:
    """The button makes the agent look, and shows what it found."""
    app = _open()
    assert agent.refreshed == 0
    agent.engines = [
        OLLAMA | {"state": "down", "models": [], "detail": "nothing listens", "remedy": "run ollama serve"}
    ]
    app.button(key="check_again").click().run()
    assert agent.refreshed == 1
    text = _text(app)
    assert "No engine is usable yet" in text
    assert "not running" in text
    assert "Run ollama serve." in text


def test_no_engine_is_an_empty_state_that_teaches(agent: ScriptedAgent) -> None:
    """Without engines the page says what is looked for and where addresses are given."""
    agent.engines = []
    app = _open()
    assert len(app.info) == 2
    assert "No benchmark yet" in app.info[0].value
    assert "Settings" in app.info[1].value


def test_an_agent_of_another_version_is_an_error_state(agent: ScriptedAgent) -> None:
    """An answer that cannot be read shows an error with a hint, not an exception."""
    agent.engines = [{"name": 1}]
    app = _open()
    assert "different versions" in app.error[0].value.replace("\\", "")


def test_a_state_of_a_newer_agent_is_shown_as_it_is(agent: ScriptedAgent) -> None:
    """A word that this dashboard does not know stands on the card."""
    agent.engines = [OLLAMA | {"state": "dreaming"}]
    assert "dreaming" in _text(_open())


@given(
    st.text()
    | st.lists(
        st.sampled_from([":material/home:", ":streamlit:", "->", "<-", "<->", "--", ">=", "<=", "~=", "x", "1"])
    ).map(" ".join)
)
def test_plain_text_keeps_every_sign_inert(text: str) -> None:
    """Escaped text has no bare sign that Markdown or Streamlit reads, and reads the same."""
    escaped = plain(text)
    bare = ""
    index = 0
    while index < len(escaped):
        if escaped[index] == "\\":
            index += 2
        else:
            bare += escaped[index]
            index += 1
    assert not set(bare) & set("`*_[]<>#|~$:&@\n\r")
    shown = escaped.replace("\\", "")
    assert ":material/" not in shown
    assert ":streamlit:" not in shown
    assert not re.search(r"(?<!\S)(?:<->|<-|->|--|<=|>=|~=)(?!\S)", shown), (
        "a sign for an arrow or a dash would replace it"
    )
    if text.isprintable():
        assert shown.replace("\u2060", "") == text.replace("\\", "")
    assert not set(shown) & set("\x1b\u202e\u2066\u200b\u2028")


@given(st.text(alphabet=st.sampled_from("`` a:->")) | st.just(":material/home:"))
def test_code_keeps_its_signs(text: str) -> None:
    """Between marks that are longer than any within, whatever stands there is no Markdown; nothing of a command is left out."""
    shown = coded(text)
    if not text.strip():
        assert shown == ""
        return
    marks = re.match("`+", shown)
    assert marks is not None
    inside = shown[len(marks[0]) : -len(marks[0])]
    assert max((len(run) for run in re.findall("`+", inside)), default=0) < len(marks[0])
    assert ":material/" not in shown
    assert inside.replace("\u2060", "").strip() == text.strip()
