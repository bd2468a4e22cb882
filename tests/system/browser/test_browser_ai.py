"""The button Benchmark in a real browser: from the click to a verdict on the embedded model, with a real watch."""

from collections.abc import Iterator

import pytest

from monitor.client.client import Client
from tests.system.browser.conftest import Watch, Window
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
