"""The page Patterns in Chromium: what is written is counted, marked, compared, and leads to its records."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.system.browser.conftest import Watch, Window
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


def test_a_pattern_is_counted_and_leads_to_its_records(window: Window, watch: Watch) -> None:
    """Lines with other values are one row with its count; a click shows those records in Logs, also where a new count comes while the button is down; the other view compares."""
    word = "".join(chr(97 + int(digit)) for digit in str(time.monotonic_ns())[-9:])
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    for number in range(7):
        watch.write(f"{stamp},{number:03d} ERROR worker: {word} gave up after {number} s at <img src=x>")
    page = window.open(f"/patterns?sources={watch.source}&range=1h&sort=errors")
    row = page.locator(".pattern-row", has_text=word)
    expect(row.locator(".n")).to_have_text("7")
    expect(row.locator(".lv")).to_have_text("ERROR")
    expect(row.locator(".hole").first).to_be_visible()
    assert page.locator(".pattern-row img").count() == 0
    row.hover()
    page.mouse.down()
    watch.write(f"{stamp},900 ERROR worker: {word} gave up after 9 s at <img src=x>")
    wait_until(lambda: watch.api("logs/count", q=word)["count"] == 8, "all is stored")
    with page.expect_response(lambda answer: "/logs/patterns" in answer.url):
        pass
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(row.locator(".n")).to_have_text("7")
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"/logs\?.*query=pattern"))
    expect(page.locator(".log-row:not([hidden])", has_text=word)).to_have_count(8)
    expect(page.locator(".log-row:not([hidden])")).to_have_count(8)
    page.go_back()
    page.get_by_role("radio", name="What changed").click()
    expect(page.locator(".change-row, .empty").first).to_be_visible()
    expect(page.locator(".sum").first).to_contain_text("an hour")


def test_a_value_is_a_curve_and_words_are_counted(window: Window, watch: Watch) -> None:
    """The view of values has a duration's median and p95 as a curve, and the most frequent words in a place of words."""
    word = "".join(chr(97 + int(digit)) for digit in str(time.monotonic_ns())[-9:])
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    for number in range(40):
        watch.write(f"{stamp},{number:03d} INFO worker: {word} took {number + 1} ms for 10.0.0.{number % 2}")
    wait_until(lambda: watch.api("logs/count", q=word)["count"] == 40, "all is stored")
    (pattern,) = watch.api("logs/patterns", q=word, since="1h")["patterns"]
    page = window.open(f"/patterns?sources={watch.source}&range=1h&view=values&pattern={pattern['number']}")
    expect(page.get_by_text("median 20.5 ms")).to_be_visible()
    expect(page.locator(".js-plotly-plot .scatterlayer .trace")).to_have_count(2)
    expect(page.get_by_text("10.0.0.1: 20")).to_be_visible()
