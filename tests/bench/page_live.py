"""What a live page costs and how fast it is: `python tests/bench/page_live.py [--quick]` prints one JSON object.

Measured on a real watch (agent, sampler, dashboard) with a real Chromium:

- data to pixels: from the sampler's time of the reading to the end of the frame that drew it, and from the socket's message
  to the same frame; a message sent from within the animation frame that draws it marks the end of that frame;
- CPU of the dashboard process and bytes of the live socket, with 1 and with 10 tabs;
- first paint: navigation to the end of the frame in which the first card has its reading and the first chart is drawn, in a
  browser that was just started and has nothing in its cache: the first visitor of a dashboard that was just started, and those
  after; bytes before it;
- switch of pages: from the event of the click to the end of the frame in which the new page's chart was drawn, five times each
  way after a first visit, and the first visit by itself.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
PROBE = """
window.lat = []
window.__watchkeeperProbe = (ts, came) => {  // called in the animation frame that draws the reading
  const channel = new MessageChannel()
  channel.port1.onmessage = () => {
    const now = performance.now()
    window.lat.push([performance.timeOrigin + now - ts / 1000, now - came])
  }
  channel.port2.postMessage(0)
}
"""
PAINTED = """
window.painted = null
const within = (key, what) => {
  const place = document.querySelector(`.st-key-${key}`)
  return place && [...place.querySelectorAll('*')].map((node) => node.shadowRoot).find(Boolean)?.querySelector(what)
}
const look = () => {
  const canvas = within('overview_charts', '.chart canvas')
  const alive = /\\d/.test(within('cards', '.kpi strong')?.textContent) && canvas && ![0, 300].includes(canvas.width)
  if (!alive) { requestAnimationFrame(look); return }
  const channel = new MessageChannel()
  channel.port1.onmessage = () => { window.painted = performance.now() }
  channel.port2.postMessage(0)
}
requestAnimationFrame(look)
"""
CLICKED = "document.addEventListener('click', (event) => { window.clicked = event.timeStamp }, true)"
DRAWN = """(key) => new Promise((done) => {
  const look = () => {
    const place = document.querySelector(`.st-key-${key}`)
    const root = place && [...place.querySelectorAll('*')].map((node) => node.shadowRoot).find(Boolean)
    const canvas = root?.querySelector('.chart canvas')
    if (!canvas || [0, 300].includes(canvas.width)) { requestAnimationFrame(look); return }  // 300: nobody has sized it yet
    const channel = new MessageChannel()
    channel.port1.onmessage = () => done(performance.now() - window.clicked)
    requestAnimationFrame(() => channel.port2.postMessage(0))
  }
  look()
})"""


def start(place: Path) -> tuple[subprocess.Popen[str], str]:
    """`watchkeeper up` on a free port, and its address."""
    words = [sys.executable, "-m", "monitor", "up", "--no-browser", "--port", "0", "--data-dir", str(place), "--json"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["url"]


def dashboard_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The dashboard among what the launcher started."""
    for child in psutil.Process(process.pid).children(recursive=True):
        if any(word.endswith("app.py") for word in child.cmdline()):
            return child
    raise LookupError("no dashboard process")


def received(context: BrowserContext, page: Page) -> dict[str, int]:
    """Counts the bytes that the tab receives, by kind, from now on."""
    bytes_in = {"live": 0, "http": 0, "requests": 0}
    sockets: dict[str, str] = {}
    cdp = context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.on("Network.webSocketCreated", lambda e: sockets.update({e["requestId"]: e["url"]}))

    def frame(event: dict[str, Any]) -> None:
        if sockets.get(event["requestId"], "").endswith("/wk/live"):
            bytes_in["live"] += len(event["response"]["payloadData"])

    def finished(event: dict[str, Any]) -> None:
        bytes_in["http"] += int(event["encodedDataLength"])
        bytes_in["requests"] += 1

    cdp.on("Network.webSocketFrameReceived", frame)
    cdp.on("Network.loadingFinished", finished)
    return bytes_in


