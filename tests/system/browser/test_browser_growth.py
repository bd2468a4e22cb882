"""Which process leaks, when is memory full, when the disk? Asked in Chromium from the Overview, of an agent that has just been started again."""

import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from playwright.sync_api import BrowserContext, expect

from monitor.metrics.messages import run_key
from monitor.sampling.linux.parse import parse_keyed, parse_stat
from monitor.sampling.linux.reader import host_info
from monitor.store.duckdb import open_store
from monitor.store.interface import Append
from monitor.store.rows import run_table
from tests.doubles.ticks import tick
from tests.system.browser.conftest import Window, agent_on, dashboard_on, kept_open, leave
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser
WINDOW_MIN = 12
HELD_MIN = 25
FULL_IN_DAYS = 3
LEAKER = """
import sys, time
held = [b"x" * int(sys.argv[1])]
while True:
    time.sleep(1)
    held.append(b"x" * (int(sys.argv[2]) // 60))
"""


@dataclass
class Leak:
    """A dashboard, its agent's data directory, and the process that leaks: what it grows by, bytes a minute."""

    url: str
    data: Path
    pid: int
    per_minute: int


def seed(folder: Path, pid: int, per_minute: int) -> None:
    """What an earlier agent read: flat at first, then growing up to what the process has now."""
    host = host_info()
    stat = parse_stat(Path(f"/proc/{pid}/stat").read_bytes())
    run = run_key(host.host, host.boot_id, pid, stat.start_tick)
    now = time.time_ns() // 1000
    store = open_store(folder, limit_bytes=1 << 30, now=lambda: now)
    held = stat.rss_pages * 4096
    changes = []
    for ago in range(HELD_MIN * 60, 0, -10):
        rss = held - min(ago, WINDOW_MIN * 60) * per_minute // 60
        changes.append(Append("run_samples", run_table(host.host, now - ago * 1_000_000, tick(0, rss={run: rss}).runs)))
    store.write(changes)
    store.close()


def filling(data: Path) -> None:
    """A store whose machine had 600 GB free on one file system five hours ago, and 12.5 GB less each hour since."""
    store = open_store(data, limit_bytes=1 << 30, now=lambda: time.time_ns() // 1000)
    steps = range(5 * 60 + 1)
    times = [time.time_ns() // 1000 - 60_000_000 * step for step in steps]
    free = [int(600e9 + (12.5e9 / 60) * (step - 300)) for step in steps]
    rows = {
        "host": [platform.node()] * len(times),
        "ts": pa.array(times, pa.int64()).view(pa.timestamp("us")),
        "mount": ["/srv/archive"] * len(times),
        "total": pa.array([1_000_000_000_000] * len(times), pa.int64()),
        "free": pa.array(free, pa.int64()),
    }
    store.write([Append("disk_space", pa.table(rows))])
    store.close()


@pytest.fixture(scope="module")
def leak(tab: list[Window], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leak]:
    """Agent and dashboard on a store that has the last minutes of a process that leaks and the last hours of a disk; other accounts may look into it."""
    place = tmp_path_factory.mktemp("leak")
    data = place / "data"
    data.mkdir()
    data.chmod(0o755)
    filling(data)
    available = parse_keyed(Path("/proc/meminfo").read_bytes())[b"MemAvailable"]
    per_minute = available // (FULL_IN_DAYS * 1440)
    held = (WINDOW_MIN + 2) * per_minute
    with subprocess.Popen([sys.executable, "-c", LEAKER, str(held), str(per_minute)]) as leaker:
        wait_until(
            lambda: parse_stat(Path(f"/proc/{leaker.pid}/stat").read_bytes()).rss_pages * 4096 > held,
            "it holds its memory",
        )
        seed(data, leaker.pid, per_minute)
        try:
            with agent_on(place), dashboard_on(place) as url:
                yield Leak(url, data, leaker.pid, per_minute)
                leave(tab, url)
        finally:
            leaker.kill()


@pytest.fixture
def grown(tab: list[Window], profile: BrowserContext, leak: Leak, request: pytest.FixtureRequest) -> Iterator[Window]:
    """The shared tab on it."""
    with kept_open(tab, profile, leak.url, request) as made:
        yield made


def test_when_will_the_disk_be_full(grown: Window) -> None:
    """A file system that fills steadily is told on the Overview, with when and how fast, also right after a restart."""
    told = re.compile("/srv/archive would be full in about 2 days, at .* a day as in the last 5 hours")
    expect(grown.open("/").get_by_text(told).first).to_be_visible()


def test_what_the_watch_warns_of_stands_on_the_overview(grown: Window, leak: Leak) -> None:
    """A data directory that other accounts may look into is told under the quality of the data, with what to do."""
    told = f"other users can read {leak.data}; run `chmod 700 {leak.data}`"
    expect(grown.open("/").get_by_text(told)).to_be_visible()


def test_which_process_leaks_and_when_memory_is_full(grown: Window, leak: Leak) -> None:
    """The Overview names it without a click; with two clicks it is the first row of the table; the answer is the same everywhere."""
    page = grown.open("/")
    clicks = 0
    line = page.locator(".outlook:visible")
    expect(line).to_contain_text(f"({leak.pid})")
    expect(line).to_contain_text(
        re.compile(r"grows by [\d.,]+ MiB a minute; memory would be full in about \d+ (days|hours)")
    )
    page.get_by_role("link", name="Processes", exact=False).first.click()
    clicks += 1
    page.get_by_role("columnheader", name=re.compile("Growth, 10 min")).get_by_role("button").click()
    clicks += 1
    first = page.locator('.grid-row[aria-rowindex="2"]')
    expect(first).to_contain_text(str(leak.pid))
    expect(first).to_contain_text(re.compile(r"\+[\d.]+ [KM]iB/min"))
    expect(page.locator(".outlook:visible").first).to_contain_text(f"({leak.pid}) grows by")
    assert clicks <= 3
    found = httpx.get(f"{leak.url}/wk/api/v1/processes", timeout=patient(20), trust_env=False).json()
    row = next(one for one in found["processes"] if one["pid"] == leak.pid)
    assert row["growth_10m"] == pytest.approx(leak.per_minute, rel=0.3)
    assert found["outlook"]["pid"] == leak.pid
    assert found["outlook"]["full_in_s"] == pytest.approx(FULL_IN_DAYS * 86_400, rel=0.6)
