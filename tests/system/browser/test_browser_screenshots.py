"""The pictures of the README, taken when they are asked for: `WATCHKEEPER_SCREENSHOTS=1 pytest -m browser -k screenshots`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser.conftest import ROOT, window_of
from tests.waiting import patient

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(1200),  # the pictures show some minutes of life
    pytest.mark.skipif(
        not os.environ.get("WATCHKEEPER_SCREENSHOTS") or os.geteuid() != 0 or sys.platform != "linux",
        reason="pictures are taken when they are asked for, as root, in a world of their own (Linux namespaces)",
    ),
]
FOLDER = ROOT / "docs" / "screenshots"
MOST_BYTES = 250_000
PAGES = {
    "overview": ("/", ".kpi"),
    "processes": ("/processes", ".grid-row .name"),
    "logs": ("/logs", ".log-row:not([hidden]) .lv"),
    "performance": ("/performance", ".chart"),
    "ai": ("/ai", "h1"),
}
SCHEMES = {"processes": "light", "ai": "light"}
"""The others are dark."""
WANTED = os.environ.get("WATCHKEEPER_SCREENSHOTS_OF", ",".join(PAGES)).split(",")


@pytest.fixture(scope="module")
def scene() -> Iterator[str]:
    """The address of a watch over a small world, once it has seen some minutes."""
    minutes = float(os.environ.get("WATCHKEEPER_SCREENSHOTS_MINUTES", "4"))
    inside = [sys.executable, str(Path(__file__).with_name("scene.py")), "0"]
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--mount-proc"]
    process = subprocess.Popen([*apart, *inside], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        assert ready.get("event") == "ready", ready
        time.sleep(minutes * 60)  # what the pictures show is these minutes
        yield ready["url"]
    finally:
        process.send_signal(signal.SIGKILL)  # ends the world's first process, and with it the world
        process.wait(patient(10))
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("name", WANTED)
def test_screenshots(browser: Browser, scene: str, name: str) -> None:
    """One page in one theme, alive, small enough to be kept beside the source."""
    path, alive = PAGES[name]
    scheme: Any = SCHEMES.get(name, "dark")
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme=scheme)
    try:
        page = window_of(made, scene, scheme=scheme).open(path)
        expect(page.locator(alive).first).to_be_visible()
        expect(page.locator(".strip .age")).to_contain_text("s old")
        if name == "ai":
            _measured(page)
        page.wait_for_timeout(6000)  # sparklines of the table begin when it opens
        file = FOLDER / f"{name}-{scheme}.png"
        page.screenshot(path=file)
        assert file.stat().st_size < MOST_BYTES
    finally:
        made.close()


def _measured(page: Page) -> None:
    """A verdict stands on the page of the engines; the first picture's click brings it."""
    verdict = page.get_by_role("heading", name="Verdict")
    button = page.get_by_role("button", name="Benchmark", exact=True)
    expect(verdict.or_(page.get_by_text("No benchmark yet."))).to_be_visible()
    if not verdict.is_visible():
        button.click()
    verdict.wait_for(timeout=1000 * patient(300))
    page.locator(".js-plotly-plot").first.wait_for()
