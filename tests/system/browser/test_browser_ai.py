"""Benchmarks and engines in a real browser, with a real watch: from a click to a verdict, several models, Tune, options as a link, a server that is gone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from monitor.client.client import Client
from monitor.core.errors import AgentError
from tests.doubles.stateful_ollama import Held, StatefulOllama, serve_on_thread
from tests.system.browser.conftest import Watch, Window, agent_on, window_of
from tests.waiting import patient, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def client(watch: Watch) -> Iterator[Client]:
    """The watch's agent, with a short plan for benchmarks."""
    with Client.of(watch.place / "data", timeout_s=patient(30)) as found:
        found.save_settings({"ai.benchmark_s": 2.0, "ai.benchmark_postings": 0})
        yield found
        found.ai.cancel_benchmark()
        wait_until(lambda: found.ai.benchmark().state != "running", "the benchmark ends", seconds=60)
        found.save_settings({"ai.benchmark_s": None, "ai.benchmark_postings": None})


@pytest.mark.slow  # `test_models_of_one_server_are_measured_side_by_side` is the short form; a real engine is measured in test_ai_api.py, too
def test_a_click_leads_to_a_verdict(window: Window, client: Client) -> None:
    """Progress with steps, then the verdict in words, figures and charts, without a reload."""
    page = window.open("/ai?depth=quick")
    page.get_by_role("button", name="Benchmark", exact=True).click()
    page.get_by_role("heading", name="Benchmark running").wait_for()
    page.get_by_role("button", name="Cancel").wait_for()
    wait_until(lambda: client.ai.benchmark().first_figure_s is not None, "a first figure", seconds=60)
    page.get_by_role("heading", name="Verdict").wait_for(timeout=1000 * patient(200))
    page.get_by_role("heading", name="Memory, predicted and measured").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    wait_until(lambda: client.ai.benchmark().state == "done", "quality is measured, too", seconds=120)
    assert window.hosts <= {window.url.split("/")[2]}


@pytest.fixture
def server(client: Client) -> Iterator[StatefulOllama]:
    """An Ollama with two models that the watch's agent knows; a test may take it out of the settings."""
    models: dict[str, dict[str, object]] = {"a:latest": {}, "b:latest": {}}
    with serve_on_thread(StatefulOllama(models=models, held={"a:latest": Held(4096, 300.0)})) as found:
        client.save_settings({"engines.ollama_url": found.url})
        wait_until(lambda: client.refresh_engines() and client.ai.models.all().shelves, "the server", seconds=60)
        yield found
        client.save_settings({"engines.ollama_url": None})


def test_the_options_of_a_benchmark_are_a_link_both_ways(window: Window) -> None:
    """The address chooses; a click changes the address; the browser's way back chooses what was before."""
    page = window.open("/ai?plan=lengths&depth=quick&read=64")
    page.get_by_role("button", name="Options").click()
    expect(page.get_by_role("radio", name="Lengths: long prompts and answers")).to_be_checked()
    expect(page.get_by_role("radio", name="Quick: speed only")).to_be_checked()
    expect(page.get_by_role("textbox", name="Tokens to read")).to_have_value("64")
    page.get_by_text("Load: many requests at once and a second").click()
    wait_until(
        lambda: (found := window.query()).get("plan") == "load" and "read" not in found, "the plan in the address"
    )
    assert window.query()["depth"] == "quick"
    window.open("/ai?plan=lengths")
    page.get_by_role("button", name="Options").click()
    page.get_by_text("Load: many requests at once and a second").click()
    wait_until(lambda: window.query() == {"plan": "load"}, "the plan in the address")
    page.go_back()
    expect(page.get_by_role("radio", name="Lengths: long prompts and answers")).to_be_checked()


