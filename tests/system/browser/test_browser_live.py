"""The live socket in Chromium: many tabs, hidden tabs, pause, and an agent that goes away and comes back."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, WebSocketRoute, expect

from tests.bench.page_endurance import FORWARD, HEARD
from tests.examples import sizes
from tests.system.browser.conftest import Watch, Window, agent_on, window_of
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
PROBE = "window.ticks = []; window.__watchkeeperProbe = (ts) => window.ticks.push(ts)"
SOCKETS = """
const Real = window.WebSocket
window.sockets = []
window.WebSocket = class extends Real {
  constructor(url, ...rest) { super(url, ...rest); if (String(url).includes('/wk/live')) window.sockets.push(this) }
}
"""


@pytest.mark.parametrize("count", sizes(3, 10))
def test_many_tabs_all_get_ticks(context: BrowserContext, watch: Watch, count: int) -> None:
    """With many tabs open each draws every second."""
    tabs = [window_of(context, watch.url, script=PROBE) for _ in range(count)]
    for tab in tabs:
        tab.open("/")
    for tab in tabs:
        tab.page.evaluate("() => { window.ticks.length = 0 }")
    for tab in tabs:
        wait_until(lambda tab=tab: tab.page.evaluate("() => window.ticks.length") >= 3, "ticks in every tab")


def test_one_socket_a_tab_however_many_components_and_pages(context: BrowserContext, watch: Watch) -> None:
    """All components of a tab share one socket, also over page switches."""
    tab = window_of(context, watch.url, script=SOCKETS)
    page = tab.open("/")
    expect(page.locator(".kpi").first).to_be_visible()
    page.get_by_role("link", name="Logs", exact=True).click()
    expect(page.get_by_role("log", name="Log records")).to_be_visible()
    page.get_by_role("link", name="Performance", exact=True).click()
    expect(page.locator(".chart").first).to_be_visible()
    assert page.evaluate("() => window.sockets.length") == 1


def test_readings_do_not_wait_for_streamlit(context: BrowserContext, watch: Watch) -> None:
    """The socket is opened by the page itself: readings are here when Streamlit's scripts have not even come."""
    page = window_of(context, watch.url, script=PROBE).page
    page.route("**/static/js/index.*", lambda route: route.abort())
    page.goto(watch.url)
    wait_until(lambda: page.evaluate("() => window.ticks.length") >= 1, "a reading without Streamlit")
    assert page.locator(".stApp").count() == 0
    page.close()


def test_a_hidden_tab_gets_nothing_and_comes_back_without_a_hole(context: BrowserContext, watch: Watch) -> None:
    """Hiding a tab closes its socket; showing it again brings ticks and the history between."""
    page = window_of(context, watch.url, script=SOCKETS + PROBE).open("/")
    wait_until(lambda: page.evaluate("() => window.ticks.length") >= 2, "ticks come")
    hide = """(hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })
      document.dispatchEvent(new Event('visibilitychange'))
    }"""
    page.evaluate(hide, True)
    wait_until(
        lambda: page.evaluate("() => window.sockets.every((one) => one.readyState === 3)"), "the socket is closed"
    )
    page.evaluate("() => { window.ticks.length = 0 }")
    page.wait_for_timeout(2500)
    assert page.evaluate("() => window.ticks.length") == 0
    page.evaluate(hide, False)
    wait_until(lambda: page.evaluate("() => window.ticks.length") >= 1, "ticks come again")
    gaps = page.evaluate(
        "() => { const { ts } = globalThis[Symbol.for('watchkeeper.live')].ring; return ts.slice(1).map((at, i) => at - ts[i]).filter((gap) => gap > 2.5e6) }"
    )
    assert gaps == []


def test_space_pauses_and_resumes(window: Window) -> None:
    """While paused the pictures stand still and the page says so, also where a link that was followed has the focus."""
    page = window.open("/")
    expect(page.locator(".strip .age")).to_contain_text("s old")
    page.locator(".strip a").first.focus()
    page.keyboard.press("Space")
    expect(page.locator(".strip .age")).to_contain_text("paused for")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Space")
    expect(page.locator(".strip .age")).to_contain_text("s old")


def test_a_chart_brush_zooms_and_a_double_click_goes_back(window: Window) -> None:
    """Dragging over a chart writes the range to the address; the crosshair is in all charts; a double click is live again."""
    page = window.open("/performance")
    area = page.locator(".chart .area").first
    expect(area).to_be_visible()
    page.wait_for_timeout(2500)
    box = area.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40)
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 40)
    page.mouse.up()
    wait_until(lambda: window.query().get("range") == "custom", "the address has the range")
    area.dblclick()
    wait_until(lambda: "range" not in window.query(), "live again")


HOLES = """() => {
  const { ring } = globalThis[Symbol.for('watchkeeper.live')]
  const told = Object.entries(ring.series).filter(([name]) => name !== 'errors_per_minute') // counted from the logs
  const absent = (i) => told.every(([, column]) => column[i] === null) // a sample that is missing is missing in all
  return told.filter(([, column]) => {
    const first = column.findIndex((value) => value !== null)
    return first > 1 || column.some((value, i) => i > first && value === null && !absent(i))
  }).map(([name]) => name)
}"""


