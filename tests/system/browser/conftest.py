"""A real watch (agent, sampler, dashboard) and a real Chromium that looks at it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.base import AXE_SCRIPT as AXE
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, ViewportSize, expect, sync_playwright

from ai.backends.llamacpp_embedded import default_threads
from ai.discovery.files import demo_model
from ai.worker.threads import ThreadRates, ThreadTable
from monitor.agent.ai_runtime import THREADS
from monitor.launcher.running import healthy
from tests.doubles.alone import ENGINES, elsewhere
from tests.doubles.forked import AGENTS, DASHBOARDS, Forked
from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[3]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NOWHERE = "/run"
"""A page that says that it has nothing to show."""
WIDE: Final[ViewportSize] = {"width": 1440, "height": 1000}
LATE = "was preloaded using link preload but not used within a few seconds"  # the machine is busy
COUNT_RUNS = """() => {
    window.runs = 0;
    const app = document.querySelector("[data-testid=stApp]");
    let before = app.dataset.testScriptState;
    window.counting?.disconnect();
    window.counting = new MutationObserver(() => {
        const now = app.dataset.testScriptState;
        if (now === "running" && before !== "running") window.runs += 1;
        before = now;
    });
    window.counting.observe(app, { attributes: true });
}"""
"""Counts in `window.runs` how often Streamlit's script runs from now on."""
HAS_FOCUS = "node => node === node.getRootNode().activeElement"
GO = """([path, patience]) => new Promise((done) => {
    const root = document.querySelector("[data-testid=stApp]");
    let fiber = root[Object.keys(root).find((name) => name.startsWith("__reactFiber"))];
    while (!("scriptRunId" in (fiber.stateNode?.state ?? {}))) fiber = fiber.return;
    const app = fiber.stateNode;
    const before = app.state.scriptRunId;
    const end = (found) => {
        seen.disconnect();
        clearInterval(looking);
        clearTimeout(late);
        done(found);
    };
    const look = () => app.state.scriptRunId !== before && root.dataset.testScriptState === "notRunning" && end(true);
    const seen = new MutationObserver(look);
    seen.observe(root, { attributes: true, attributeFilter: ["data-test-script-state"] });
    const looking = setInterval(look, 250);
    const late = setTimeout(() => end(false), patience);
    history.pushState({}, "", path);
    dispatchEvent(new PopStateEvent("popstate"));
})"""
"""Goes to a path as a link within the app does. True once a run of the whole page has begun since and has ended: what runs by itself every few seconds is another."""
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


def environment(place: Path) -> dict[str, str]:
    """Settings of this test alone, nothing of the tester's own home; logs are found where tests write them, and not those of the machine."""
    config = place / "config" / "watchkeeper" / "watchkeeper.toml"
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        excluded = json.dumps(elsewhere(place.resolve().parent))
        config.write_text(f"[logs]\njournal = false\nexclude = {excluded}\n{ENGINES}", "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHKEEPER_", "STREAMLIT_"))}
    return kept | {"HOME": str(place), "XDG_CONFIG_HOME": str(place / "config"), "XDG_DATA_HOME": str(place / "share")}


