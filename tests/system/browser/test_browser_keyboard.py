"""Every page by keyboard alone: Tab order with a focus that can be seen, the keys that lead about, calm where motion is not wanted."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Window, as_usual
from tests.system.browser.test_browser_pages import PAGES
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

FOCUS = """() => {
  let node = document.activeElement
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
  if (!node || node === document.body) return null
  const box = node.getBoundingClientRect(), style = getComputedStyle(node)
  const ours = node.getRootNode() !== document
  return {
    ours, width: box.width, height: box.height, top: box.top, bottom: box.bottom,
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
    name: (node.getAttribute('aria-label') || node.innerText || node.getAttribute('placeholder') || node.title || node.value || '').trim().slice(0, 60),
    what: node.tagName.toLowerCase() + '.' + node.className,
  }
}"""
TOP = """() => {
  const top = document.createElement('span')
  top.tabIndex = -1
  document.body.prepend(top)
  top.focus()
  top.remove()
}"""
"""Tab goes on from where one was last, also if that is not there any more."""
MOST_STOPS = 90


def walk(page: Page) -> list[dict[str, Any]]:
    """Where Tab leads, from the top of the page until it leaves it."""
    stops = []
    page.evaluate(TOP)
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None:
            break
        stops.append(stop)
    return stops


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/settings"])
def test_tab_reaches_everything_and_shows_where_it_is(window: Window, path: str) -> None:
    """Each stop has a name and a place on the screen; in our own parts it has a ring; navigation comes before the page, and nothing traps."""
    page = window.open(path)
    expect(page.locator(PAGES[path][1]).first).to_be_visible()
    expect(page.locator(".strip .age")).to_contain_text("s old")
    stops = walk(page)
    assert len(stops) < MOST_STOPS
    names = [stop["name"] for stop in stops]
    places = [next(i for i, name in enumerate(names) if word in name) for word in ("Overview", "Settings", "Pause")]
    assert places == sorted(places)
    for stop in stops:
        assert stop["name"], stop
        if stop["ours"]:
            assert stop["ring"], stop
            assert stop["width"] >= 8, stop
            assert stop["height"] >= 8, stop


def test_letters_lead_to_the_pages(window: Window) -> None:
    """`g` and a letter, from anywhere but a field one writes in."""
    page = window.open("/")
    expect(page.locator(".kpi").first).to_be_visible()
    for letter, title in (
        ("p", "Processes"),
        ("v", "Services"),
        ("l", "Logs"),
        ("a", "AI back ends"),
        ("s", "Settings"),
        ("o", "Overview"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
        window.settled()


def test_a_field_keeps_its_letters_and_escape_leaves_it(window: Window) -> None:
    """What is typed into the search is text; Esc gives the keys back to the page."""
    page = window.open("/logs")
    expect(page.locator(".log-row:not([hidden])").first).to_be_visible()
    page.keyboard.press("/")
    box = page.get_by_role("searchbox", name="Search")
    expect(box).to_be_focused()
    page.keyboard.type("gp ?")
    expect(box).to_have_value("gp ?")
    page.keyboard.press("Escape")
    expect(box).not_to_be_focused()
    wait_until(lambda: window.query().get("query") == "gp ?", "the search is in the address")
    window.settled()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", name="Overview", exact=True, level=1)).to_be_visible()


def test_the_help_opens_is_accessible_and_closes(window: Window) -> None:
    """`?` and the button in the side bar show the keys in a dialog that axe has no complaint about; Esc closes it."""
    page = window.open("/")
    expect(page.locator(".kpi").first).to_be_visible()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    assert window.violations() == []
    window.shown_dark()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_nothing_moves_for_those_who_asked_for_none(window: Window) -> None:
    """With reduced motion no part of ours has a transition or an animation."""
    as_usual(window.page, calm=True)
    page = window.open("/")
    expect(page.locator(".grid-row, .busy").first).to_be_visible()
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean)
          .flatMap((root) => [...root.querySelectorAll('*')])
          .filter((e) => { const s = getComputedStyle(e); return s.animationName !== 'none' || s.transitionDuration.split(',').some((d) => parseFloat(d) > 0) })
          .map((e) => e.tagName + '.' + e.className).slice(0, 5)"""
    )
    assert moving == []


def test_a_search_that_was_just_left_does_not_bring_its_page_back(window: Window) -> None:
    """Out of the search and at once to another page: the search's own run may answer last, and the other page stays; Back still goes back."""
    page = window.open("/logs")
    expect(page.locator(".log-row:not([hidden]) .lv").first).to_be_visible()
    for word in ("one", "two", "three"):
        window.search(word)
        window.leave_search()
        for key in "go":
            page.keyboard.press(key)
        expect(page.get_by_role("heading", name="Overview", exact=True, level=1)).to_be_visible()
        window.settled()  # what was still under way has come
        expect(page.get_by_role("heading", name="Overview", exact=True, level=1)).to_be_visible()
        assert page.url.split("?")[0].endswith("/")
        page.go_back()
        expect(page.get_by_role("heading", name="Logs", exact=True, level=1)).to_be_visible()
