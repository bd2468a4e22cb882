"""Every page of a dashboard whose agent is not there: it says so, says what to do, fits, and stays accessible."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.system.browser.conftest import ROOT, end, environment, window_of
from tests.system.browser.test_browser_pages import PAGES
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard on an empty data directory."""
    place = tmp_path_factory.mktemp("lonely")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["--port", str(port), "--data-dir", str(place / "data"), "--config", str(place / "watchkeeper.toml")]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), *words],
        cwd=ROOT,
        env=environment(Path(place)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the dashboard answers", seconds=60)
        yield url
    finally:
        end(process)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 360)])
@pytest.mark.parametrize("path", [*PAGES, "/logs?explain=1"])
def test_without_an_agent_a_page_says_what_to_do(
    browser: Browser, lonely: str, path: str, scheme: Any, width: int
) -> None:
    """The strip says that the agent is away and how to start it; axe has no complaint; nothing sticks out."""
    made = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    try:
        page = window_of(made, lonely).open(path)
        strip = page.locator(".strip")
        expect(strip).to_contain_text("The agent is not reachable")
        expect(strip).to_contain_text("watchkeeper agent")
        expect(page.locator("h1")).to_be_visible()
        found = Axe().run(page)
        assert [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found.response["violations"]] == []
        assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") <= width
    finally:
        made.close()