def start(place: Path, *words: str) -> subprocess.Popen[str]:
    """`watchkeeper <words>` as its own process."""
    return subprocess.Popen(
        [sys.executable, "-m", "monitor", *words],
        cwd=ROOT,
        env=environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """Ask it to end, then make it."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(patient(20))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(patient(5))
    finally:
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def agent_on(place: Path) -> Iterator[Forked]:
    """An agent on `place/data`, forked: its start is not what is tested; ended at the end, if it still runs."""
    words = ["agent", "--quiet", "--parent", str(AGENTS.pid), "--data-dir", str(_data(place))]
    with _ended(AGENTS.start(words, environment(place), _files(place, "agent"))) as agent:
        yield agent


@contextlib.contextmanager
def dashboard_on(place: Path) -> Iterator[str]:
    """The address of a dashboard on `place/data` that answers; forked as well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--port", str(port), "--parent", str(DASHBOARDS.pid), "--data-dir", str(_data(place))]
    url = f"http://127.0.0.1:{port}"
    with _ended(DASHBOARDS.start(words, environment(place), _files(place, "dashboard"))) as dashboard:

        def answers() -> bool:
            assert dashboard.poll() is None
            return healthy(url)

        wait_until(answers, "the dashboard answers", seconds=40)
        yield url


@contextlib.contextmanager
def _ended(process: Forked) -> Iterator[Forked]:
    """Ends a process, gently if it can be."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()


def _data(place: Path) -> Path:
    """The data directory, for its owner alone."""
    data = place / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    return data


def _files(place: Path, name: str) -> list[Path]:
    """No input, and a file for all that it says."""
    out = place / f"{name}.out"
    return [Path(os.devnull), out, out]


def failure() -> list[str]:
    """An error with its traceback, of now."""
    at = f"{time.strftime('%Y-%m-%d %H:%M:%S')},001"
    trace = ["Traceback (most recent call last):", '  File "work.py", line 3, in run', "ValueError: <b>boom</b>"]
    return [f"{at} ERROR worker: job failed", *trace]


@dataclass
class Watch:
    """A running watch, and a log file that this test process holds open for writing."""

    url: str
    place: Path
    log: IO[str]
    source: str

    def api(self, path: str, **params: Any) -> Any:
        """One answer through the dashboard's own route."""
        answer = httpx.get(f"{self.url}/wk/api/v1/{path}", params=params, timeout=patient(20), trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def write(self, *lines: str) -> None:
        """Append lines to the followed log."""
        self.log.writelines(f"{line}\n" for line in lines)
        self.log.flush()


def seed_log(log: IO[str]) -> None:
    """A history of the last twenty minutes with all levels and a traceback."""
    now = time.time()
    levels = ["DEBUG", "INFO", "INFO", "INFO", "WARNING", "INFO", "ERROR"]
    for i in range(420):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now - 1200 + i * 2.7))
        log.write(
            f"{at},{i % 1000:03d} {levels[i % len(levels)]} worker: job {i:04x} took {i % 9}.2 s on engine ollama\n"
        )
    log.writelines(f"{line}\n" for line in failure())
    log.flush()


def know_threads(data: Path) -> None:
    """One thread is known to be the fastest for the model that comes along: to measure it takes all cores, and longer where they are busy."""
    model = demo_model()
    assert model is not None
    known = ThreadRates(generate={1: 1.0}, read={1: 1.0}, neighbours=0.0, taken=time.time())
    ThreadTable(lambda *_: known).measured(model, default_threads(), data / THREADS)


@pytest.fixture(scope="session")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """An agent and a dashboard, with one followed log that already has records in the store."""
    place = tmp_path_factory.mktemp("watch")
    source = f"quay{os.getpid()}"  # nobody else's log has this name
    know_threads(_data(place))
    with (place / f"{source}.log").open("a", encoding="utf-8") as log:
        seed_log(log)
        with agent_on(place), dashboard_on(place) as url:
            found = Watch(url, place, log, source)

            def stored() -> bool:
                try:
                    return bool(found.api("logs/count", source=source)["count"] >= 400)
                except httpx.HTTPStatusError:
                    return False  # the agent has only begun

            wait_until(stored, "the log is in the store", seconds=40)
            yield found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    expect.set_options(timeout=1000 * patient(20))
    with sync_playwright() as made:
        yield made


def chromium() -> str:
    """The program; installed by `.ci/run` where it is missing. Without windows at all it needs a third less of a core for the same pages."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = os.environ.get("WATCHKEEPER_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert path, "Chromium is needed: apt-get install chromium-headless-shell, or name it in WATCHKEEPER_CHROMIUM"
    return path


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium whose contexts have no past at all."""
    made = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
    yield made
    made.close()


