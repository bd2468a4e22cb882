"""The page Alerts, run by Streamlit's own test driver beside a real agent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.shared.agent import plain
from pages.ui.numbers import size
from tests.integration.pages.conftest import ROOT
from tests.integration.pages.test_settings_page import SIGNED
from tests.waiting import patient, wait_until

PAGE = str(ROOT / "pages" / "alerts.py")


@pytest.fixture(scope="module")
def beside(make_agent: Callable[..., Any]) -> Any:
    """An agent."""
    return make_agent()


@pytest.fixture
def watched(beside: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The same agent for a page, with the rules that come with it."""
    for rule in beside.api.alerts.rules().rules:
        if not rule.built_in:
            beside.api.alerts.remove(rule.name)
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(beside.data_dir))
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(beside.config))
    yield beside
    st.cache_resource.clear()  # closes the clients of the agent


def page(**params: str) -> AppTest:
    """The page as it is drawn first, at this address."""
    app = AppTest.from_file(PAGE, default_timeout=patient(30))
    for name, value in params.items():
        app.query_params[name] = value
    return ran(app.run())


def ran(app: AppTest) -> AppTest:
    """The same, without an error."""
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """All that is written on the page."""
    found = [*app.markdown, *app.caption, *app.success, *app.error, *app.info, *app.subheader]
    return "\n".join(str(one.value) for one in found).replace("\\", "")


def saved(agent: Any, name: str) -> dict[str, Any] | None:
    """The settings of a rule that is not built in."""
    found = (rule for rule in agent.api.alerts.rules().rules if rule.name == name and not rule.built_in)
    return next((rule.settings for rule in found), None)


@pytest.mark.usefixtures("watched")
def test_the_rules_that_are_there_are_explained() -> None:
    """What they watch, how they stand, and that nobody is notified."""
    said = words(page())
    assert "Nothing fires." in said
    assert "space in use on a file system above 97 % for 1 min" in said
    assert "Nobody is notified" in said


def test_without_an_agent_it_is_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three parts look by themselves, and one of them tells."""
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(tmp_path))
    st.cache_resource.clear()
    app = page()
    assert len(app.error) == 1
    assert "alerts cannot be shown" in app.error[0].value
    assert not app.header
    st.cache_resource.clear()


def test_a_space_at_the_end_of_a_name_is_left_out(watched: Any) -> None:
    """Nobody sees it, and it would be another rule; signs of Markdown do not show beside a name."""
    watched.api.alerts.save("nightly ", {"fails": "nightly.py"})
    assert "**nightly** " in words(page())
    watched.api.alerts.remove("nightly")


def test_a_rule_about_the_usual_is_made_in_the_form(watched: Any) -> None:
    """A change needs no second value, has percent, and says of which time the usual is."""
    app = page(new="records", query="x")
    ran(app.segmented_control(key="alert_kind").set_value("metric").run())
    ran(app.segmented_control(key="alert_side").set_value("change").run())
    app.text_input(key="alert_value").set_value("+80 %")
    app.text_input(key="alert_name").set_value("fills")
    app.number_input(key="alert_usual_days").set_value(0)
    ran(app.button(key="save_alert").click().run())
    assert saved(watched, "fills") == {"name": "fills", "metric": "disk.used_pct", "change": 80.0, "usual_days": 0}
    watched.api.alerts.remove("fills")


def test_a_link_of_the_logs_fills_the_form(watched: Any) -> None:
    """One name, and the rule is there; a wrong query is named by its field, and loses nothing."""
    app = page(new="records", query='level>=error "out of memory"')
    assert app.text_input(key="alert_records").value == 'level>=error "out of memory"'
    assert app.text_input(key="alert_name").value == "out of memory"
    app.text_input(key="alert_records").set_value("level>=error (open")
    ran(app.button(key="save_alert").click().run())
    assert "bracket is never closed" in words(app)
    app.text_input(key="alert_records").set_value("level>=error needle")
    ran(app.button(key="save_alert").click().run())
    assert "out of memory: added" in words(app)
    assert saved(watched, "out of memory") == {"name": "out of memory", "records": "level>=error needle"}


def test_a_link_of_a_failed_process_needs_one_click(watched: Any) -> None:
    """It has a name that says what it is, and is saved as it is filled in."""
    app = page(new="fails", text="nightly.py")
    ran(app.button(key="save_alert").click().run())
    assert saved(watched, "nightly.py failed") == {"name": "nightly.py failed", "fails": "nightly.py"}


def test_a_reading_is_watched_and_what_fires_is_acknowledged(watched: Any) -> None:
    """Added by the form, shown with its evidence, noted with a click, switched off with another; then it is drawn for who opens the earlier ones."""
    app = page()
    ran(app.button(key="add_alert").click().run())
    app.text_input(key="alert_name").set_value("memory used")
    ran(app.segmented_control(key="alert_kind").set_value("metric").run())
    ran(app.selectbox(key="alert_metric").select("mem.used_pct").run())
    app.text_input(key="alert_value").set_value("much")
    ran(app.button(key="save_alert").click().run())
    assert "'much' is not a value such as 95" in words(app)
    app.text_input(key="alert_value").set_value("0.01")
    app.number_input(key="alert_for").set_value(0.0)
    ran(app.button(key="save_alert").click().run())
    assert saved(watched, "memory used") == {
        "name": "memory used",
        "metric": "mem.used_pct",
        "above": 0.01,
        "for_s": 0.0,
    }
    wait_until(lambda: watched.api.alerts.all({"firing": True}).alerts, "it fires")
    alert = watched.api.alerts.all({"firing": True}).alerts[0]
    app = page()
    assert "memory in use at" in words(app)
    named = [button.label for button in app.button if button.key.startswith(f"culprit_{alert.id}")]
    assert named == [plain(f"{one.title} (PID {one.pid}): {size(one.value)} memory") for one in alert.culprits]
    ran(app.button(key=f"note_{alert.id}").click().run())
    assert "noted by somebody" in words(page())
    app = page()
    ran(app.toggle(key="on_memory used_True").set_value(False).run())
    assert saved(watched, "memory used") is not None
    app = page()
    assert "Nothing fires." in words(app)
    assert "the rule was removed or switched off" not in words(app)
    assert [one.label for one in app.expander][:1] == ["Earlier"]
    app.session_state["alerts_earlier"] = True
    assert "the rule was removed or switched off" in words(ran(app.run()))
    app = page()
    ran(app.button(key="edit_memory used").click().run())
    ran(app.button(key="remove_alert").click().run())
    assert saved(watched, "memory used") is None


def test_a_viewer_changes_nothing(watched: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The buttons are disabled, and what is sent all the same is refused."""
    (tmp_path / "signed.toml").write_text(SIGNED, "utf-8")
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(tmp_path / "signed.toml"))
    st.cache_resource.clear()
    app = page()
    assert app.button(key="add_alert").disabled
    assert app.button(key="edit_disk full").disabled
    assert app.toggle(key="on_disk full_True").disabled
    app.session_state["alerts_ask"] = ("add", "")
    ran(app.run())
    app.text_input(key="alert_name").set_value("mine")
    app.text_input(key="alert_records").set_value("x")
    ran(app.button(key="save_alert").click().run())
    assert "only operators" in words(app).lower()
    assert saved(watched, "mine") is None
