"""A model's opinion in a real browser: asked, followed, cancelled, its citations opened; with a real watch and the embedded model."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from monitor.client.client import Client
from tests.system.browser.conftest import Watch, Window, failure
from tests.waiting import patient, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ANSWER_MS = 90_000


@pytest.fixture
def client(watch: Watch) -> Iterator[Client]:
    """The watch's agent."""
    with Client.of(watch.place / "data", timeout_s=patient(30)) as found:
        yield found


def stamp() -> str:
    """The time as Python's logging writes it."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')},{time.time_ns() // 1_000_000 % 1000:03d}"


@pytest.mark.slow  # the model reads for ten seconds; its short forms: test_opinions.py with the same model, test_explain_panel.py with a double
def test_records_are_explained_with_links_to_what_is_cited(window: Window, watch: Watch, client: Client) -> None:
    """From the click to an opinion that names its engine; the list streams meanwhile; a citation opens its record; a cold link shows the same."""
    word = f"freight{time.monotonic_ns()}"
    watch.write(*(f"{stamp()} ERROR worker: {word} upload {i} failed: no space left on /srv" for i in range(5)))
    wait_until(lambda: client.log_count({"q": word}).count == 5, "the records are in the store")
    page = window.open(f"/logs?q={word}")
    page.get_by_role("button", name="Explain", exact=True).click()
    page.get_by_role("button", name="Explain these records").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    watch.write(f"{stamp()} ERROR worker: {word} written meanwhile")
    expect(page.locator(".log-row", has_text="written meanwhile")).to_be_visible()
    said = page.get_by_role("status", name="A model's opinion")
    expect(said).to_be_visible(timeout=ANSWER_MS)
    expect(said).to_contain_text("llamacpp")
    expect(said).to_contain_text("It may be wrong")
    expect(said).to_contain_text("5 records sent to the model")
    counted = page.get_by_role("region", name="Counted")
    expect(counted).to_contain_text("5 of 5 records are alike")
    said.locator(".cites a").first.click()
    expect(page.locator(".detail pre")).to_contain_text(word)
    wait_until(lambda: "record" in window.query(), "the address names the record")
    assert window.query()["q"] == word
    text = said.locator(".says").inner_text()
    page.reload()
    expect(page.locator(".detail pre")).to_contain_text(word)
    expect(said.locator(".says")).to_have_text(text)


def test_a_record_is_explained_from_where_it_is_open(window: Window, watch: Watch) -> None:
    """The open record has a button that leads to the panel, where it comes first."""
    watch.write(*failure())
    page = window.open(f"/logs?source={watch.source}")
    page.locator(".log-row:not([hidden])", has_text="job failed").last.click()
    page.get_by_role("button", name="Explain", exact=True).nth(1).click()
    first = page.locator(".st-key-explain_ask").get_by_role("button").first
    expect(first).to_contain_text("Explain the open record")
    first.click()
    expect(page.get_by_text("The model reads")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()
    expect(first).to_be_enabled()


def test_a_spike_shows_what_was_measured_at_once(window: Window) -> None:
    """Readings and processes stand there while the model still reads; a process leads to its page; cancelling keeps them."""
    page = window.open("/performance?explain=1")
    page.get_by_role("button", name="Explain the last 5 min").click()
    measured = page.get_by_role("region", name="Measured")
    expect(measured).to_contain_text("CPU of all cores")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()
    expect(measured).to_contain_text("memory in use")
    measured.get_by_role("link").first.click()
    expect(page.get_by_text("Identity")).to_be_visible()


def test_the_panel_has_no_accessibility_violation(window: Window) -> None:
    """Axe finds nothing in the open panel, while a model reads, and beside what was measured, in either theme."""
    page = window.open("/performance?explain=1")
    page.get_by_role("button", name="Explain the last 5 min").click()
    expect(page.get_by_role("region", name="Measured")).to_be_visible()
    assert window.violations() == []
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()
    assert window.violations(".st-key-explain_panel") == []
    window.shown_dark(".st-key-explain_panel")
