"""Questions that people come with, asked from the Overview: each answered in at most three clicks, or with one query."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.system.browser.conftest import Watch, Window
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser

CRASH = """
import logging, sys
logging.basicConfig(filename=sys.argv[1], format="%(asctime)s %(levelname)-8s %(name)s: %(message)s")
log = logging.getLogger("train")
log.warning("began")
sys.stdin.readline()
try:
    int("nan")
except ValueError:
    log.exception("%s failed", sys.argv[2])
    sys.exit(4)
"""
Click = Callable[[Locator], None]


@pytest.fixture
def overview(window: Window) -> Page:
    """Where a person begins."""
    return window.open("/")


@pytest.fixture
def click(window: Window) -> Iterator[Click]:
    """Clicks as a person does, and counts them."""
    clicks = 0

    def once(place: Locator) -> None:
        nonlocal clicks
        place.click()
        clicks += 1
        window.settled()

    yield once
    assert clicks <= 3


def word() -> str:
    """Letters that no other record has."""
    return "".join(chr(97 + int(digit)) for digit in str(time.monotonic_ns())[-9:])


def stamp(ago_s: float = 0) -> str:
    """A time as a Python logger writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago_s)) + ",000"


@pytest.fixture
def crashed(watch: Watch, tmp_path: Path) -> str:
    """What a job said in its traceback before it ended with code 4."""
    name = word()
    path, script = tmp_path / f"{name}.log", tmp_path / "train.py"
    script.write_text(CRASH)
    with subprocess.Popen([sys.executable, str(script), str(path), name], stdin=subprocess.PIPE) as job:
        try:
            wait_until(lambda: watch.api("logs/count", source=name)["count"] == 1, "its log is followed", seconds=40)
            job.communicate(b"\n", timeout=patient(20))
        finally:
            job.kill()
    assert job.returncode == 4
    return name


def test_away_from_the_overview_other_problems_are_headlines(window: Window, watch: Watch, crashed: str) -> None:
    """What a page is about keeps its place: the most severe problem is told whole, the others as links until one asks; on a phone as their number."""
    watch.write(*(f"{stamp()} ERROR worker: {crashed} {i}" for i in range(12)))
    page = window.open("/jobs")
    strip = page.locator(".strip")
    others = strip.get_by_role("list", name="Other problems")
    expect(others.get_by_role("link").first).to_be_visible()
    expect(others.locator(".text").first).to_be_hidden()
    strip.get_by_role("button", name="Tell more").click()
    expect(others.locator(".text").first).to_be_visible()
    strip.get_by_role("button", name="Tell less").click()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(others).to_be_hidden()
    strip.get_by_role("button", name=re.compile(r"\d+ more problem")).click()
    expect(others.get_by_role("link").first).to_be_visible()


def test_which_job_crashed_and_why(overview: Page, click: Click, crashed: str) -> None:
    """Its exception is the newest error on the Overview; the record leads to its process, which says how it ended."""
    row = overview.locator(".error-row", has_text=crashed)
    expect(row).to_contain_text("ValueError: invalid literal")
    click(row)
    click(overview.get_by_role("link", name="Open process"))
    expect(overview.locator(".facts").first).to_contain_text("exit code 4")
    expect(overview.get_by_role("link", name=re.compile("ValueError: invalid literal"))).to_be_visible()


def test_how_often_an_error_occurs(overview: Page, click: Click, watch: Watch) -> None:
    """One query: the count, the rate of an hour, and bars with their width in words."""
    name = word()
    watch.write(*(f"{stamp(60 * n)} ERROR worker: {name} refused after {n} ms" for n in range(20, 0, -1)))
    wait_until(lambda: watch.api("logs/count", q=name)["count"] == 20, "they are stored")
    click(overview.get_by_role("link", name="Logs", exact=True))
    click(overview.get_by_role("radiogroup", name="Time range").get_by_text("24 h"))
    overview.keyboard.press("/")
    overview.keyboard.type(name)
    expect(overview.get_by_text(re.compile(r"^20 records in the last 24 hours · .* an hour"))).to_be_visible()
    expect(overview.get_by_text(re.compile("a bar is .*, the highest has"))).to_be_visible()


def test_a_workers_warnings_of_the_last_hour(overview: Page, click: Click, watch: Watch) -> None:
    """One query with level and source, and the range."""
    name = word()
    watch.write(f"{stamp()} WARNING worker: {name} retry 1", f"{stamp()} INFO worker: {name} done")
    wait_until(lambda: watch.api("logs/count", q=name)["count"] == 2, "they are stored")
    click(overview.get_by_role("link", name="Logs", exact=True))
    click(overview.get_by_role("radiogroup", name="Time range").get_by_text("1 h", exact=True))
    overview.keyboard.press("/")
    overview.keyboard.type(f"level=warn source:{watch.source} {name}")
    rows = overview.locator(".log-row:not([hidden])")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("retry 1")


def test_what_changed_since_yesterday(overview: Page, click: Click, watch: Watch) -> None:
    """Patterns, What changed, 24 h: what was not written the day before is new."""
    name = word()
    watch.write(f"{stamp()} ERROR worker: {name} is new here")
    wait_until(lambda: watch.api("logs/count", q=name)["count"] == 1, "it is stored")
    click(overview.get_by_role("link", name="Patterns", exact=True))
    click(overview.get_by_role("radio", name="What changed"))
    click(overview.get_by_role("radiogroup", name="Time range").get_by_text("24 h"))
    row = overview.locator(".change-row", has_text=name)
    expect(row).to_be_visible()
    expect(row).to_contain_text("new")


def test_share_exactly_this_view(window: Window, watch: Watch, click: Click) -> None:
    """A copied link has fixed times: it shows the same records when more have come."""
    name = word()
    watch.write(f"{stamp(2)} ERROR worker: {name} before")
    wait_until(lambda: watch.api("logs/count", q=name)["count"] == 1, "it is stored")
    page = window.open(f"/logs?query={name}&range=1h")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.locator(".log-row:not([hidden])")).to_have_count(1)
    click(page.get_by_role("button", name="…"))
    click(page.get_by_role("button", name="Copy link"))
    expect(page.get_by_text("Copied")).to_be_visible()
    link: str = page.evaluate("() => navigator.clipboard.readText()")
    assert "from=" in link
    copied = stamp()
    wait_until(lambda: stamp() > copied, "the next record is of a later second")
    watch.write(f"{stamp()} ERROR worker: {name} after")
    wait_until(lambda: watch.api("logs/count", q=name)["count"] == 2, "it is stored, too")
    page.goto(link)
    window.settled()
    expect(page.locator(".log-row:not([hidden])")).to_have_count(1)
    expect(page.locator(".log-row:not([hidden])")).to_contain_text("before")
