"""Alerts in Chromium: tell me when it happens again."""

import time

import pytest
from playwright.sync_api import expect

from monitor.client.client import Client
from tests.system.browser.conftest import Watch, Window
from tests.system.browser.test_browser_logs import stamp
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser


def test_tell_me_when_it_happens_again(window: Window, watch: Watch) -> None:
    """From a record to a rule in two clicks; the next such record is in the strip of the page, and leaves it when it is acknowledged."""
    word = f"quota{chr(97 + time.monotonic_ns() % 26)}{chr(97 + time.monotonic_ns() // 26 % 26)}"
    watch.write(f"{stamp()} ERROR worker: job 4711 failed: {word} exceeded")
    page = window.open(f"/logs?source={watch.source}")
    row, detail = page.locator(".log-row:not([hidden])", has_text=word).last, page.locator(".detail")
    wait_until(
        lambda: word in (detail.text_content() or "") or row.click(), "its record is open, and none that came meanwhile"
    )
    page.get_by_role("link", name="Tell me next time").click()
    expect(page.get_by_role("dialog")).to_contain_text("Add a rule")
    expect(page.get_by_role("textbox", name="Log query")).to_have_value(
        f'level>=error source={watch.source} "failed: {word} exceeded"'
    )
    expect(page.get_by_role("textbox", name="Name")).to_have_value(f"failed: {word} exceeded")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("added")).to_be_visible()
    strip = page.locator(".strip")
    expect(strip).not_to_contain_text(word)
    watch.write(f"{stamp()} ERROR worker: job 4712 failed: {word} exceeded")
    expect(strip).to_contain_text(f"failed: {word} exceeded", timeout=patient(20) * 1000)
    card = page.locator("[class*=st-key-alert_]", has_text="job 4712").first
    expect(card).to_contain_text("firing")
    card.get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("noted")
    expect(strip).not_to_contain_text(word)
    with Client.of(watch.place / "data") as client:
        client.alerts.remove(f"failed: {word} exceeded")
