"""Whether a page stays calm: `python tests/bench/page_endurance.py [--quick] [--minutes N]` prints one JSON object.

On a real watch (agent, sampler, dashboard) with a real Chromium:

- calm: minutes on the table of processes and on zoomed charts; no node of a table or chart may be replaced, and scroll, selection,
  focus and zoom must stay; tasks of the pages' main threads longer than 50 ms are counted, by the clock and by processor time,
  which other programs of a busy machine do not lengthen;
- crowd: the table with 2,000 more processes at 1 Hz, while somebody scrolls;
- stream: 5,000 lines a second into a followed file; from the writing of a line to the end of the frame that shows it, and lines that
  are neither shown nor counted as not delivered;
- far: scrolling back through a long history (1,000,000 records; 100,000 with `--quick`): records passed, nodes in the page;
- hours: the overview told twelve hours of readings within a minute, a process born and one ended in each: what the tab holds after
  the first two hours, which is when all that it keeps is full, and at the end;
- hidden: bytes of the live socket to a tab that nobody sees;
- away: from the kill of the agent to the sentence on the page, and to live values of the one that the launcher starts.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.page_live import FLAGS, ROOT, spread, start

LINES_S = 5000
SOUGHT_S, EVERY = 20_000, 40
LONG_MS = 50
FULL_S = 7200
LONG = """
window.long = []
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.long.push(Math.round(one.duration)) }).observe({ entryTypes: ['longtask'] })
window.removed = 0
window.watchNodes = (keys) => {
  for (const key of keys) {
    const root = [...document.querySelectorAll(`.st-key-${key} *`)].map((node) => node.shadowRoot).find(Boolean)
    const kept = root.querySelectorAll('canvas, .grid-view, .grid-head, .area, .chart')
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.removedNodes) if ([...kept].some((one) => node === one || node.contains?.(one))) window.removed += 1
    }).observe(root, { childList: true, subtree: true })
  }
}
"""
LINES = """
window.shown = []
window.__watchkeeperLogProbe = (model, added) => {
  window.model = model
  const { last } = model
  const channel = new MessageChannel()
  channel.port1.onmessage = () => {
    const written = Number(/at=(\\d+)/.exec(last?.message ?? '')?.[1])
    if (written && added) window.shown.push(performance.timeOrigin + performance.now() - written / 1000)
  }
  requestAnimationFrame(() => channel.port2.postMessage(0))
}
"""
FOOT = """() => {
  const root = [...document.querySelectorAll('.st-key-records *')].map((node) => node.shadowRoot).find(Boolean)
  return { said: root.querySelector('.log-foot span').textContent, lost: root.querySelector('.dropped').textContent, rows: root.querySelectorAll('.log-row').length, top: root.querySelector('.log-scroll').scrollTop }
}"""


def tab(browser: Browser, url: str, path: str, alive: str, *scripts: str) -> Page:
    """A new window on a page that lives."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    for script in (LONG, *scripts):
        context.add_init_script(script)
    page = context.new_page()
    page.goto(url + path)
    page.wait_for_selector(alive)
    page.wait_for_timeout(4000)
    return page


def long_tasks(page: Page) -> dict[str, Any]:
    """Tasks above 50 ms since the last time."""
    found = page.evaluate("() => window.long.splice(0)")
    return {"over_50_ms": len(found), "longest_ms": max(found, default=0)}


