"""The page of jobs: from nothing to a failed job, and from there to what its process wrote."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from monitor.jobs import track
from tests.system.browser.conftest import COUNT_RUNS, Watch, Window
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser

WORKER = """
import logging, sys, time
from track import track
logging.basicConfig(filename=sys.argv[1], level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
with track("crane") as worker:
    for i in range(30):
        with worker.job(f"box {i}"): pass
    try:
        with worker.job("box <b>31</b>"):
            logging.error("the hook broke")
            raise ValueError("no hook")
    except ValueError: pass
    sys.stdin.readline()
    for i in range(8):
        with worker.job(f"late box {i}"): pass
    with worker.job("the last box"): sys.stdin.readline()
"""


def test_from_an_empty_page_to_the_records_of_a_failed_job(window: Window, watch: Watch) -> None:
    """The empty page says what to write; then a worker's row, its failed job, that job's card, and the records of its process."""
    page = window.open("/jobs?worker=crane")  # alone: where jobs of others failed alike, the page shows errors
    if not watch.api("jobs/workers")["workers"]:  # other tests may have had workers on the same watch
        expect(page.get_by_text("No worker has reported a job yet.")).to_be_visible()
        expect(page.get_by_text("watchkeeper track --write track.py")).to_be_visible()
    (watch.place / "track.py").write_bytes(Path(track.__file__).read_bytes())
    environ = {"WATCHKEEPER_DATA_DIR": str(watch.place / "data")}
    command = [sys.executable, "-c", WORKER, str(watch.place / "crane.log")]
    worker = subprocess.Popen(command, cwd=watch.place, env=environ, stdin=subprocess.PIPE, text=True)
    assert worker.stdin is not None
    try:
        row = page.get_by_role("row").filter(has_text="crane").first
        expect(row).to_contain_text("running")
        window.settled()
        page.evaluate(COUNT_RUNS)
        jobs = page.get_by_role("group", name="Jobs", exact=True)
        failed = jobs.get_by_role("row").filter(has_text="box <b>31</b>")
        expect(failed).to_contain_text("ValueError: no hook")
        worker.stdin.write("next\n")
        worker.stdin.flush()
        expect(row).to_contain_text("38")
        assert page.evaluate("() => window.runs") == 0, "the page follows without running again"
        failed.get_by_role("link", name="box <b>31</b>").click()
        expect(page.get_by_role("heading", name="Job box <b>31</b>")).to_be_visible()
        page.get_by_role("radio", name="In flight").click()
        expect(jobs.get_by_role("link", name="the last box")).to_be_visible()
        page.get_by_role("radio", name="Failed").click()
        stored = {"q": "the hook broke", "source": "*crane*"}
        wait_until(
            lambda: watch.api("logs/count", **stored)["count"] == 1, "what the worker wrote is stored", seconds=40
        )
        failed.get_by_role("link", name="Records").click()
        expect(page.get_by_role("heading", name="Logs", level=1)).to_be_visible()
        expect(page.locator(".log-row", has_text="the hook broke")).to_be_visible()
        assert window.query()["range"] == "custom"
    finally:
        worker.communicate("end\n", timeout=patient(20))


ALIKE = """
import sys
from track import track
with track("ferry") as worker:
    def fail(begin, end):
        for i in range(begin, end):
            try:
                with worker.job(f"car {i}"): raise TimeoutError(f"no answer from /dock/{i}")
            except TimeoutError: pass
    fail(0, 40)
    try:
        with worker.job("the bus"): raise ValueError("too long")
    except ValueError: pass
    sys.stdin.readline()
    fail(40, 45)
    sys.stdin.readline()
"""


def test_equal_errors_are_one_row_that_leads_to_its_jobs(window: Window, watch: Watch) -> None:
    """Forty jobs that failed alike are one row with their number; a click shows them, and another one all errors again, which follow further ones."""
    (watch.place / "track.py").write_bytes(Path(track.__file__).read_bytes())
    environ = {"WATCHKEEPER_DATA_DIR": str(watch.place / "data")}
    worker = subprocess.Popen(
        [sys.executable, "-c", ALIKE], cwd=watch.place, env=environ, stdin=subprocess.PIPE, text=True
    )
    assert worker.stdin is not None
    try:
        page = window.open("/jobs?worker=ferry")
        errors = page.get_by_role("group", name="Errors of jobs")
        alike = errors.get_by_role("row").filter(has_text="TimeoutError: no answer from …")
        expect(alike.get_by_role("cell").nth(1)).to_have_text("40", timeout=patient(30) * 1000)
        expect(errors.get_by_role("row").filter(has_text="ValueError: too long")).to_contain_text("the bus")
        alike.get_by_role("link", name="TimeoutError").click()
        jobs = page.get_by_role("group", name="Jobs", exact=True)
        expect(jobs.get_by_role("row")).to_have_count(41)
        assert window.query()["error"] == "TimeoutError: no answer from …"
        page.get_by_role("button", name="TimeoutError: no answer from …").click()
        expect(alike).to_be_visible()
        window.settled()
        page.evaluate(COUNT_RUNS)
        worker.stdin.write("next\n")
        worker.stdin.flush()
        expect(alike.get_by_role("cell").nth(1)).to_have_text("45")
        assert page.evaluate("() => window.runs") == 0, "the table follows without running again"
    finally:
        worker.communicate("end\n", timeout=patient(20))


def test_back_leads_to_the_page_as_it_was_left(window: Window) -> None:
    """A search does not follow to the next page that has one, and is there again on the way back, in one step; so is what Logs shows of a process."""
    page = window.open("/processes?view=ended&q=nothing-has-this-name")
    search = page.get_by_role("searchbox", name="Search")
    expect(search).to_have_value("nothing-has-this-name")
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Jobs", exact=True, level=1)).to_be_visible()
    expect(search).to_have_value("")
    page.go_back()
    expect(page.get_by_role("heading", name="Processes", exact=True, level=1)).to_be_visible()
    expect(search).to_have_value("nothing-has-this-name")
    assert window.query() == {"view": "ended", "q": "nothing-has-this-name"}
