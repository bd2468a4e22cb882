"""The dashboard as a real process: what it serves, to whom, where it listens, and how it ends."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.doubles.forked import DASHBOARDS
from tests.integration.pages.conftest import ROOT, DashboardProcess, close_code, free_port
from tests.waiting import patient, wait_until


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardProcess]:
    """A dashboard without sign-in and without an agent."""
    place = tmp_path_factory.mktemp("shell")
    process = DashboardProcess(place / "data", place / "watchkeeper.toml", free_port(), [])
    try:
        process.wait_until_up()
        yield process
    finally:
        process.end()


@pytest.mark.parametrize(
    "page", ["", "overview", "processes", "run", "jobs", "logs", "patterns", "performance", "ai", "settings"]
)
def test_cold_deep_links_answer(dashboard: DashboardProcess, page: str) -> None:
    """Every page's address answers without a visit to the first page."""
    answer = httpx.get(f"{dashboard.url}/{page}", trust_env=False, follow_redirects=True)
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]


def test_every_answer_carries_the_security_headers(dashboard: DashboardProcess) -> None:
    """Pages and own routes forbid framing, sniffing, foreign scripts and foreign connections."""
    for path in ("/", "/healthz", "/wk/assets/nothing.js", "/_stcore/health"):
        headers = httpx.get(dashboard.url + path, trust_env=False).headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_a_strange_host_is_refused(dashboard: DashboardProcess, host: str) -> None:
    """A name that someone else made point here gets nothing, neither pages nor data."""
    for path in ("/", "/healthz", "/wk/api/v1/status", "/_stcore/health", "/wk/assets/live/hub.js"):
        answer = httpx.get(dashboard.url + path, headers={"Host": host}, trust_env=False)
        assert answer.status_code == 400, path
        assert "error" in answer.json()


def test_a_strange_origin_is_refused(dashboard: DashboardProcess) -> None:
    """A page of another site can neither fetch nor open a socket."""
    answer = httpx.get(f"{dashboard.url}/wk/api/v1/status", headers={"Origin": "http://evil.example"}, trust_env=False)
    assert answer.status_code == 403
    for path in ("/wk/live", "/_stcore/stream"):
        for origin in ("http://evil.example", "null", f"http://localhost:{dashboard.port + 1}"):
            with pytest.raises(InvalidStatus) as refused:
                connect(f"ws://{dashboard.address}{path}", origin=origin, proxy=None)
            assert refused.value.response.status_code == 403


def test_the_live_socket_wants_an_origin(dashboard: DashboardProcess) -> None:
    """A live socket opened by no page of ours is refused."""
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{dashboard.address}/wk/live", proxy=None)
    assert refused.value.response.status_code == 403


def test_without_an_agent_the_relay_says_so(dashboard: DashboardProcess) -> None:
    """Data routes answer 503 with what to do."""
    answer = httpx.get(f"{dashboard.url}/wk/api/v1/status", trust_env=False)
    assert answer.status_code == 503
    assert answer.json()["error"]["hint"]


def test_what_the_scripts_read_is_relayed(dashboard: DashboardProcess) -> None:
    """Each address that a script of the pages asks for is one that the relay passes on: without an agent it answers 503, and never 404."""
    scripts = (ROOT / "pages" / "ui" / "assets").rglob("*.js")
    asked = re.compile(r"""(?:(?<![.\w])get|new Look)\("([a-z]+(?:/[a-z]+)*)\"""")
    paths = {path for script in scripts for path in asked.findall(script.read_text("utf-8"))}
    assert {"logs/records", "jobs/errors"} <= paths
    answers = {path: httpx.get(f"{dashboard.url}/wk/api/v1/{path}", trust_env=False).status_code for path in paths}
    assert answers == dict.fromkeys(paths, 503)


@pytest.mark.parametrize("path", ["query", "shutdown", "settings", "logs/ingest", "../openapi.json", "runs/x", "host"])
def test_only_listed_reads_are_relayed(dashboard: DashboardProcess, path: str) -> None:
    """Nothing but the closed list of reads passes, whatever agent there is."""
    answer = httpx.get(f"{dashboard.url}/wk/api/v1/{path}", trust_env=False)
    assert answer.status_code in {200, 404}  # `..` leads out of the route, to a page
    assert "error" in answer.text or "text/html" in answer.headers["content-type"]
    assert httpx.post(f"{dashboard.url}/wk/api/v1/status", trust_env=False).status_code == 405