def live(browser: Browser, url: str, dashboard: psutil.Process, *, tabs: int, seconds: float) -> dict[str, Any]:
    """Latency, CPU and bytes with this many tabs on the process table beside charts on the overview."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.add_init_script(PROBE)
    pages = [context.new_page() for _ in range(tabs)]
    counted = [received(context, page) for page in pages]
    for page in pages:
        page.goto(url)
        page.wait_for_selector(".kpi strong")
    pages[0].wait_for_timeout(3000)
    for page in pages:
        page.evaluate("() => { window.lat.length = 0 }")
    before, cpu, began = [one["live"] for one in counted], sum(dashboard.cpu_times()[:2]), time.monotonic()
    pages[0].wait_for_timeout(seconds * 1000)
    elapsed = time.monotonic() - began
    used = sum(dashboard.cpu_times()[:2]) - cpu
    pairs = [pair for page in pages for pair in page.evaluate("() => window.lat")]
    came = sum(one["live"] - old for one, old in zip(counted, before, strict=True))
    context.close()
    return {
        "tabs": tabs,
        "frames": len(pairs),
        "reading_to_pixels_ms": spread([pair[0] for pair in pairs]),
        "message_to_pixels_ms": spread([pair[1] for pair in pairs]),
        "dashboard_cpu_pct": round(100 * used / elapsed, 2),
        "live_kB_s_per_tab": round(came / elapsed / 1000 / tabs, 2),
    }


def spread(values: list[float]) -> dict[str, float]:
    """p50, p95 and the greatest."""
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(len(ordered) * 0.95)], 1),
        "max": round(ordered[-1], 1),
    }


def first_paint(playwright: Playwright, url: str) -> dict[str, Any]:
    """A fresh browser's way to live pixels."""
    browser = launch(playwright)
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.add_init_script(PAINTED)
    counted = received(page.context, page)
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => window.painted !== null", polling=50)
    taken = dict(counted)
    painted = round(page.evaluate("() => window.painted"))
    browser.close()
    return {"ms": painted, "MB": round(taken["http"] / 1e6, 2), "requests": taken["requests"]}


def first_paints(playwright: Playwright, url: str, visitors: int) -> dict[str, Any]:
    """The first visitor of a dashboard that was just started, and those after, each with a fresh browser."""
    first = first_paint(playwright, url)
    later = [first_paint(playwright, url) for _ in range(visitors)]
    return {"just_started": first, "warm": spread([float(one["ms"]) for one in later]), "warm_visitors": visitors}


def switches(browser: Browser, url: str) -> dict[str, Any]:
    """From one page to another and back."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.add_init_script(CLICKED)
    page.goto(url)
    page.wait_for_selector(".kpi strong")
    page.wait_for_timeout(3000)
    took = []
    for _ in range(5):
        for name, key in (("Performance", "host_charts"), ("Overview", "overview_charts")):
            page.get_by_role("link", name=name, exact=True).click(no_wait_after=True)
            took.append(round(page.evaluate(DRAWN, key)))
            page.wait_for_timeout(1000)
    page.close()
    return {"first": took[0], **spread([float(one) for one in took[2:]])}


def launch(playwright: Playwright) -> Browser:
    """A Chromium of its own."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    seconds = 10 if quick else 60
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        process, url = start(Path(place) / "data")
        stack.callback(process.wait, 20)
        stack.callback(process.send_signal, signal.SIGINT)
        playwright = stack.enter_context(sync_playwright())
        paints = first_paints(playwright, url, 3 if quick else 10)
        browser = launch(playwright)
        stack.callback(browser.close)
        dashboard = dashboard_of(process)
        result = {
            "bench": "page_live",
            "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "platform": platform.platform()},
            "method": f"Chromium headless, {seconds} s a case, 1 Hz, overview",
            "processes": len(psutil.pids()),
            "first_paint_ms": paints,
            "page_switch_ms": switches(browser, url),
            "live": [live(browser, url, dashboard, tabs=tabs, seconds=seconds) for tabs in (1, 10)],
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