def test_models_of_one_server_are_measured_side_by_side(window: Window, client: Client, server: StatefulOllama) -> None:
    """Two models are chosen, both are asked; progress, then without a reload a verdict with a column for each and charts."""
    page = window.open("/ai?depth=quick")
    page.get_by_role("button", name="Options").click()
    box = page.locator(".st-key-benchmark_models input")
    for name in ("a:latest", "b:latest"):
        box.click()
        page.get_by_role("option", name=f"ollama={name}").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Benchmark", exact=True).click()
    page.get_by_role("heading", name="Benchmark running").wait_for()
    page.get_by_role("button", name="Cancel").wait_for()
    wait_until(lambda: client.ai.benchmark().state == "done", "the end", seconds=150)
    page.get_by_role("heading", name="Verdict").wait_for(timeout=1000 * patient(60))
    page.locator(".js-plotly-plot").first.wait_for()
    assert {"a:latest", "b:latest"} <= set(server.asked)
    report = client.ai.report(client.ai.history(limit=1).benchmarks[0].benchmark)
    assert {c.load.model for c in report.contenders if c.load is not None} == {"a:latest", "b:latest"}
    expect(page.get_by_role("heading", name="Speed against ollama/")).to_be_visible()
    assert window.hosts <= {window.url.split("/")[2]}


@pytest.mark.slow  # the card's click and what it says: test_ai_backend_page_benchmark.py; the search with the real engine: test_tuning.py
def test_tune_finds_settings_with_one_click(window: Window, client: Client) -> None:
    """The card of the embedded engine says what was found and what it gains; the engine is loaded that way from then on."""
    page = window.open("/ai")
    page.get_by_role("button", name="Tune").first.click()
    expect(page.get_by_text("Trying threads, cache and batch sizes")).to_be_visible()
    done = (
        page.locator("[data-testid=stAlert]")
        .filter(has_text=re.compile("from now on|faster than the settings in use|too busy"))
        .first
    )
    expect(done).to_be_visible(timeout=1000 * patient(60))
    embedded = next(b for b in client.ai.backends().backends if b.name == "llamacpp")
    assert embedded.in_use is not None
    if embedded.in_use.settings:
        client.ai.reset("llamacpp")


def test_a_server_that_is_taken_out_disappears_without_a_reload(
    window: Window, client: Client, server: StatefulOllama
) -> None:
    """Its card, its models and its place in the order go; nothing asks it any more."""
    page = window.open("/ai")
    host = server.url.removeprefix("http://")
    expect(page.get_by_text(host).first).to_be_visible()
    client.save_settings({"engines.ollama_url": ""})
    wait_until(
        lambda: all(e.address != server.url for e in client.engines().engines), "the agent forgets it", seconds=30
    )
    expect(page.locator("[class*=st-key-engine_]").filter(has_text=host)).to_have_count(0, timeout=1000 * patient(40))
    window.open("/ai")
    expect(page.get_by_text(host)).to_have_count(0)


def _has_engines(place: Path) -> bool:
    """Whether there is an agent that has looked for them."""
    try:
        with Client.of(place / "data", timeout_s=patient(5)) as client:
            return client.engines().checked is not None
    except AgentError:
        return False


@pytest.mark.slow  # what is kept of it: test_benchmark_interrupted.py; the page of it: test_ai_backend_page_benchmark.py
def test_a_benchmark_whose_agent_is_killed_stays_in_the_history(
    context: BrowserContext, parts: tuple[str, Path]
) -> None:
    """As interrupted, with its measurements and the reason, once there is an agent again."""
    url, place = parts
    with agent_on(place) as agent:
        wait_until(lambda: _has_engines(place), "the agent knows its engines", seconds=60)
        page = window_of(context, url).open("/ai?depth=quick")
        page.get_by_role("button", name="Benchmark", exact=True).click()
        page.get_by_role("heading", name="Benchmark running").wait_for()
        with Client.of(place / "data", timeout_s=patient(30)) as client:
            wait_until(lambda: client.ai.benchmark().first_figure_s is not None, "a first figure", seconds=60)
        agent.kill()
    with agent_on(place):
        wait_until(lambda: _has_engines(place), "an agent again", seconds=60)
        with Client.of(place / "data", timeout_s=patient(30)) as client:
            kept = wait_until(lambda: client.ai.history(limit=1).benchmarks, "it is in the history", seconds=60)[0]
            assert client.ai.report(kept.benchmark).samples
        page = window_of(context, url).open("/ai")
        row = page.get_by_role("row").filter(has_text="interrupted")
        expect(row).to_be_visible()
        row.get_by_role("link", name="Open").click()
        expect(page.get_by_text(re.compile("Interrupted (after|before)")).first).to_be_visible()