FIRST = """
window.known = []
window.__watchkeeperProbe = () => window.known.push(Boolean(globalThis[Symbol.for('watchkeeper.live')].status?.errors))
"""


def test_a_tab_knows_the_minutes_before_it_from_the_first_reading_on(context: BrowserContext, watch: Watch) -> None:
    """What a tab was told at its beginning and what comes live join without a seam, for every metric of every chart.

    It does not wait for the next round of the slower news: they are there before a second reading. Errors per minute begin with the
    history, not with the tab: the card has its line and its comparison at once.
    """
    tab = window_of(context, watch.url, script=FIRST)
    page = tab.open("/")
    wait_until(lambda: page.evaluate("() => window.known.length") >= 4, "readings come")
    assert page.evaluate("() => window.known[1]") is True
    expect(page.get_by_text("Looking for")).to_have_count(0)
    assert page.evaluate("() => globalThis[Symbol.for('watchkeeper.live')].hello.history.ts.length") >= 2
    assert page.evaluate(HOLES) == []
    known = page.evaluate(
        "() => { const { ring } = globalThis[Symbol.for('watchkeeper.live')]; return ring.ts.map((at, i) => [(ring.last - at) / 1e6, ring.series.errors_per_minute[i]]) }"
    )
    assert [age for age, rate in known if rate is None and age < 320] == []
    assert tab.errors == []


def test_a_tab_that_lives_for_hours_holds_no_more(context: BrowserContext, watch: Watch) -> None:
    """After the first two hours a third and a fourth, with thousands of processes born and ended, add nothing: readings, processes, memory, nodes."""
    page = window_of(context, watch.url, script=HEARD).open("/")
    wait_until(
        lambda: page.evaluate("() => Boolean(window.heard.tick && window.heard.born)"), "a reading and the processes"
    )
    cdp = context.new_cdp_session(page)

    def after(seconds: int) -> tuple[dict[str, int], float, int]:
        kept = page.evaluate(FORWARD, seconds)
        cdp.send("HeapProfiler.collectGarbage")
        heap: float = cdp.send("Runtime.getHeapUsage")["usedSize"]
        nodes: int = cdp.send("Memory.getDOMCounters")["nodes"]
        return kept, heap, nodes

    (kept, heap, nodes), (kept_later, heap_later, nodes_later) = after(7200), after(7200)
    assert kept["readings"] <= 5001
    assert kept_later["readings"] <= 5001
    assert kept_later["processes"] == kept["processes"]
    assert heap_later < heap * 1.1
    assert nodes_later < nodes * 1.1


def test_a_killed_agent_is_shown_within_3_s_and_heals_without_a_reload(
    context: BrowserContext, parts: tuple[str, Path]
) -> None:
    """The strip says that the agent is away and since when, values fade; when it is back the same page lives on."""
    url, place = parts
    with agent_on(place) as agent:
        tab = window_of(context, url)
        page = tab.open("/")
        expect(page.locator(".strip .age")).to_contain_text("s old")
        page.evaluate("() => { window.same = true }")
        agent.kill()
        expect(page.get_by_text("The agent is not reachable")).to_be_visible(timeout=3000)
        expect(page.get_by_text(" since ")).to_be_visible()
        expect(page.get_by_text("Showing the last readings")).to_be_visible()
    with agent_on(place):
        expect(page.get_by_text("The agent is not reachable")).to_be_hidden(timeout=30_000)
        expect(page.locator(".strip .age")).to_contain_text("s old")
        assert page.evaluate("() => window.same") is True


def test_a_gpu_whose_driver_hangs_is_greyed(context: BrowserContext, watch: Watch) -> None:
    """Its card keeps the last value, grey, and says that no answer comes; the strip says which trouble it is. With an answer all of it is as before."""
    answers = True

    def with_gpu(socket: WebSocketRoute) -> None:
        agent = socket.connect_to_server()

        def amended(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame["t"] == "tick":
                gpu = {"index": 0, "util_pct": 42.0, "mem_used": 6 << 30, "mem_total": 24 << 30}
                hung = {"gpu_fresh": False, "gpu_state": "stale", "gpu_message": "the driver does not answer"}
                frame |= {"gpus": [gpu]} | ({"gpu_fresh": True, "gpu_state": "ok"} if answers else hung)
            socket.send(json.dumps(frame))

        agent.on_message(amended)

    tab = window_of(context, watch.url)
    tab.page.route_web_socket("**/live", with_gpu)
    page = tab.open("/")
    card, strip = page.get_by_role("group", name="GPU 0"), page.locator(".strip")
    expect(card.locator("strong")).to_have_text("42")
    expect(card).not_to_have_attribute("data-stale", "")
    answers = False
    expect(card).to_have_attribute("data-stale", "")
    expect(card.locator("strong")).to_have_text("42")
    expect(card.get_by_label("the driver does not answer")).to_have_text("no answer")
    expect(strip).to_contain_text("The GPUs cannot be read")
    assert colour_of(card) != colour_of(page.get_by_role("group", name="CPU"))
    answers = True
    expect(card).not_to_have_attribute("data-stale", "")
    tab.page.close()


def colour_of(card: Locator) -> str:
    """In which colour a card has its value."""
    colour: str = card.locator("strong").evaluate("(node) => getComputedStyle(node).color")
    return colour
