"""Every page in Chromium: opens cold, asks nobody else, is accessible, and fits a telephone."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.examples import sizes
from tests.system.browser.conftest import (
    COUNT_RUNS,
    NOWHERE,
    SETTLED,
    WIDE,
    Watch,
    Window,
    window_of,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

PAGES = {
    "/": ("Overview", ".kpi"),
    "/processes": ("Processes", ".grid-row .name"),
    "/services": ("Services", "text=No services yet."),
    "/jobs": ("Jobs", "h1"),
    "/logs": ("Logs", ".log-row:not([hidden]) .lv"),
    "/performance": ("Performance", ".chart"),
    "/alerts": ("Alerts", "text=Rules"),
    "/ai": ("AI back ends", "h1"),
    "/settings": ("Settings", "h1"),
}
"""Path → its title, and what stands on it once it lives."""


def whole(window: Window, path: str) -> Page:
    """A page that was opened and lives."""
    return is_whole(window.open(path), *PAGES[path])


def is_whole(page: Page, title: str, alive: str) -> Page:
    """A page that lives, with its frame."""
    expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
    expect(page.locator(alive).first).to_be_visible()
    expect(page.locator(".strip .age")).to_contain_text("s old")
    expect(page.locator(".watch")).to_contain_text("samples")
    expect(page.get_by_text("does not seem to exist")).to_have_count(0)
    return page


@pytest.mark.parametrize(
    "path", ["/logs", *(pytest.param(path, marks=pytest.mark.slow) for path in PAGES if path != "/logs")]
)
def test_a_cold_deep_link_opens_the_page_with_its_frame(browser: Browser, watch: Watch, path: str) -> None:
    """The first thing a browser ever asks may be any page, and its person's system may be dark."""
    made = browser.new_context()
    try:
        window = window_of(made, watch.url, scheme="dark", calm=False)
        whole(window, path)
        assert window.violations() == []
        assert window.errors == []
    finally:
        made.close()


WIDEST = """
window.widest = [0, ""];
window.looking = true;
// Everything below an element, in the shadow of components too, deepest last.
const below = (e) => [...e.children, ...(e.shadowRoot?.children ?? [])].flatMap((child) => [child, ...below(child)]);
const look = () => {
  const main = document.querySelector("[data-testid=stMain]");
  if (main && main.scrollWidth > window.widest[0]) {
    const wide = main.scrollWidth > main.clientWidth;
    const out = wide ? below(main).filter((e) => e.getBoundingClientRect().right > main.clientWidth) : [];
    window.widest = [main.scrollWidth, out.map((e) => `${e.cloneNode().outerHTML} to ${e.getBoundingClientRect().right}`).slice(0, 12).join("\\n")];
  }
  if (window.looking) requestAnimationFrame(look);
};
look();
"""
"""Keeps how wide the page ever was, and what stuck out then, until `looking` is false."""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.mark.parametrize(
    "path",
    [
        *PAGES,
        "/performance?explain=1",
        pytest.param("/logs?explain=1", marks=pytest.mark.slow),  # the same panel as beside the charts
    ],
)
def test_a_page_fits_and_is_whole_in_both_themes(window: Window, path: str) -> None:
    """At 360 pixels nothing sticks out sideways in any frame, from the first one on; nor at 720, which are 1440 enlarged to 200 %.

    On a wide screen it has navigation, strip and live parts, asks nobody but the dashboard, and axe finds nothing in it, light or dark.
    """
    window.open(NOWHERE)
    page = window.page
    page.set_viewport_size({"width": 360, "height": 800})
    page.evaluate(FRAMES)
    page.evaluate(f"() => {{ {WIDEST} }}")
    window.open(path)
    title, alive = PAGES[path.split("?", maxsplit=1)[0]]
    expect(page.locator(alive).first).to_be_visible()
    fits(window, 360)
    page.set_viewport_size({"width": 720, "height": 800})
    page.evaluate(FRAMES)
    page.evaluate("() => { window.widest = [0, ''] }")
    page.evaluate(FRAMES)
    fits(window, 720)
    page.evaluate("() => { window.looking = false }")
    page.set_viewport_size(WIDE)
    is_whole(page, title, alive)
    assert window.violations() == []
    window.shown_dark()
    assert {host for host in window.hosts if host} <= {window.url.split("/")[2]}


@pytest.mark.parametrize(
    "path",
    ["/", "/logs", *(pytest.param(path, marks=pytest.mark.slow) for path in PAGES if path not in {"/", "/logs"})],
)
def test_a_page_that_is_loaded_fits_a_telephone(context: BrowserContext, watch: Watch, path: str) -> None:
    """Nothing sticks out while scripts, styles and readings have yet to come, either."""
    window = window_of(context, watch.url, script=WIDEST, size={"width": 360, "height": 800})
    expect(window.open(path).locator(PAGES[path][1]).first).to_be_visible()
    fits(window, 360)
    icons = window.page.locator("[data-testid=stMain] [data-testid=stIconMaterial]")
    expect(icons.first).to_have_css("visibility", "visible")
    assert window.errors == []


def fits(window: Window, width: int) -> None:
    """Nothing was ever wider than the screen."""
    expect(window.page.locator(SETTLED)).to_be_visible()
    wide, out = window.page.evaluate("() => window.widest")
    assert 0 < wide <= width, out


