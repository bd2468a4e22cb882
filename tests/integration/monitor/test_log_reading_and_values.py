"""How a log is read and what its patterns' values are, from the API to the pages and the command line."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from monitor.client.client import Refused
from tests.doubles.alone import ENGINES, LOGS
from tests.doubles.forked import COMMANDS
from tests.waiting import patient, wait_until

PAGES = Path(__file__).resolve().parents[3] / "pages"
LINES = "03/04/2026 10:11:12 [job-1] WARN slow\n05/04/2026 10:11:13 [job-1] INFO ok\n"


@pytest.fixture(scope="module")
def watched(make_agent: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An agent that follows one file of dates that can be read in two ways."""
    path = tmp_path_factory.mktemp("logs") / "shop.log"
    path.write_text(LINES)
    agent = make_agent(f"{LOGS}globs = [{json.dumps(str(path))}]\n{ENGINES}")
    agent.path = path
    wait_until(lambda: any(one.records for one in agent.api.log_sources().sources if one.source == "shop"))
    return agent


def formats(agent: Any) -> list[str]:
    """What the settings say."""
    found: list[str] = next(one.value for one in agent.api.settings().settings if one.key == "logs.formats")
    return found


def test_a_correction_is_a_setting(watched: Any) -> None:
    """It names the file; another one takes its place; detect removes it. What is no format is refused, and nothing changes."""
    (file,) = watched.api.log_readings("shop").files
    assert file.named == str(watched.path)
    assert {one.name for one in file.reading.facts} >= {"Format", "Time", "Level"}
    for said in ("day-first", "month-first"):
        (corrected,) = watched.api.correct_reading("shop", file.named, said).files
        assert (corrected.reading.order, formats(watched)) == (said, [f"{watched.path}={said}"])
    with pytest.raises(Refused, match="no log format"):
        watched.api.correct_reading("shop", file.named, "nonsense")
    assert formats(watched) == [f"{watched.path}=month-first"]
    assert watched.api.correct_reading("shop", file.named, "detect").files[0].setting is None
    assert formats(watched) == []
    with pytest.raises(Refused, match="no source"):
        watched.api.log_readings("nobody")


def wk(agent: Any, *words: str) -> str:
    """What a command prints."""
    environ = {**os.environ, "WATCHKEEPER_DATA_DIR": str(agent.data_dir), "WATCHKEEPER_CONFIG": str(agent.config)}
    done = COMMANDS.run([*words], environ, None)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_the_command_line_shows_and_corrects(watched: Any) -> None:
    """With and without an agent; lines and what is read in them."""
    said = wk(watched, "logs", "sources", "shop", "--read-as", "day-first")
    assert "the day comes first" in said
    assert "2026-04-03" in said, "of the line that shows WARN"
    shown = json.loads(wk(watched, "logs", "sources", "shop", "--json"))["files"][0]
    assert shown["setting"] == f"{watched.path}=day-first"
    assert json.loads(wk(watched, "logs", "formats", "--how", str(watched.path), "--json"))["order"] == "day-first"
    assert "detect" not in wk(watched, "logs", "sources", "shop", "--read-as", "detect")
    assert formats(watched) == []


@pytest.fixture
def page(watched: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The page of logs with the dialog open."""
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(watched.data_dir))
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(watched.config))
    app = AppTest.from_file(str(PAGES / "logs.py"), default_timeout=patient(30))
    app.query_params["reading"] = "shop"
    yield app.run()
    st.cache_resource.clear()


def words(app: AppTest) -> str:
    """All that is written on the page."""
    found = "\n".join(str(one.value) for one in [*app.markdown, *app.caption, *app.success, *app.error])
    return found.replace("\\", "")


def test_a_click_corrects_how_a_file_is_read(watched: Any, page: AppTest) -> None:
    """The line is marked up; the button of the other order changes it, the choice of the format takes it back."""
    assert not page.exception
    assert ":blue-background[03/04/2026 10:11:12]" in words(page)
    now = watched.api.log_readings("shop").files[0].reading.order
    other = "day-first" if now == "month-first" else "month-first"
    page.button(key=f"reading_0_{other}").click().run()
    assert formats(watched) == [f"{watched.path}={other}"]
    assert "is read in this way now" in words(page)
    page.button(key="reading_0_apply").click().run()
    assert not page.exception
    assert formats(watched) == []


@pytest.fixture(scope="module")
def took(watched: Any) -> int:
    """The number of a pattern with a duration that grows, told once it was stored."""
    with watched.path.open("a") as file:
        for n in range(120):
            file.write(
                f"06/04/2026 10:{10 + n // 60}:{n % 60:02d} [job-1] INFO order of {n % 3}x took {(30 + n % 9) * (4 if n > 95 else 1)} ms\n"
            )

    def stored() -> int | None:
        found = watched.api.log_patterns().patterns
        return next((one.number for one in found if one.text == "order of <*> took <*>" and one.count == 120), None)

    number: int = wait_until(stored, "all are stored")
    return number


def test_a_new_pattern_is_an_event_for_scripts_too(watched: Any, took: int) -> None:
    """On the command line and in the file of events, once; among all events one that is no warning would hide what matters."""
    told = wk(watched, "events", "--type", "NEW_PATTERN", "--json").splitlines()
    assert [one["details"]["pattern"] for one in map(json.loads, told)].count(took) == 1
    among = wk(watched, "events")
    assert "new log pattern: slow" in among, "a warning"
    assert "order of" not in among
    log, said = watched.data_dir / "process_events.log", 'new log pattern: order of <*> took <*>"'
    wait_until(lambda: said in log.read_text())
    assert log.read_text().count(said) == 1


def test_the_values_of_a_pattern_for_scripts_and_people(watched: Any, took: int) -> None:
    """The command line shows the figures and marks what is slowing; a pattern that is none is refused with a hint."""
    said = wk(watched, "logs", "patterns", "--values", str(took))
    assert "took" in said
    assert "time" in said
    shown = json.loads(wk(watched, "logs", "patterns", "--json"))["patterns"]
    assert [one["slowing"] for one in shown if one["number"] == took] == [True]
    assert "slowing" in wk(watched, "logs", "patterns")
    values = watched.api.pattern_values(took)
    assert [(one.name, one.kind) for one in values.columns] == [("of", "text"), ("took", "time")]
    with pytest.raises(Refused, match="no pattern"):
        watched.api.pattern_values(99_999)


def test_the_page_draws_the_values(watched: Any, took: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The view of the address: figures with units, a curve, and the sentence about what is slowing."""
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(watched.data_dir))
    monkeypatch.setenv("WATCHKEEPER_CONFIG", str(watched.config))
    app = AppTest.from_file(str(PAGES / "patterns.py"), default_timeout=patient(30))
    app.query_params.update(
        {"view": "values", "pattern": str(took), "from": "2026-04-01", "to": "2026-07-01", "range": "custom"}
    )
    app.run()
    assert not app.exception
    assert "median **3" in words(app)
    assert "grew from" in str(app.warning[0].value)
    assert len(app.get("plotly_chart")) == 1
    st.cache_resource.clear()
