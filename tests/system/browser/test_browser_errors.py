"""Every page of a dashboard whose agent is not there: it says so, says what to do, fits, and stays accessible."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.system.browser.conftest import Window, dashboard_on, kept_open, leave
from tests.system.browser.test_browser_pages import PAGES

pytestmark = pytest.mark.browser
EVERY = [*PAGES, "/logs?explain=1", "/run?run=123"]
USUAL = {"/", "/logs", "/ai", "/run?run=123"}
"""One page of each kind: readings, records, answers, one process. `test_ui_pages.py` runs the scripts of all of them without an agent."""


@pytest.fixture(scope="module")
def lonely(tab: list[Window], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard on an empty data directory."""
    with dashboard_on(tmp_path_factory.mktemp("lonely")) as url:
        yield url
        leave(tab, url)


@pytest.fixture
def alone(tab: list[Window], profile: BrowserContext, lonely: str, request: pytest.FixtureRequest) -> Iterator[Window]:
    """The shared tab on it."""
    with kept_open(tab, profile, lonely, request, troubled=True) as made:
        yield made


@pytest.mark.parametrize(
    "path", [path if path in USUAL else pytest.param(path, marks=pytest.mark.slow) for path in EVERY]
)
def test_without_an_agent_a_page_says_what_to_do(alone: Window, path: str) -> None:
    """The strip says that the agent is away and how to start it; axe has no complaint, wide and light or narrow and dark; nothing sticks out."""
    page = alone.open(path)
    strip = page.locator(".strip")
    expect(strip).to_contain_text("The agent is not reachable")
    expect(strip).to_contain_text("watchkeeper agent")
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    assert alone.violations() == []
    page.set_viewport_size({"width": 360, "height": 900})
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") <= 360
    alone.shown_dark(whole=True)
