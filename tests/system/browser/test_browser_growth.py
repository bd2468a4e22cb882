"""Which process leaks, and when is memory full? Asked in Chromium from the Overview, of an agent that has just been started again."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from monitor.metrics.messages import run_key
from monitor.sampling.linux.parse import parse_keyed, parse_stat
from monitor.sampling.linux.reader import host_info
from monitor.store.duckdb import open_store
from monitor.store.interface import Append
from monitor.store.rows import run_table
from tests.doubles.ticks import tick
from tests.system.browser.conftest import agent_on, dashboard_on, window_of
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
    """A dashboard, and the process that leaks: what it grows by, bytes a minute."""

    url: str
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


@pytest.fixture(scope="module")
def leak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leak]:
    """Agent and dashboard on a store that has the last minutes of a process that leaks."""
    place = tmp_path_factory.mktemp("leak")
    available = parse_keyed(Path("/proc/meminfo").read_bytes())[b"MemAvailable"]
    per_minute = available // (FULL_IN_DAYS * 1440)
    held = (WINDOW_MIN + 2) * per_minute
    with subprocess.Popen([sys.executable, "-c", LEAKER, str(held), str(per_minute)]) as leaker:
        wait_until(
            lambda: parse_stat(Path(f"/proc/{leaker.pid}/stat").read_bytes()).rss_pages * 4096 > held,
            "it holds its memory",
        )
        seed(place / "data", leaker.pid, per_minute)
        try:
            with agent_on(place), dashboard_on(place) as url:
                yield Leak(url, leaker.pid, per_minute)
        finally:
            leaker.kill()


def test_which_process_leaks_and_when_memory_is_full(context: BrowserContext, leak: Leak) -> None:
    """The Overview names it without a click; with two clicks it is the first row of the table; the answer is the same everywhere."""
    window = window_of(context, leak.url)
    page = window.open("/")
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
    assert window.errors == []