@pytest.mark.parametrize(
    "late",
    [True, pytest.param(False, marks=pytest.mark.slow)],  # seen are they also on the telephone above
)
@pytest.mark.parametrize("path", sizes("/logs", "/ai"))
def test_icons_are_seen_once_their_font_is_there(context: BrowserContext, watch: Watch, path: str, late: Any) -> None:
    """Without the font an icon is a word longer than its place: it is not shown, and the page is not wider for it."""
    window = window_of(context, watch.url, script=WIDEST, size={"width": 720, "height": 800})
    if late:
        window.page.route("**/MaterialSymbols*", lambda route: route.abort())
    window.open(path)
    icons = window.page.locator("[data-testid=stMain] [data-testid=stIconMaterial]")
    expect(icons.first).to_have_css("visibility", "hidden" if late else "visible")
    fits(window, 720)


@pytest.mark.parametrize(
    ("path", "popover"),
    [
        ("/processes", "columns_popover"),
        ("/logs", "download_popover"),
        ("/logs", "time_popover"),
        ("/run", ""),
        ("/processes?view=ended&lived=0&q=pier-keeper", ""),
        ("/processes?view=at&at=2s", ""),
    ],
)
def test_no_accessibility_violation_in_what_opens(window: Window, watch: Watch, path: str, popover: str) -> None:
    """Open popovers (the page below them is looked at without them) and the page of a process satisfy axe as well, in either theme."""
    run = next(one["run"] for one in watch.api("processes")["processes"] if one["pid"] == os.getpid())
    if "view=ended" in path:  # of one process: axe looks at each row
        subprocess.run([sys.executable, "-S", "-c", "raise SystemExit(3)", "pier-keeper"], check=False)
        wait_until(lambda: watch.api("runs", q="pier-keeper")["total"], "its end is stored")
    page = window.open(f"/run?run={run}" if path == "/run" else path)
    expect(page.locator(".strip .age")).to_contain_text("s old")
    if "view=ended" in path:
        expect(page.locator("table.ended tbody tr").first).to_be_visible()
        assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth")
    opened = f"[data-testid=stPopoverBody], .st-key-{popover}" if popover else None
    if popover:
        page.locator(f".st-key-{popover} button").first.click()
        expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
    assert window.violations(opened, region=False) == []  # an open popover is outside of all
    window.shown_dark(opened)


def test_a_link_to_an_unknown_process_leads_on(window: Window) -> None:
    """A process that is not known is said, with a way to those that are."""
    page = window.open("/run?run=123")
    expect(page.get_by_text("Process not found.")).to_be_visible()
    page.get_by_role("link", name="All processes").click()
    expect(page.get_by_role("heading", name="Processes", exact=True, level=1)).to_be_visible()


def test_the_other_name_of_the_overview_opens_it(fresh: Window) -> None:
    """`/overview` opens the first page with its range, and nothing says that it does not exist."""
    page = fresh.open("/overview?range=5m")
    expect(page.locator(".kpi").first).to_be_visible()
    expect(page.get_by_text("does not seem to exist")).to_have_count(0)
    assert fresh.query() == {"range": "5m"}


def test_a_page_that_comes_later_has_the_minutes_before(fresh: Window) -> None:
    """Whichever part asked first, the charts begin with the history of the last minutes."""
    page = fresh.open("/processes")
    expect(page.locator(".grid-row .name").first).to_be_visible()
    had = page.evaluate("() => globalThis[Symbol.for('watchkeeper.live')].hello.history.ts.length")
    counted = page.locator(".watch div").nth(2)
    expect(counted).to_have_text(re.compile(r"\d"))
    samples = counted.inner_text().replace(",", "")
    assert had >= min(300, int(samples.split()[0])) - 30


def test_a_chart_of_a_young_watch_says_where_its_readings_begin(window: Window) -> None:
    """Most of a week lies before the watch: the picture's words say since when there are readings, and the range is drawn all the same."""
    page = window.open("/performance?range=7d")
    chart = page.locator(".chart .area").first
    expect(chart).to_have_attribute("aria-label", re.compile(r"CPU.*No data before .*\d\d:\d\d:\d\d"))
    expect(page.locator(".chart b").first).to_have_text(re.compile(r"\d"))


def test_a_click_on_a_time_range_is_one_run_and_one_step_back(window: Window) -> None:
    """The range stands in the address at once, beside what else is there; Back undoes it, and a custom range goes in one step."""
    page = window.open("/logs?q=job&range=custom&from=2026-11-23T00:00:00Z&to=2026-11-23T01:00:00Z")
    chosen = page.get_by_role("radiogroup", name="Time range").get_by_role("radio", checked=True)
    expect(chosen).to_have_text("Custom")
    page.evaluate(COUNT_RUNS)
    page.get_by_role("radio", name="1 h").click()
    page.wait_for_url("**/logs?q=job&range=1h")
    window.settled()
    expect(chosen).to_have_text("1 h")
    assert page.evaluate("() => window.runs") <= 1
    page.go_back()
    page.wait_for_url("**/logs?q=job&range=custom&from=*&to=*")
    expect(chosen).to_have_text("Custom")


def test_a_time_range_is_chosen_by_keyboard(window: Window) -> None:
    """Tab reaches the control, arrows move in it, Enter chooses; the standard choice leaves the address clean."""
    page = window.open("/performance?range=1h")
    page.get_by_role("radio", name="1 h").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/performance?range=24h")
    page.get_by_role("radio", name="Live").press("Enter")
    page.wait_for_url("**/performance")
    assert "range" not in window.query()