def calm(browser: Browser, url: str, seconds: float) -> dict[str, Any]:
    """Minutes on the table and on zoomed charts."""
    table = tab(browser, url, "/processes?which=all&kernel=true", ".grid-row .name")
    view = table.locator(".grid-view")
    view.focus()
    for _ in range(25):
        table.keyboard.press("ArrowDown")
    before = table.evaluate(GRID)
    now = time.time()
    span = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago)) for ago in (40, 5)]
    charts = tab(browser, url, f"/performance?range=custom&from={span[0]}&to={span[1]}", ".chart")
    overview = tab(browser, url, "/", ".kpi strong")
    pages = {
        "processes": (table, ["processes"]),
        "performance": (charts, ["host_charts"]),
        "overview": (overview, ["overview_charts", "cards"]),
    }
    for page, keys in pages.values():
        page.evaluate("(keys) => window.watchNodes(keys)", keys)
        long_tasks(page)
    with traced(browser) as tasks:
        table.wait_for_timeout(seconds * 1000)
    after = table.evaluate(GRID)
    result = {
        "seconds": seconds,
        "scroll_selection_focus_kept": before == after,
        "zoom_kept": "range=custom" in charts.url,
        "main_thread_tasks": {
            "count": len(tasks),
            "over_50_ms": sum(wall > LONG_MS for wall, _ in tasks),
            "over_50_ms_of_processor_time": sum(cpu > LONG_MS for _, cpu in tasks),
            "longest_processor_time_ms": round(max(cpu for _, cpu in tasks), 1),
        },
        **{
            name: {"nodes_replaced": page.evaluate("() => window.removed"), **long_tasks(page)}
            for name, (page, _) in pages.items()
        },
    }
    for page, _ in pages.values():
        page.context.close()
    return result


@contextlib.contextmanager
def traced(browser: Browser) -> Iterator[list[tuple[float, float]]]:
    """Tasks of the pages' main threads while the block runs, there after its end: milliseconds by the clock, and of processor time."""
    tasks: list[tuple[float, float]] = []
    events: list[dict[str, Any]] = []
    over = threading.Event()
    cdp = browser.new_browser_cdp_session()
    cdp.on("Tracing.dataCollected", lambda came: events.extend(came["value"]))
    cdp.on("Tracing.tracingComplete", lambda _: over.set())
    cdp.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": {"includedCategories": ["toplevel"]}})
    yield tasks
    cdp.send("Tracing.end")
    while not over.is_set():
        browser.contexts[0].pages[0].wait_for_timeout(100)
    threads = {(one["pid"], one["tid"]): one["args"]["name"] for one in events if one["name"] == "thread_name"}
    tasks += [
        (one["dur"] / 1000, one.get("tdur", 0) / 1000)
        for one in events
        if one["ph"] == "X"
        and one["name"].endswith("RunTask")
        and threads.get((one["pid"], one["tid"])) == "CrRendererMain"
    ]


GRID = """() => {
  const root = [...document.querySelectorAll('.st-key-processes *')].map((node) => node.shadowRoot).find(Boolean)
  const view = root.querySelector('.grid-view')
  return { top: view.scrollTop, chosen: view.getAttribute('aria-activedescendant'), focused: root.activeElement === view }
}"""


def crowd(browser: Browser, url: str, processes: int, seconds: float) -> dict[str, Any]:
    """The table among many processes, while somebody scrolls."""
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            one = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(one.wait)
            stack.callback(one.kill)
        page = tab(browser, url, "/processes?which=all", ".grid-row .name")
        long_tasks(page)
        page.locator(".grid-view").hover()
        frames = page.evaluate_handle(FRAMES)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            page.mouse.wheel(0, 400)
            page.wait_for_timeout(100)
        gaps = sorted(frames.evaluate("(one) => one.stop()"))
        found = {
            "processes": page.evaluate("() => globalThis[Symbol.for('watchkeeper.live')].processes.size"),
            "rows_in_the_page": page.locator(".grid-row").count(),
            **long_tasks(page),
            "frame_ms": spread(gaps),
        }
        page.context.close()
    return found


FRAMES = """() => {
  const gaps = []
  let last = performance.now()
  let on = true
  const next = (now) => { gaps.push(now - last); last = now; if (on) requestAnimationFrame(next) }
  requestAnimationFrame(next)
  return { stop: () => { on = false; return gaps.slice(2) } }
}"""


