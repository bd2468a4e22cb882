"""Services on the page: added, with what is wrong named in the form, changed, restarted, stopped, and their output in Logs."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.system.browser.conftest import Watch, Window
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def name(window: Window) -> Iterator[str]:
    """A name that no other service has; the service is removed at the end."""
    chosen = f"mill{time.monotonic_ns() % 1_000_000}"
    yield chosen
    page = window.open("/services")
    row = page.locator(f".st-key-service_{chosen}")
    if row.count():
        row.get_by_role("button", name="Edit").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)


def write(page: Page, label: str, text: str) -> None:
    """Fill a field of the form, as one who goes on to the next field."""
    field = page.get_by_role("dialog").get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")


def press(page: Page, button: str) -> None:
    """Click a button of the dialog."""
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


def added(page: Page, name: str) -> Locator:
    """Add the service, with one mistake on the way."""
    page.get_by_role("button", name="Add service").click()
    write(page, "Name", name)
    write(page, "Schedule", "soon")
    press(page, "Save")
    alerts = page.get_by_role("dialog").get_by_role("alert")
    expect(alerts.filter(has_text="Command is missing")).to_be_visible()
    expect(alerts.filter(has_text=re.compile('^.*Schedule = "soon"'))).to_be_visible()
    write(page, "Schedule", "")
    write(page, "Command", f"/bin/sh -c 'echo {name} begins; exec sleep 1000'")
    press(page, "Save")
    expect(page.get_by_role("dialog")).to_have_count(0)
    return page.locator(f".st-key-service_{name}")


def test_a_service_is_added_changed_restarted_and_stopped(window: Window, name: str, watch: Watch) -> None:
    """From an empty form to a running service and back, by what the page shows; its output and its process are one click away."""
    page = window.open("/services")
    row = added(page, name)
    expect(row).to_contain_text("running")
    row.get_by_role("button", name="Logs").click()
    window.settled()
    expect(page).to_have_url(re.compile(rf"/logs\?.*source={name}"))
    expect(page.locator(".log-row:not([hidden])", has_text=f"{name} begins")).to_be_visible()
    page.go_back()
    window.settled()
    row.get_by_role("button", name="Process").click()
    window.settled()
    expect(page).to_have_url(re.compile(r"/run\?.*run="))
    expect(page.get_by_text("sleep 1000").first).to_be_visible()
    page.go_back()
    window.settled()
    row.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("dialog").get_by_label("Name", exact=True)).to_be_disabled()
    write(page, "Environment", "COLOUR=blue")
    press(page, "Save")
    expect(row).to_contain_text("settings changed: a restart applies them")
    wait_until(lambda: watch.api("logs/count", q=f"{name} begins", source=name)["count"] == 1, "its output is read")
    row.get_by_role("button", name="Restart").click()
    press(page, f"Restart {name}")
    expect(row).not_to_contain_text("settings changed")
    expect(row).to_contain_text("running")
    wait_until(lambda: watch.api("logs/count", q=f"{name} begins", source=name)["count"] == 2, "it began again")
    row.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text("ends everything below it")
    press(page, f"Stop {name}")
    expect(row).to_contain_text("stopped")
    row.get_by_role("button", name="Start").click()
    press(page, f"Start {name}")
    expect(row).to_contain_text("running")
