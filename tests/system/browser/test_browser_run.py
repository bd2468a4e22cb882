"""The page of a run: its life on one axis, and a range that is brushed there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from monitor.jobs import track
from tests.system.browser.conftest import COUNT_RUNS, Watch, Window, window_of
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser

WORKER = """
import logging, sys
from track import track
sys.stdin.readline()
logging.basicConfig(filename=sys.argv[1], level=logging.INFO, format="%(asctime)s %(levelname)-8s %(name)s: %(message)s")
with track(sys.argv[2]) as worker:
    for part in ("early", "late"):
        with worker.job(f"{part} <b>job</b>"):
            for number in range(3): logging.info("%s line %d", part, number)
        sys.stdin.readline()
sys.exit(5)
"""
SPAN_US = 2_500_000


@dataclass
class Lived:
    """A process that has ended: its run, when its first and its second part began (µs), and when it began and ended."""

    run: str
    early: int
    late: int
    started: int
    ended: int


def end_of(watch: Watch, run: str) -> int | None:
    """When a run ended; None while it runs, or while its end is on the way to the store."""
    try:
        ended: int | None = watch.api(f"runs/{run}")["end_ts"]
    except httpx.HTTPStatusError:
        return None
    return ended


@pytest.fixture(scope="module")
def lived(resting: object, watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A process that logged and did a job, was reniced seconds later, logged and did another job, and failed."""
    place = tmp_path_factory.mktemp("hoist")
    (place / "track.py").write_bytes(Path(track.__file__).read_bytes())
    log, name = place / f"hoist{os.getpid()}.log", f"hoist{os.getpid()}"
    environ = {"WATCHKEEPER_DATA_DIR": str(watch.place / "data")}
    command = [sys.executable, "-c", WORKER, str(log), name]
    process = subprocess.Popen(command, cwd=place, env=environ, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None

    def rows() -> list[dict[str, str]]:
        return [one for one in watch.api("processes")["processes"] if one["pid"] == process.pid]

    def records() -> list[dict[str, int]]:
        found: list[dict[str, int]] = watch.api("logs/records", source=log.stem)["records"]
        return found

    try:
        wait_until(rows, "it is seen", seconds=40)
        process.stdin.write("begin\n")
        process.stdin.flush()
        wait_until(lambda: len(records()) == 3, "what it logged is stored", seconds=40)
        run, early = rows()[0]["run"], records()[0]["ts"]
        wait_until(lambda: watch.api("processes")["ts"] > early + 2 * SPAN_US, "some time passes")
        process.stdin.write("on\n")
        process.stdin.flush()
        wait_until(lambda: len(records()) == 6, "its second part is stored", seconds=40)
        late = records()[-1]["ts"]
        wait_until(lambda: watch.api("processes")["ts"] > late + SPAN_US, "some time passes")
        process.communicate("end\n", timeout=patient(20))
    finally:
        process.kill()
        process.wait(patient(5))
    wait_until(
        lambda: end_of(watch, run) and watch.api("jobs", run=run)["total"] == 2,
        "its end and its jobs are stored",
    )
    known = watch.api(f"runs/{run}")
    return Lived(run, early, late, known["start_ts"], known["end_ts"])


@pytest.fixture(scope="module")
def resting(watch: Watch, profile: BrowserContext) -> Iterator[tuple[Page, int]]:
    """The page of a process, opened right after its end, which counts its runs, and when the process ended; the other tests have their pages meanwhile."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.readline()"], stdin=subprocess.PIPE) as process:
        wait_until(lambda: any(one["pid"] == process.pid for one in watch.api("processes")["processes"]), "it is seen")
        run = next(one["run"] for one in watch.api("processes")["processes"] if one["pid"] == process.pid)
        process.communicate(b"end\n", timeout=patient(20))
    wait_until(lambda: end_of(watch, run), "its end is stored", seconds=40)
    window = window_of(profile, watch.url)
    page = window.open(f"/run?run={run}")
    expect(page.get_by_role("heading", name="Why did it stop?")).to_be_visible()
    window.settled()
    page.evaluate(COUNT_RUNS)
    ended: int = watch.api(f"runs/{run}")["end_ts"]
    yield page, ended
    page.close()
    assert window.errors == []


def test_a_brush_restricts_everything_to_its_range(window: Window, lived: Lived) -> None:
    """Charts, rows, list and records show the brushed part of the life; the address holds it in full, so that a cold copy shows the same."""
    page = window.open(f"/run?run={lived.run}")
    listed = page.get_by_role("group", name="Events, jobs and actions", exact=True)
    expect(listed.get_by_role("row").filter(has_text="<b>job</b>")).to_have_count(2)
    expect(page.locator(".log-row:not([hidden])")).to_have_count(6)
    lanes = page.get_by_role("group", name="What happened")
    expect(lanes).to_be_visible()
    margin = max(2_000_000, (lived.ended - lived.started) // 50)
    begin, end = max(0, lived.started - margin), lived.ended + margin
    box = lanes.bounding_box()
    assert box is not None

    def x(ts: int) -> float:
        return box["x"] + 4 + (ts - begin) / (end - begin) * (box["width"] - 8)

    page.mouse.move(x(lived.started - 500_000), box["y"] + 40)
    page.mouse.down()
    page.mouse.move(x(lived.early + SPAN_US), box["y"] + 40, steps=4)
    page.mouse.up()
    expect(listed.get_by_role("row").filter(has_text="early <b>job</b>")).to_have_count(1)
    expect(listed.get_by_role("row").filter(has_text="late <b>job</b>")).to_have_count(0)
    expect(page.locator(".log-row:not([hidden])")).to_have_count(3)
    query = wait_until(lambda: (found := window.query()).get("range") and found, "the address has the range")
    assert (query["range"], query["from"][-1], query["to"][-1]) == ("custom", "Z", "Z")
    page.reload()
    window.settled()
    expect(listed.get_by_role("row").filter(has_text="early <b>job</b>")).to_have_count(1)
    expect(listed.get_by_role("row").filter(has_text="late <b>job</b>")).to_have_count(0)
    expect(page.locator(".log-row:not([hidden])")).to_have_count(3)
    page.get_by_role("radio", name="Whole run").click()
    expect(listed.get_by_role("row").filter(has_text="<b>job</b>")).to_have_count(2)


def test_a_brushed_spike_names_who_made_it(window: Window, watch: Watch) -> None:
    """Over the charts of the machine, too: the processes that used most in that time, with links to their part of it."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass", "spike-maker"]) as busy:
        try:
            wait_until(
                lambda: any(
                    one["pid"] == busy.pid and (one["cpu_pct"] or 0) > 20 for one in watch.api("processes")["processes"]
                ),
                "it is busy",
            )
            since = watch.api("processes")["ts"]
            page = window.open("/performance")
            expect(page.locator(".chart .area").first).to_be_visible()
            expect(page.get_by_role("group", name="What happened")).to_be_hidden()
            wait_until(lambda: watch.api("processes")["ts"] > since + 6_000_000, "it was busy for a while")
        finally:
            busy.kill()
    box = page.locator(".chart .area").first.bounding_box()
    assert box is not None
    y, right = box["y"] + 60, box["x"] + box["width"] - 4
    page.mouse.move(right - 16, y)  # no more than it was busy for: others are busy, too
    page.mouse.down()
    page.mouse.move(right - 1, y, steps=4)
    page.mouse.up()
    used = page.get_by_role("group", name="Processes that used most")
    row = used.get_by_role("row").filter(has_text=str(busy.pid))
    expect(row).to_contain_text("s")
    expect(page.get_by_role("group", name="What happened")).to_be_visible()
    changed = page.get_by_role("link", name="What changed")
    expect(changed).to_have_attribute("href", re.compile(r"patterns\?view=changes&range=custom&from=.*&to="))
    row.get_by_role("link", name="python -c").click()
    page.wait_for_url("**/run?*range=custom*")
    expect(page.get_by_role("heading", name=str(busy.pid), level=1)).to_be_visible()


def test_an_ended_run_is_at_rest(resting: tuple[Page, int], lived: Lived, watch: Watch) -> None:
    """Opened right after its end the page looks again until its last records are stored, and then asks for nothing any more."""
    page, ended = resting
    wait_until(
        lambda: watch.api("processes")["ts"] > ended + 22_000_000, "its last records are long stored", seconds=60
    )
    assert 1 <= page.evaluate("() => window.runs") <= 2, (
        "one look after the records came, one at the end of the waiting"
    )