def stream(browser: Browser, url: str, place: Path, seconds: float) -> dict[str, Any]:
    """Lines that are written, and when they are seen."""
    path = place / "stream.log"
    written = 0
    over = threading.Event()

    def write() -> None:
        nonlocal written
        with path.open("a", encoding="utf-8") as out:
            while not over.is_set():
                began = time.monotonic()
                for _ in range(LINES_S // 50):
                    at = time.time_ns() // 1000
                    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at // 1_000_000))
                    out.write(f"{stamp},{at // 1000 % 1000:03d} INFO bench: streamed n={written} at={at}\n")
                    written += 1
                out.flush()
                time.sleep(max(0.0, 0.02 - (time.monotonic() - began)))

    with path.open("a", encoding="utf-8") as out:  # held open for writing, which is how it is found
        out.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 INFO bench: begin\n")
        out.flush()
        page = tab(browser, url, "/logs?source=stream", ".log-row:not([hidden]) .lv", LINES)
        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(2)
        page.evaluate("() => { window.shown.length = 0 }")
        long_tasks(page)
        time.sleep(seconds)
        latencies = page.evaluate("() => window.shown.slice()")
        tasks = long_tasks(page)
        over.set()
        thread.join()
    end = time.monotonic() + 20
    while page.evaluate(LAST) != written - 1 and time.monotonic() < end:
        page.wait_for_timeout(200)
    found = page.evaluate(HELD)
    page.context.close()
    return {
        "lines_s": round(written / (seconds + 2)),
        "written": written,
        "line_to_screen_ms": spread(latencies) if latencies else None,
        "missing_of_those_held": found["missing"],
        "held": found["held"],
        "told_as_not_delivered": found["lost"],
        **tasks,
    }


def sought(browser: Browser, url: str, place: Path, seconds: float) -> dict[str, Any]:
    """Few lines of many: what a filter shows of 20,000 lines/s, and whether who has scrolled up stays there."""
    path = place / "sought.log"
    written = found_lines = 0
    over = threading.Event()

    def write() -> None:
        nonlocal written, found_lines
        begun = time.monotonic()
        with path.open("a", encoding="utf-8") as out:
            while not over.is_set():
                at = time.time_ns() // 1000
                head = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at // 1_000_000))},{at // 1000 % 1000:03d} INFO bench:"
                for _ in range(SOUGHT_S // 50 // EVERY):
                    out.write("".join(f"{head} idle step={written + step} of many\n" for step in range(EVERY - 1)))
                    out.write(f"{head} needle n={found_lines} at={at}\n")
                    written, found_lines = written + EVERY, found_lines + 1
                out.flush()
                time.sleep(max(0.0, written / SOUGHT_S - (time.monotonic() - begun)))

    with path.open("a", encoding="utf-8") as out:  # held open for writing, which is how it is found
        out.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 INFO bench: needle begin\n")
        out.flush()
        page = tab(browser, url, "/logs?source=sought&query=needle", ".log-row:not([hidden]) .lv", LINES)
        thread = threading.Thread(target=write)
        began = time.monotonic()
        thread.start()
        time.sleep(2)
        page.evaluate("() => { window.shown.length = 0 }")
        time.sleep(seconds)
        latencies = page.evaluate("() => window.shown.slice()")
        page.locator(".log-scroll").hover()
        page.mouse.wheel(0, -2000)
        page.wait_for_timeout(1000)
        before = page.evaluate(STANDING)
        page.wait_for_timeout(4000)
        after = page.evaluate(STANDING)
        over.set()
        thread.join()
        took = time.monotonic() - began
    page.mouse.wheel(0, 10_000_000)
    end = time.monotonic() + 20
    while page.evaluate(LAST) != found_lines - 1 and time.monotonic() < end:
        page.wait_for_timeout(200)
    held = page.evaluate(HELD)
    page.context.close()
    rates = {"lines_s": round(written / took), "matching_s": round(found_lines / took)}
    return {**rates, "line_to_screen_ms": spread(latencies or [-1]), "stayed_scrolled": [before, after], **held}


STANDING = """() => {
  const root = [...document.querySelectorAll('.st-key-records *')].map((node) => node.shadowRoot).find(Boolean)
  const top = root.querySelector('.log-scroll').getBoundingClientRect().top
  const row = [...root.querySelectorAll('.log-row:not([hidden])')].map((one) => [one.getBoundingClientRect().top - top, one]).filter(([y]) => y >= 0).sort((a, b) => a[0] - b[0])[0]
  return row ? [/n=(\\d+)/.exec(row[1].textContent)?.[1] ?? '', Math.round(row[0])] : null
}"""
LAST = """() => {
  const root = [...document.querySelectorAll('.st-key-records *')].map((node) => node.shadowRoot).find(Boolean)
  const seen = [...root.querySelectorAll('.log-row:not([hidden])')].map((row) => Number(/n=(\\d+)/.exec(row.textContent)?.[1] ?? -1))
  return Math.max(...seen)
}"""
HELD = """() => {
  const root = [...document.querySelectorAll('.st-key-records *')].map((node) => node.shadowRoot).find(Boolean)
  const all = window.model.records.map((record) => Number(/n=(\\d+)/.exec(record.message)?.[1] ?? -1)).filter((n) => n >= 0)
  return { held: all.length, missing: all.length ? all[all.length - 1] - all[0] + 1 - new Set(all).size : null, lost: root.querySelector('.dropped').textContent }
}"""


def far(browser: Browser, url: str, place: Path, records: int, seconds: float) -> dict[str, Any]:
    """Scrolling back through a long history."""
    path = place / "long.log"
    now = time.time() - records / 100
    with path.open("w", encoding="utf-8") as out:
        for i in range(records):
            at = now + i / 100
            out.write(
                f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))},{i * 10 % 1000:03d} INFO bench: long {i}\n"
            )
    words = [sys.executable, "-m", "monitor", "logs", "ingest", str(path), "--data-dir", str(place / "data"), "--json"]
    told = json.loads(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    page = tab(browser, url, "/logs?source=long&range=7d", ".log-row:not([hidden]) .lv")
    page.locator(".log-scroll").hover()
    long_tasks(page)
    frames = page.evaluate_handle(FRAMES)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        page.mouse.wheel(0, -20_000)
        page.wait_for_timeout(30)
    gaps = sorted(frames.evaluate("(one) => one.stop()"))
    reached = page.evaluate(SEEN)
    rows = page.evaluate(FOOT)["rows"]
    page.context.close()
    return {
        "records": told["records"],
        "passed": records - 1 - reached,
        "seconds": seconds,
        "rows_in_the_page": rows,
        "frame_ms": spread(gaps),
        "frames_over_50_ms": sum(gap > 50 for gap in gaps),
        "frames": len(gaps),
    }


SEEN = """() => {
  const root = [...document.querySelectorAll('.st-key-records *')].map((node) => node.shadowRoot).find(Boolean)
  const seen = [...root.querySelectorAll('.log-row:not([hidden])')].map((row) => Number(/long (\\d+)/.exec(row.textContent)?.[1] ?? 1e9))
  return Math.min(...seen)
}"""
HEARD = """
const Real = window.WebSocket
window.heard = {}
window.WebSocket = class extends Real {
  constructor(url, ...rest) {
    super(url, ...rest)
    if (!String(url).includes('/wk/live')) return
    window.heard.socket = this
    this.addEventListener('message', ({ data }) => {
      const message = window.heard.told ? {} : JSON.parse(data)
      if (message.t === 'tick') window.heard.tick = message
      if (message.t === 'procs' && message.full) window.heard.born = message.born[0]
    })
  }
}
"""
FORWARD = """async (seconds) => {
  const { heard } = window
  heard.told ??= heard.socket.onmessage
  heard.socket.onmessage = () => {} // what really comes is past by then
  const tell = (message) => heard.told({ data: JSON.stringify(message) })
  for (let i = 0; i < seconds; i += 1) {
    const tick = (heard.tick = { ...heard.tick, ts: heard.tick.ts + 1e6, seq: heard.tick.seq + 1 })
    const [run, gone] = [`9${tick.seq}`, `9${tick.seq - 60}`]
    tell(tick)
    tell({ t: 'procs', ts: tick.ts, full: false, born: [{ ...heard.born, run, name: `short ${tick.seq}` }], gone: [gone], cols: ['run', 'cpu_pct', 'rss'], rows: [[run, tick.seq % 100, 1e6]] })
    if (i % 60 === 59) await new Promise(requestAnimationFrame)
  }
  const { ring, processes } = globalThis[Symbol.for('watchkeeper.live')]
  return { readings: ring.ts.length, processes: processes.size }
}"""


def hours(browser: Browser, url: str, seconds: int) -> dict[str, Any]:
    """A tab that lives through hours, told to it fast."""
    page = tab(browser, url, "/", ".kpi strong", HEARD)
    cdp = page.context.new_cdp_session(page)

    def held() -> dict[str, float]:
        cdp.send("HeapProfiler.collectGarbage")
        heap = cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        return {"heap_MB": round(heap, 2), "nodes": cdp.send("Memory.getDOMCounters")["nodes"]}

    began = time.monotonic()
    full = {**page.evaluate(FORWARD, FULL_S), **held()}
    end = {**page.evaluate(FORWARD, seconds - FULL_S), **held()}
    result = {"seconds": seconds, "after_2_h": full, "at_the_end": end, "took_s": round(time.monotonic() - began, 1)}
    page.context.close()
    return result


HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })
  document.dispatchEvent(new Event('visibilitychange'))
}"""


def hidden(browser: Browser, url: str, seconds: float) -> dict[str, Any]:
    """What a tab that nobody sees receives, and whether it has a hole afterwards."""
    page = tab(browser, url, "/", ".kpi strong")
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    got = [0]
    cdp.on("Network.webSocketFrameReceived", lambda e: got.__setitem__(0, got[0] + len(e["response"]["payloadData"])))
    page.evaluate(HIDE, True)
    page.wait_for_timeout(500)
    got[0] = 0
    page.wait_for_timeout(seconds * 1000)
    unseen = got[0]
    page.evaluate(HIDE, False)
    page.wait_for_timeout(3000)
    holes = page.evaluate(
        "() => { const { ts } = globalThis[Symbol.for('watchkeeper.live')].ring; return ts.slice(1).filter((at, i) => at - ts[i] > 2.5e6).length }"
    )
    page.context.close()
    return {"seconds": seconds, "bytes": unseen, "holes_afterwards": holes}


def away(browser: Browser, url: str, place: Path) -> dict[str, Any]:
    """The agent is killed under an open page; the launcher starts another."""
    page = tab(browser, url, "/", ".kpi strong")
    page.evaluate("() => { window.same = true }")
    os.kill(json.loads((place / "data" / "agent.json").read_text("utf-8"))["pid"], signal.SIGKILL)
    began = time.monotonic()
    page.get_by_text("The agent is not reachable").wait_for(timeout=10_000)
    told = time.monotonic() - began
    page.get_by_text("The agent is not reachable").wait_for(state="hidden", timeout=40_000)
    page.get_by_text(" s old").wait_for(timeout=40_000)
    healed = time.monotonic() - began
    same = page.evaluate("() => window.same === true")
    page.context.close()
    return {"told_s": round(told, 2), "live_again_s": round(healed, 2), "without_reload": same}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, help="of the calm case (10; 0.5 with --quick)")
    parser.add_argument("--cases", default="calm,crowd,stream,sought,far,hours,hidden,away")
    options = parser.parse_args()
    quick = options.quick
    minutes = options.minutes or (0.5 if quick else 10)
    cases = options.cases.split(",")
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        place = Path(made)
        process, url = start(place / "data")
        stack.callback(process.wait, 20)
        stack.callback(process.send_signal, signal.SIGINT)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        stack.callback(browser.close)
        found: dict[str, Any] = {
            "bench": "page_endurance",
            "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "platform": platform.platform()},
        }
        if "calm" in cases:
            time.sleep(45)  # the zoom looks at these seconds
            found["calm"] = calm(browser, url, minutes * 60)
        if "crowd" in cases:
            found["crowd"] = crowd(browser, url, 200 if quick else 2000, 8 if quick else 30)
        if "stream" in cases:
            found["stream"] = stream(browser, url, place, 6 if quick else 20)
        if "sought" in cases:
            found["sought"] = sought(browser, url, place, 6 if quick else 20)
        if "far" in cases:
            found["far"] = far(browser, url, place, 100_000 if quick else 1_000_000, 8 if quick else 60)
        if "hours" in cases:
            found["hours"] = hours(browser, url, (4 if quick else 12) * 3600)
        if "hidden" in cases:
            found["hidden"] = hidden(browser, url, 5 if quick else 30)
        if "away" in cases:
            found["away"] = away(browser, url, place)
        found["load_at_the_end"] = os.getloadavg()[0]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