def test_assets_are_kept_by_their_hash(dashboard: DashboardProcess) -> None:
    """An asset comes with its hash, is not sent twice, and is kept for ever under its hashed address."""
    address = f"{dashboard.url}/wk/assets/core/dom.js"
    first = httpx.get(address, trust_env=False)
    tag = first.headers["etag"]
    assert first.status_code == 200
    assert first.headers["content-type"].startswith("text/javascript")
    assert httpx.get(address, headers={"If-None-Match": tag}, trust_env=False).status_code == 304
    hashed = httpx.get(f"{address}?v={tag.strip(chr(34))}", trust_env=False)
    assert "immutable" in hashed.headers["cache-control"]
    for name in (
        "..%2f..%2fapp.py",
        "core/..%2f..%2fframe.py",
        "core/.hidden.js",
        "core",
        "nothing.js",
        "core//dom.js",
    ):
        assert httpx.get(f"{dashboard.url}/wk/assets/{name}", trust_env=False).status_code in {400, 404}


def test_a_script_and_its_imports_name_one_version(dashboard: DashboardProcess) -> None:
    """What a page asks to be fetched ahead exists, is kept for ever, and imports only addresses that are kept as well."""
    link = httpx.get(dashboard.url, trust_env=False).headers["link"]
    addresses = re.findall(r"<(/[^>]+)>", link)
    ours = [address for address in addresses if address.startswith("/wk/assets/")]
    assert len(ours) < len(addresses)
    for address in addresses:
        assert httpx.get(dashboard.url + address, trust_env=False).status_code == 200
    version = ours[0].partition("?v=")[2]
    script = httpx.get(dashboard.url + ours[0], trust_env=False)
    assert "immutable" in script.headers["cache-control"]
    imports = re.findall(r'from "([^"]+)"', script.text)
    assert imports
    assert all(address.endswith(f".js?v={version}") for address in imports)


@pytest.mark.parametrize(("typed", "page"), [("/overview", "/"), ("/ai_backend", "/ai")])
def test_a_page_is_found_by_the_name_of_its_script(dashboard: DashboardProcess, typed: str, page: str) -> None:
    """A name that somebody would type leads to the page and keeps what the address says."""
    answer = httpx.get(f"{dashboard.url}{typed}?range=1h", trust_env=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{page}?range=1h"


def test_it_listens_on_loopback_alone(dashboard: DashboardProcess) -> None:
    """No socket of the process is bound to another address."""
    bound = {c.laddr.ip for c in psutil.Process(dashboard.process.pid).net_connections() if c.status == "LISTEN"}
    assert bound == {"127.0.0.1"}


def _run(arguments: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WATCHKEEPER_")}
    return DASHBOARDS.run(["--data-dir", str(place / "data"), *arguments], environ)


def test_other_addresses_need_a_sign_in(tmp_path: Path) -> None:
    """Binding where others can reach it, without a sign-in, ends with the reason and a hint."""
    ended = _run(["--host", "0.0.0.0", "--port", "1", "--config", str(tmp_path / "none.toml")], tmp_path)
    assert ended.returncode == 2
    assert "no sign-in" in ended.stderr
    assert "hint:" in ended.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """A wrong file of settings ends with the key, not with a traceback."""
    config = tmp_path / "wrong.toml"
    config.write_text("[dashboard]\nport = 99999999\n", "utf-8")
    ended = _run(["--config", str(config)], tmp_path)
    assert ended.returncode == 2
    assert "dashboard.port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_ends_soon_with_ten_tabs_open(tmp_path: Path) -> None:
    """SIGTERM ends the process at once though ten live sockets are open."""
    dashboard = DashboardProcess(tmp_path / "data", tmp_path / "c.toml", free_port(), [])
    with contextlib.ExitStack() as stack:
        stack.callback(dashboard.end)
        dashboard.wait_until_up()
        for _ in range(10):
            tab = stack.enter_context(connect(f"ws://{dashboard.address}/wk/live", origin=dashboard.url, proxy=None))
            tab.send(json.dumps({"subscribe": {"host": True}}))
            assert json.loads(tab.recv(patient(5)))["state"] == "away"
        dashboard.process.send_signal(signal.SIGTERM)
        dashboard.process.wait(5)
    assert dashboard.process.returncode in {0, -signal.SIGTERM}


def test_it_ends_with_its_launcher(tmp_path: Path) -> None:
    """A launcher that is killed takes the dashboard with it."""
    port = free_port()
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[1:], '--parent', str(os.getpid())])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    arguments = [str(ROOT / "app.py"), "--port", str(port), "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments, "--config", str(tmp_path / "c.toml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    ) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())

        def _up() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        try:
            wait_until(_up, "the dashboard is up", seconds=40)
        finally:
            launcher.kill()
    wait_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie",
        "the dashboard ended",
        seconds=10,
    )


def test_a_subscription_is_the_only_word_taken(dashboard: DashboardProcess) -> None:
    """Anything but a subscription ends the live socket with a reason."""
    with connect(f"ws://{dashboard.address}/wk/live", origin=dashboard.url, proxy=None) as tab:
        tab.send("[1]")
        assert close_code(tab) == 1008
