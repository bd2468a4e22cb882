"""The page Services, run by Streamlit's own test driver beside a real agent."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.integration.pages.conftest import ROOT
from tests.integration.pages.test_settings_page import SIGNED
from tests.waiting import patient, wait_until

PAGE = str(ROOT / "pages" / "services.py")


@pytest.fixture(scope="module")
def beside(make_agent: Callable[..., Any]) -> Iterator[Any]:
    """An agent; its services end with the module."""
    agent = make_agent()
    yield agent
    for service in agent.api.services.all().services:
        agent.api.services.stop(service.name)


@pytest.fixture
def watched(beside: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The same agent for a page, without services."""
    for service in beside.api.services.all().services:
        beside.api.services.remove(service.name)
    wait_until(lambda: not beside.api.services.all().services)
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(beside.data_dir))
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(beside.config))
    yield beside
    st.cache_resource.clear()  # closes the clients of the agent


def page() -> AppTest:
    """The page as it is drawn first."""
    return ran(AppTest.from_file(PAGE, default_timeout=patient(30)).run())


def ran(app: AppTest) -> AppTest:
    """The same, without an error."""
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """All that is written on the page."""
    found = "\n".join(str(one.value) for one in [*app.markdown, *app.caption, *app.success, *app.error, *app.info])
    return found.replace("\\", "")


@pytest.mark.usefixtures("watched")
def test_without_services_it_says_how_to_add_one() -> None:
    """What a service is, and three ways to add one."""
    app = page()
    assert "No services yet" in words(app)
    assert "watchkeeper service add" in words(app)
    assert "[[service]]" in app.code[0].value


def test_a_service_is_added_stopped_and_started_on_the_page(watched: Any) -> None:
    """The form adds it; a click on Stop opens a dialog that names what happens; only its button stops it."""
    app = page()
    ran(app.button(key="add_service").click().run())
    app.text_input(key="svc_name").set_value("box")
    app.text_input(key="svc_command").set_value("sleep 1000")
    ran(app.button(key="save_service").click().run())
    assert "box: added" in words(app)
    service = wait_until(
        lambda: next((s for s in watched.api.services.all().services if s.state == "running"), None), seconds=30
    )
    ran(app.run())
    assert ":green-badge" in words(app)
    ran(app.button(key="stop_box").click().run())
    assert f"Asks process {service.pid} to end" in words(app)
    assert watched.api.services.one("box").service.pid == service.pid
    ran(app.button(key="confirm").click().run())
    assert watched.api.services.one("box").service.state == "stopped"
    assert "box: stopped" in words(app)
    assert re.search(r"since (today|yesterday) \d\d:\d\d", words(app))
    assert app.button(key="run_box").label == "Last process"
    ran(app.button(key="start_box").click().run())
    ran(app.button(key="confirm").click().run())
    assert watched.api.services.one("box").service.state == "running"
    ran(app.button(key="add_service").click().run())
    app.text_input(key="svc_name").set_value("box")
    app.text_input(key="svc_command").set_value("sleep 2000")
    ran(app.button(key="save_service").click().run())
    assert "there is a service box already" in words(app)
    assert watched.api.services.one("box").service.command == "sleep 1000"


def test_wrong_input_is_named_in_the_form(watched: Any) -> None:
    """Nothing is saved, and the form stays open."""
    app = page()
    ran(app.button(key="add_service").click().run())
    ran(app.button(key="save_service").click().run())
    assert "Give it a name" in words(app)
    app.text_input(key="svc_name").set_value("a b")
    app.text_input(key="svc_command").set_value("sleep 'x")
    app.text_input(key="svc_schedule").set_value("soon")
    ran(app.button(key="save_service").click().run())
    said = words(app)
    assert all(part in said for part in ("letters, digits", "no closing quotation", "is not cron syntax"))
    app.text_input(key="svc_command").set_value("")
    ran(app.button(key="save_service").click().run())
    said = words(app)
    assert all(part in said for part in ('Name = "a b": a name has', "Command is missing", 'Schedule = "soon":'))
    assert watched.api.services.all().services == []


def test_an_edit_sends_what_changed_and_keeps_hidden_values(watched: Any) -> None:
    """Variables are shown without their values, which stay."""
    settings = {"command": ["sleep", "1000"], "autostart": False, "environment": {"TOKEN": "s3cret"}}
    watched.api.services.save("box", settings)
    app = page()
    ran(app.button(key="edit_box").click().run())
    assert app.text_area(key="svc_environment").value == "TOKEN"
    assert app.text_input(key="svc_command").value == "sleep 1000"
    app.selectbox(key="svc_restart").set_value("always")
    ran(app.button(key="save_service").click().run())
    text = watched.config.read_text("utf-8")
    assert 'TOKEN = "s3cret"' in text
    assert 'restart = "always"' in text
    assert 'command = ["sleep", "1000"]' in text


def test_a_viewer_can_only_look(watched: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All buttons that act are switched off, and an action that is sent all the same is refused."""
    watched.api.services.save("box", {"command": "sleep 1000", "autostart": False})
    (tmp_path / "signed.toml").write_text(SIGNED, "utf-8")
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(tmp_path / "signed.toml"))
    st.cache_resource.clear()
    app = page()
    acting = [one for one in app.button if one.key and one.key.split("_")[0] in {"start", "edit", "add"}]
    assert len(acting) == 3
    assert all(one.disabled for one in acting)
    app.session_state["services_ask"] = ("start", "box")
    ran(app.run())
    ran(app.button(key="confirm").click().run())
    assert "only operators" in words(app).lower()
    assert watched.api.services.one("box").service.state == "stopped"
    assert os.environ["WATCHKEEPER_CONFIG"].endswith("signed.toml")


def test_a_schedule_whose_last_run_failed_says_so(watched: Any) -> None:
    """It waits for its next run, in red as long as that has not gone well, and says when the last one was."""
    settings = {"command": "sh -c 'exit 3'", "restart": "never", "schedule": "0 0 1 1 *"}
    watched.api.services.save("yearly", settings)
    assert "last run failed" not in words(page())
    watched.api.services.start("yearly")
    wait_until(lambda: watched.api.services.one("yearly").service.exit_code == 3)
    said = words(page())
    assert "last run failed" in said
    assert re.search(r"last run (today|yesterday) \d\d:\d\d: exit code 3", said)


def test_many_services_are_counted_and_those_that_do_not_run_are_found(watched: Any) -> None:
    """Nine services stand in the order of their numbers, with a line that counts them; a choice leaves the one that is stopped."""
    for number in (10, 9, 8, 7, 5, 4, 3, 2, 1):
        watched.api.services.save(f"w-{number}", {"command": "sleep 1000", "autostart": number != 5})
    wait_until(lambda: sum(one.state == "running" for one in watched.api.services.all().services) == 8, seconds=60)
    app = page()
    assert "8 running · 1 stopped" in words(app)
    shown = [key for key in (one.key or "" for one in app.button) if key.startswith("edit_")]
    assert shown == [f"edit_w-{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10)]
    app.query_params["show"] = "not"
    ran(app.run())
    assert [one.key for one in app.button if (one.key or "").startswith("edit_")] == ["edit_w-5"]
