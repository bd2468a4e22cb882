"""Every page in Chromium: opens cold, asks nobody else, is accessible, and fits a telephone."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Watch, Window, window_of

pytestmark = pytest.mark.browser

PAGES = {
    "/": ("Overview", ".kpi"),
    "/processes": ("Processes", ".grid-row .name"),
    "/logs": ("Logs", ".log-row:not([hidden]) .lv"),
    "/performance": ("Performance", ".chart"),
    "/ai": ("AI back ends", "h1"),
    "/settings": ("Settings", "h1"),
}
"""Path → its title, and what stands on it once it lives."""


@pytest.mark.parametrize("path", PAGES)
def test_a_cold_deep_link_opens_the_page_with_its_frame(window: Window, path: str) -> None:
    """The first thing a browser ever asks may be any page: it comes with navigation, strip and live parts."""
    title, alive = PAGES[path]
    page = window.open(path)
    expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
    expect(page.locator(alive).first).to_be_visible()
    expect(page.locator(".strip .age")).to_contain_text("s old")
    expect(page.locator(".watch")).to_contain_text("samples")
    expect(page.get_by_text("does not seem to exist")).to_have_count(0)


def test_no_page_asks_another_host(window: Window) -> None:
    """Nothing is fetched from anywhere but the dashboard itself."""
    for path, (_, alive) in PAGES.items():
        expect(window.open(path).locator(alive).first).to_be_visible()
    assert {host for host in window.hosts if host} <= {window.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_accessibility_violation(browser: Browser, watch: Watch, path: str, scheme: Any) -> None:
    """Axe finds nothing to complain about, inside the live components too, in either theme."""
    made = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme=scheme, bypass_csp=True)
    try:
        page = window_of(made, watch.url).open(path)
        expect(page.locator(PAGES[path][1]).first).to_be_visible()
        expect(page.locator(".strip .age")).to_contain_text("s old")
        found = Axe().run(page)
        assert [_told(one) for one in found.response["violations"]] == []
    finally:
        made.close()


def _told(violation: dict[str, Any]) -> str:
    nodes = "; ".join(f"{node['target']} {node['failureSummary'][:160]}" for node in violation["nodes"][:3])
    return f"{violation['id']} ({len(violation['nodes'])}): {nodes}"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_360_pixels(browser: Browser, watch: Watch, path: str) -> None:
    """On a narrow screen nothing sticks out sideways."""
    made = browser.new_context(viewport={"width": 360, "height": 800})
    try:
        page = window_of(made, watch.url).open(path)
        expect(page.locator(PAGES[path][1]).first).to_be_visible()
        wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= 360
    finally:
        made.close()
