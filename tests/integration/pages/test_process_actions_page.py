"""Actions on the page of a process, beside a real agent and a real process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.integration.pages.conftest import ROOT
from tests.integration.pages.test_settings_page import SIGNED
from tests.waiting import patient, wait_until

FORKS = "import os, time\nif os.fork(): print('ready', flush=True)\nwhile True: time.sleep(0.2)\n"


@pytest.fixture
def parent(running_agent: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A process with one child, and the page's environment."""
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(running_agent.data_dir))
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(running_agent.config))
    child = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"  # a shell lets what it runs in the background ignore it
        f"parent = os.getpid()\n{FORKS.replace('True', 'os.getppid() == parent or os.getpid() == parent')}"
    )
    process = subprocess.Popen([sys.executable, "-S", "-c", child], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait(patient(10))
    process.stdout.close()
    st.cache_resource.clear()  # closes the clients of the agent


def page(agent: Any, pid: int) -> AppTest:
    """The page of a process whose child was sampled."""

    def run() -> str | None:
        found = {one.pid: one for one in agent.api.processes().processes}
        return found[pid].run if pid in found and any(one.ppid == pid for one in found.values()) else None

    app = AppTest.from_file(str(ROOT / "pages" / "run.py"), default_timeout=patient(30))
    app.query_params["run"] = wait_until(run, "the process is sampled", seconds=30)
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    """What is written on the page."""
    found = "\n".join(str(one.value) for one in [*app.markdown, *app.caption, *app.success, *app.error])
    return found.replace("\\", "")


def test_a_process_is_stopped_after_a_dialog_that_names_it(running_agent: Any, parent: subprocess.Popen[str]) -> None:
    """Command, age and children stand in the dialog; nothing happens before its button; then the page says what was done."""
    app = page(running_agent, parent.pid)
    app.button(key="act_stop").click().run()
    said = words(app)
    assert all(part in said for part in (sys.executable, f"Process **{parent.pid}**", "running for", "1 child", "SIGTERM"))  # fmt: skip
    assert parent.poll() is None
    app.button(key="act_cancel").click().run()
    assert "running for" not in words(app)
    app.button(key="act_stop").click().run()
    other = AppTest.from_file(str(ROOT / "pages" / "run.py"), default_timeout=patient(30))
    other.query_params["run"] = next(
        one.run for one in running_agent.api.processes().processes if one.pid == os.getpid()
    )
    other.session_state["act_ask"] = app.session_state["act_ask"]
    other.run()
    assert "running for" not in words(other)  # a question is of the process that it was asked about, in no other's page
    app.button(key="act_confirm").click().run()
    assert not app.exception
    assert parent.wait(patient(10)) == -15
    assert f"Process {parent.pid}: SIGTERM sent" in words(app)
    app.session_state["act_ask"] = "kill", app.query_params["run"]
    wait_until(lambda: running_agent.api.run(app.query_params["run"]).end_ts, "its end is told")
    app.run()
    assert "ended meanwhile" in app.info[0].value


def test_a_signal_and_a_priority_are_chosen_in_their_dialogs(running_agent: Any, parent: subprocess.Popen[str]) -> None:
    """Each dialog offers its choice, and does what was chosen."""
    app = page(running_agent, parent.pid)
    app.button(key="act_renice").click().run()
    app.slider(key="act_nice").set_value(15)
    app.button(key="act_confirm").click().run()
    assert not app.exception
    assert os.getpriority(os.PRIO_PROCESS, parent.pid) == 15
    app.button(key="act_signal").click().run()
    assert not app.exception
    app.selectbox(key="act_which").set_value("INT")
    app.button(key="act_confirm").click().run()
    assert not app.exception
    assert parent.wait(patient(10)) == -2
    assert f"Process {parent.pid}: SIGINT sent" in words(app)


def test_where_nobody_may_act_the_buttons_say_why(running_agent: Any, parent: subprocess.Popen[str]) -> None:
    """In read-only mode they are switched off for operators too, and so they always are of what is protected."""
    running_agent.api.save_settings({"actions.read_only": True})
    try:
        told = {app_button(page(running_agent, parent.pid), action) for action in ("stop", "kill", "signal", "renice")}
    finally:
        running_agent.api.save_settings({"actions.read_only": None})
    assert told == {(True, "Actions on services, processes and models are switched off.")}
    assert app_button(page(running_agent, parent.pid), "stop")[0] is False
    agent = running_agent.api.status().agent.pid
    assert app_button(page(running_agent, agent), "kill") == (True, f"Process {agent} is part of Watchkeeper.")


def app_button(app: AppTest, action: str) -> tuple[bool, str]:
    """Whether the button of an action is switched off, and what it says about that."""
    found = app.button(key=f"act_{action}")
    return found.disabled, found.help


def test_a_viewer_cannot_act(
    running_agent: Any, parent: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The buttons are switched off, and an action that is sent all the same is refused."""
    (tmp_path / "signed.toml").write_text(SIGNED, "utf-8")
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(tmp_path / "signed.toml"))
    st.cache_resource.clear()
    app = page(running_agent, parent.pid)
    assert all(app.button(key=f"act_{action}").disabled for action in ("stop", "kill", "signal", "renice"))
    app.session_state["act_ask"] = "kill", app.query_params["run"]
    app.run()
    app.button(key="act_confirm").click().run()
    assert "only operators" in words(app).lower()
    assert parent.poll() is None
    run = app.query_params["run"]
    found = wait_until(lambda: running_agent.api.services.actions({"run": run}).actions, "it is in the audit table")
    assert [(one.action, one.pid, one.outcome) for one in found] == [
        ("process kill", parent.pid, "refused: only operators can act on processes")
    ]