@dataclass
class Window:
    """One tab and what went wrong in it."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    stays: bool = False

    def open(self, path: str) -> Page:
        """Go to a path of the dashboard and wait until the page was drawn. A tab that stays goes on within the app, and leaves a page before it opens it anew."""
        if self.stays and self.page.url.startswith(f"{self.url}/"):
            if urlsplit(self.page.url).path == urlsplit(path).path != NOWHERE:
                self.go(NOWHERE)
            return self.go(path)
        self.page.goto(self.url + path)
        self.settled()
        return self.page

    def go(self, path: str) -> Page:
        """Go to a path as a link within the app does: the scripts stay, the page's own script runs."""
        self.settled()
        self.page.keyboard.press("Shift")  # a person who does something: what a key has begun before is over
        assert self.page.evaluate(GO, [path, 1000 * patient(20)]), f"{path} was not drawn"
        return self.page

    def left(self) -> None:
        """Leave the page for one with nothing on it, so that what was shown, opened, scrolled to or kept in the browser is gone."""
        if self.page.url.startswith(f"{self.url}/"):
            self.go(NOWHERE)
            self.page.evaluate("() => localStorage.clear()")

    def settled(self) -> None:
        """Wait until Streamlit's script has run."""
        self.page.wait_for_selector(SETTLED, timeout=1000 * patient(20))

    def search(self, text: str) -> None:
        """Press `/` and type, as a person does: again, where the page did not listen yet."""
        box = self.page.get_by_role("searchbox", name="Search")

        def reached() -> bool:
            if not box.evaluate(HAS_FOCUS):
                self.page.keyboard.press("/")
            return bool(box.evaluate(HAS_FOCUS))

        wait_until(reached, "the search box has the focus", seconds=30)
        self.page.keyboard.type(text)

    def leave_search(self) -> None:
        """Escape, once more where the first only closed what could complete the text."""
        box = self.page.get_by_role("searchbox", name="Search")
        self.page.keyboard.press("Escape")
        if box.evaluate(HAS_FOCUS):
            self.page.keyboard.press("Escape")

    def violations(self, within: str | None = None, **rules: bool) -> list[str]:
        """What axe complains about in the whole page or `within` a part of it, inside the live components too; `rules` switches some off."""
        return self._complaints({"rules": {name: {"enabled": wanted} for name, wanted in rules.items()}}, within)

    def shown_dark(self, within: str | None = None, *, whole: bool = False) -> None:
        """The person's system changes to dark, and the page with it: axe has no complaint that differs from theme to theme, or none at all."""
        self.page.emulate_media(color_scheme="dark")
        self.page.wait_for_function("() => getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
        looked: dict[str, Any] = {} if whole else {"runOnly": ["color-contrast", "link-in-text-block"]}
        wait_until(
            lambda: not self._complaints(looked, within), lambda: f"{self._complaints(looked, within)}"
        )  # colours fade over

    def _complaints(self, options: dict[str, Any], within: str | None) -> list[str]:
        if not self.page.evaluate("() => 'axe' in window"):  # to compile it for each look took longer than the look
            self.page.evaluate(AXE)
        asked = [within, {"resultTypes": ["violations"]} | options]
        found = self.page.evaluate("([within, options]) => axe.run(within ?? document, options)", asked)
        return [_told(one) for one in found["violations"]]

    def query(self) -> dict[str, str]:
        """The parameters in the address."""
        found: dict[str, str] = self.page.evaluate("() => Object.fromEntries(new URLSearchParams(location.search))")
        return found


@pytest.fixture(scope="session")
def profile(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A Chromium with a profile on disk: to compile Streamlit's scripts for each visit takes a second of a core, here they are kept."""
    made = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"), executable_path=chromium(), args=FLAGS, viewport=WIDE
    )
    made.set_default_timeout(1000 * patient(15))
    yield made
    made.close()


def _told(violation: dict[str, Any]) -> str:
    nodes = "; ".join(f"{node['target']} {node['failureSummary'][:160]}" for node in violation["nodes"][:3])
    return f"{violation['id']} ({len(violation['nodes'])}): {nodes}"


@pytest.fixture
def context(profile: BrowserContext, tab: list[Window]) -> Iterator[BrowserContext]:
    """A browser that knows the scripts of the dashboard and nothing else of its past, wide and light."""
    yield profile
    kept, *pages = profile.pages  # without a tab it ends
    origins = {"/".join(page.url.split("/")[:3]) for page in pages if page.url.startswith("http")}
    for page in pages:
        if all(page is not shared.page for shared in tab):
            page.close()
    session = profile.new_cdp_session(kept)
    for origin in origins:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage,cookies"})
    session.detach()
    profile.clear_cookies()
    profile.clear_permissions()


def as_usual(
    page: Page, *, size: ViewportSize = WIDE, scheme: Literal["light", "dark"] = "light", calm: bool = True
) -> None:
    """How large the tab is, and what its person's system is set to."""
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce" if calm else "no-preference")


def window_of(
    context: BrowserContext,
    url: str,
    *,
    script: str = "",
    size: ViewportSize = WIDE,
    scheme: Literal["light", "dark"] = "light",
    calm: bool = True,
) -> Window:
    """A tab that notes errors of scripts, whatever the console says in warning, and every host it asks; `script` runs before those of a page.

    A person who wants no motion (`calm`) is shown the same pages; what moves is drawn again and again, a tenth of all that Chromium does.
    """
    window = Window(context.new_page(), url)
    as_usual(window.page, size=size, scheme=scheme, calm=calm)
    if script:
        window.page.add_init_script(script)
    window.page.on("pageerror", lambda error: window.errors.append(str(error)))
    window.page.on(
        "console",
        lambda message: (
            window.errors.append(f"{message.text} {message.location.get('url', '')}")
            if message.type in {"error", "warning"} and LATE not in message.text
            else None
        ),
    )
    window.page.on(
        "request", lambda request: window.hosts.add(request.url.split("/")[2] if "//" in request.url else "")
    )
    return window


@pytest.fixture(scope="session")
def tab(profile: BrowserContext) -> list[Window]:
    """The tabs that all tests share, once they were opened, one for each dashboard: to load the scripts takes a second of a core each time.

    Who ends a dashboard closes its tab; the others end with the browser.
    """
    return []


def leave(tab: list[Window], url: str) -> None:
    """Close the shared tab on a dashboard that is about to end."""
    for one in [one for one in tab if one.url == url]:
        one.page.close()
        tab.remove(one)


@contextlib.contextmanager
def kept_open(
    tab: list[Window], profile: BrowserContext, url: str, request: pytest.FixtureRequest, *, troubled: bool = False
) -> Iterator[Window]:
    """The shared tab on a dashboard: wide and light, on no page of the test before, nothing kept in the browser. After a failure the next test has a new one.

    A dashboard that is `troubled` refuses questions, and the browser notes each.
    """
    failed = request.session.testsfailed
    made = next((one for one in tab if one.url == url and not one.page.is_closed()), None)
    if made is None:
        made = window_of(profile, url)
        made.stays = True
        tab.append(made)
    as_usual(made.page)
    made.page.mouse.move(WIDE["width"] / 2, 1)  # what the pointer rests on may have something to say
    folded = made.page.get_by_test_id("stExpandSidebarButton")  # by a narrow screen
    if folded.count():
        with contextlib.suppress(Error):  # it came back by itself meanwhile
            folded.click(timeout=1000 * patient(3))
    yield made
    left = False
    try:
        if request.session.testsfailed == failed:
            made.left()
            left = True
    finally:
        if not left:
            tab.remove(made)
            made.page.close()
    profile.clear_permissions()
    errors = [*made.errors]
    made.errors.clear()
    assert troubled or errors == []


@pytest.fixture
def window(
    tab: list[Window], profile: BrowserContext, watch: Watch, request: pytest.FixtureRequest
) -> Iterator[Window]:
    """The shared tab on the watch; a script error in it fails the test."""
    with kept_open(tab, profile, watch.url, request) as made:
        yield made


@pytest.fixture
def fresh(context: BrowserContext, watch: Watch) -> Iterator[Window]:
    """A tab on the watch that nobody has used before, for what a page does at its beginning; a script error in it fails the test."""
    made = window_of(context, watch.url)
    yield made
    assert made.errors == []


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A dashboard of its own, whose agent the test starts and kills."""
    with dashboard_on(tmp_path) as url:
        yield url, tmp_path
