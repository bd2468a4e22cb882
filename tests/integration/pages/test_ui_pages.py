"""The pages' scripts, run by Streamlit's own test driver: what they hand to the live components, with and without an agent."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.server.assets import PARTS
from pages.ui import components
from tests.waiting import patient

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory without an agent."""
    monkeypatch.setenv("WATCHKEEPER_DATA_DIR", str(tmp_path))


def page(name: str, **query: str) -> AppTest:
    """A page's script, run with an address."""
    test = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=patient(30))
    for key, value in query.items():
        test.query_params[key] = value
    return test.run()


def data_of(test: AppTest) -> dict[str, dict[str, Any]]:
    """The data of each live component, by the path of its script."""
    found = [json.loads(one.proto.json) for one in test.get("bidi_component")]
    return {data["module"].removeprefix("/wk/assets/").split(".")[0]: data for data in found}


@pytest.mark.parametrize(
    "name", ["overview", "processes", "services", "jobs", "logs", "patterns", "performance", "run"]
)
def test_every_page_stands_without_an_agent(name: str) -> None:
    """No page fails for want of the agent; each has a title or says what is missing."""
    test = page(name)
    assert not test.exception
    assert test.title


def test_the_overview_has_its_parts() -> None:
    """The overview mounts the components whose scripts its answer preloads."""
    assert set(PARTS["/"]) <= set(data_of(page("overview")))


def test_processes_take_search_shape_scope_and_sort_from_the_address() -> None:
    """A link reproduces the table."""
    data = data_of(page("processes", q="/py.*/", shape="tree", which="mine", sort="-rss", kernel="true"))[
        "processes/table"
    ]
    assert (data["q"], data["tree"], data["scope"], data["sort"], data["kernel"]) == (
        "/py.*/",
        True,
        "mine",
        "-rss",
        True,
    )
    assert data["columns"][0] == "name"


def test_an_unknown_sort_falls_back() -> None:
    """An address from elsewhere cannot break the table."""
    assert data_of(page("processes", sort="<script>"))["processes/table"]["sort"] == "cpu_pct"


def test_patterns_take_their_view_from_the_address() -> None:
    """A link reproduces the list, and the comparison; what is no view, level or order falls back."""
    data = data_of(page("patterns", search="-heartbeat", level="warn", sort="new", range="24h"))["logs/patterns"]
    assert (data["filters"], data["sort"], data["window_s"]) == (
        {"query": "-heartbeat", "level": "warn"},
        "new",
        86_400,
    )
    assert data_of(page("patterns", view="changes", level="loud"))["logs/changes"]["filters"] == {}
    assert data_of(page("patterns", view="<script>", sort="x"))["logs/patterns"]["sort"] == "count"


def test_logs_take_every_filter_from_the_address() -> None:
    """A link reproduces the view: text, levels, process and range."""
    query = {"q": "/time.?out/", "levels": "error,fatal,nonsense", "process": "4242", "range": "custom"}
    data = data_of(page("logs", **query, **{"from": "2026-11-23T00:00:00Z", "to": "2026-11-23T01:00:00Z"}))
    filters = data["logs/view"]["filters"]
    assert (filters["q"], filters["regex"], filters["levels"], filters["pid"]) == (
        "time.?out",
        1,
        "error,fatal",
        "4242",
    )
    assert filters["until"] - filters["since"] == 3_600_000_000
    assert data["logs/view"]["live"] is False
    assert "levels" not in data["logs/histogram"]["filters"]  # counts stand beside what is off
    assert data["logs/histogram"]["range"] == [filters["since"], filters["until"]]


def test_a_wrong_range_shows_live_and_says_so() -> None:
    """An address that names no range is not an error page."""
    test = page("logs", range="custom")
    assert data_of(test)["logs/view"]["live"] is True
    assert any("Invalid time range" in toast.value for toast in test.toast)


def test_a_process_that_is_no_number_is_told_to_be_left_out() -> None:
    """What is typed into the box of pids and narrows nothing is named, so that nobody takes all records for one process's."""
    test = page("logs", process="python")
    assert any("“python” is not a PID" in one.value for one in test.caption)
    assert not {"pid", "run"} & data_of(test)["logs/view"]["filters"].keys()
    assert not any("is not a PID" in one.value for one in page("logs", process="4242").caption)


@pytest.mark.parametrize("parameter", ["run", "process"])
def test_a_run_in_the_address_is_named_and_can_be_left(parameter: str) -> None:
    """Links of other pages lead to the records of one life of a process: nobody is shown its number, and one click leads to all."""
    test = page("logs", **{parameter: "4728394823948293004"})
    assert data_of(test)["logs/view"]["filters"]["run"] == "4728394823948293004"
    assert [one.label for one in test.button if one.key == "any_process"] == ["One process"]
    assert not test.text_input
    test.button(key="any_process").click().run()
    assert "run" not in data_of(test)["logs/view"]["filters"]
    assert [one.label for one in test.text_input] == ["Process"]


def test_a_run_that_is_no_number_is_not_asked_for() -> None:
    """Nonsense in the address leads to the page's empty state."""
    test = page("run", run="../../etc")
    assert not test.exception
    assert "No process selected." in test.info[0].value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("  two words ", {"q": "two words"}),
        ("/a|b/", {"q": "a|b", "regex": 1, "case": 1}),
        ("/a|b/i", {"q": "a|b", "regex": 1}),
        ("/usr/bin", {"q": "/usr/bin"}),
        ("//", {"q": "//"}),
    ],
)
def test_the_search_box_reads_text_or_regex(text: str, expected: dict[str, Any]) -> None:
    """What stands between slashes is an expression; anything else is text."""
    assert expected == components.log_text_filter(text)
