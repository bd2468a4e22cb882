"""The button Benchmark in a real browser: from the click to a verdict on the embedded model, with a real watch."""

from collections.abc import Iterator

import pytest

from monitor.client import Client
from tests.browser.conftest import Watch, Window, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def client(watch: Watch) -> Iterator[Client]:
    """The watch's agent, with a short plan for benchmarks."""
    with Client.of(watch.place / "data", timeout_s=30) as found:
        found.save_settings({"ai.benchmark_s": 2.0, "ai.benchmark_postings": 0})
        yield found
        found.ai.cancel_benchmark()
        until(lambda: found.ai.benchmark().state != "running", "the benchmark ends", 60)
        found.save_settings({"ai.benchmark_s": None, "ai.benchmark_postings": None})


def test_a_click_leads_to_a_verdict(window: Window, client: Client) -> None:
    """Progress with steps, then the verdict in words, the plan's claim, figures and charts, without a reload."""
    page = window.open("/ai?depth=quick")
    page.get_by_role("button", name="Benchmark", exact=True).click()
    page.get_by_role("heading", name="Benchmark running").wait_for()
    page.get_by_role("button", name="Cancel").wait_for()
    until(lambda: client.ai.benchmark().first_figure_s is not None, "a first figure", 60)
    page.get_by_role("heading", name="Verdict").wait_for(timeout=200_000)
    page.get_by_text("Not tested here").first.wait_for()
    page.get_by_role("heading", name="Memory, predicted and measured").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    assert client.ai.benchmark().state == "done"
    assert window.hosts <= {window.url.split("/")[2]}
