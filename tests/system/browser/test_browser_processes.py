"""The process table and a process's page in Chromium."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Watch, Window
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser
BUSY = """
import time
while True:
    end = time.thread_time() + 0.04
    while time.thread_time() < end: pass
    time.sleep(0.06)
"""
"""Uses two fifths of a core, and leaves the rest to those who look."""
HOSTILE = "<script>window.hacked=1</script>\x1b[31mred\u202egnp.exe"


@pytest.fixture
def word() -> str:
    """What only the command below is called: a number may stand in others' command lines too."""
    return f"sleeper-{secrets.token_hex(2)}"


@pytest.fixture
def sleeper(tmp_path: Path, word: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose name and command line try to be markup, an escape sequence and reversed text."""
    program = tmp_path / f"<b>{word}"
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([HOSTILE, "300"], executable=program)
    yield process
    process.kill()
    process.wait(patient(5))


def names(page: Page) -> list[str]:
    """The names in the rows, from the top."""
    found: list[str] = page.evaluate(
        """() => {
          const root = [...document.querySelectorAll('.st-key-processes *')].map((e) => e.shadowRoot).find(Boolean)
          return [...root.querySelectorAll('.grid-row:not([hidden])')]
            .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((row) => row.querySelector('.name').textContent)
        }"""
    )
    return found


def test_sorting_is_kept_in_the_address_and_comes_back(window: Window) -> None:
    """A click on a column's head sorts, says so to screen readers, and a reload shows the same."""
    page = window.open("/processes")
    page.get_by_role("columnheader", name="name").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name=re.compile("Name"))).to_have_attribute("aria-sort", "ascending")
    wait_until(lambda: window.query().get("sort") == "name", "the address says how it is sorted")
    page.reload()
    expect(page.get_by_role("columnheader", name=re.compile("Name"))).to_have_attribute("aria-sort", "ascending")


def test_names_stay_readable_beside_what_is_scrolled_below_them(window: Window) -> None:
    """On a narrow screen the other columns pass under the names: nothing shows through, wherever the pointer is."""
    page = window.open("/processes")
    name = page.locator(".grid-row .pin").first
    for _ in ("at rest", "under the pointer"):
        background = name.evaluate("cell => getComputedStyle(cell).backgroundColor")
        assert not re.search(r"/ 0?\.\d|rgba\(.*, 0(\.\d+)?\)|transparent", background), background
        name.hover()


def test_a_page_has_one_number_of_processes(window: Window) -> None:
    """Above the table, in the strip and below the navigation it is the same."""
    page = window.open("/processes")
    texts = (
        page.get_by_text(re.compile(r"^[\d,]+ process(es)? · ")),
        page.locator(".strip").get_by_text(re.compile(r"^[\d,]+ process(es)?$")),
        page.locator(".tallies").get_by_role("link", name=re.compile("process")),
    )

    def numbers() -> set[str]:
        found = [re.search(r"[\d,]+", text.inner_text()) for text in texts]
        return {match[0] for match in found if match is not None}

    wait_until(lambda: len(numbers()) == 1, lambda: str(numbers()))


def test_search_filters_by_text_and_by_regex(window: Window, sleeper: subprocess.Popen[bytes], word: str) -> None:
    """`/` reaches the search box; text and /regex/ narrow the table; the address keeps it."""
    page = window.open("/processes")
    expect(page.locator(".grid-row .name").first).to_be_visible()
    window.search(word)
    expect(page.get_by_text(re.compile(r"(?<!\d)1 shown"))).to_be_visible()
    assert names(page) == [f"<b>{word}"]
    wait_until(lambda: window.query().get("q") == word, "the address has the search")
    page.get_by_label("Search").fill(f"/^<b>sl.*{word[-4:]}$/")
    expect(page.get_by_text(re.compile(r"(?<!\d)1 shown"))).to_be_visible()
    page.get_by_label("Search").fill("/(/")
    expect(page.get_by_text("Invalid regular expression.")).to_be_visible()


def test_a_hostile_name_is_only_text(window: Window, sleeper: subprocess.Popen[bytes], word: str) -> None:
    """Markup, escape sequences and bidirectional controls in a command line show as signs and do nothing."""
    page = window.open(f"/processes?q={word}")
    row = page.locator(".grid-row:not([hidden])")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("<script>window.hacked=1</script>")
    expect(row).to_contain_text(
        "␛[31mred\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}U+202E\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}gnp.exe"
    )
    assert page.evaluate("() => window.hacked") is None
    row.locator(".name").click()
    expect(page.get_by_text("Identity")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text(["<script>window.hacked=1</script>"])
    assert page.evaluate("() => window.hacked") is None


def test_the_tree_shows_children_under_their_parents(
    window: Window, sleeper: subprocess.Popen[bytes], word: str
) -> None:
    """In the tree a process stands below its parent, which can be closed by the keyboard."""
    page = window.open(f"/processes?shape=tree&q={word}")
    row = page.get_by_role("row", name=re.compile("sleeper"))
    expect(row).to_be_visible()
    assert int(row.get_attribute("aria-level") or 0) >= 2
    page.get_by_role("treegrid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(row).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(row).to_be_visible()


def test_a_branch_of_the_tree_has_the_sums_of_its_processes(
    window: Window, sleeper: subprocess.Popen[bytes], word: str
) -> None:
    """The parent of a process says how many there are, and its memory is in bold; the process itself has only its own."""
    page = window.open(f"/processes?shape=tree&q={word}")
    row = page.get_by_role("row", name=re.compile("sleeper"))
    expect(row).to_be_visible()
    expect(row.locator(".sum")).to_have_count(0)
    above = page.locator('.grid-row:not([hidden])[aria-expanded="true"]').first
    expect(above.locator(".sum").first).to_have_attribute("title", re.compile(r"\d+ processes together; by itself: "))
    expect(page.get_by_text("bold: with all descendants")).to_be_visible()


def test_chosen_columns_come_back_at_the_next_visit(window: Window) -> None:
    """They are kept in the browser, stand in the address again, and other columns go as they were told to."""
    page = window.open("/processes")
    expect(page.get_by_role("columnheader", name="Nice")).to_have_count(0)
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("combobox").click()
    page.get_by_role("option", name="Nice").click()
    # what is below the box is hidden to screen readers; a key before the choice has come would take it back
    expect(page.locator("[role=columnheader]", has_text="Nice")).to_have_count(1)
    page.keyboard.press("Escape")  # the list, then the box
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="Nice")).to_be_visible()
    window.open("/")
    window.open("/processes")
    expect(page.get_by_role("columnheader", name="Nice")).to_be_visible()
    wait_until(lambda: "columns" in window.query(), "the address has them")


def test_the_page_of_a_process_lists_its_connections(window: Window, watch: Watch) -> None:
    """Its listening port is there; a connection that it makes later comes with a click."""
    script = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
        "sys.stdin.readline(); c = socket.create_connection(s.getsockname()); print(flush=True); sys.stdin.readline()"
    )
    command, pipe = [sys.executable, "-c", script], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        port = listener.stdout.readline().strip()
        pid = listener.pid
        (one,) = wait_until(
            lambda: [one for one in watch.api("processes")["processes"] if one["pid"] == pid], "it is seen"
        )
        page = window.open(f"/run?run={one['run']}")
        card = page.locator(".st-key-connections")
        expect(card).to_contain_text(f"tcp 127.0.0.1:{port}")
        expect(card).to_contain_text("nothing")
        listener.stdin.write("\n")
        listener.stdin.flush()
        listener.stdout.readline()
        page.get_by_role("button", name="Read again").click()
        expect(card).to_contain_text(f"127.0.0.1:{port} from 127.0.0.1:")
        listener.kill()


def test_a_row_opens_its_process_and_back_returns(window: Window, sleeper: subprocess.Popen[bytes], word: str) -> None:
    """A row leads to the process's page without a reload; the page shows who it is; back shows the table again."""
    page = window.open(f"/processes?q={word}")
    page.evaluate("() => { window.same = true }")
    expect(page.get_by_role("row", name=re.compile("sleeper"))).to_be_visible()
    page.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile(str(sleeper.pid)), level=1)).to_be_visible()
    facts = page.locator(".facts").first
    expect(facts).to_contain_text("running")
    expect(facts).to_contain_text(str(os.getpid()))  # the parent, as a link
    expect(page.locator(".chart:not([hidden])")).to_have_count(5)
    page.go_back()
    expect(page.get_by_role("row", name=re.compile("sleeper"))).to_be_visible()
    assert page.evaluate("() => window.same") is True


def test_an_ended_process_says_how_it_ended(window: Window, watch: Watch, sleeper: subprocess.Popen[bytes]) -> None:
    """The page of a process that is gone stays, with its end."""
    wait_until(lambda: any(one["pid"] == sleeper.pid for one in watch.api("processes")["processes"]), "it is seen")
    run = next(one["run"] for one in watch.api("processes")["processes"] if one["pid"] == sleeper.pid)
    sleeper.kill()
    sleeper.wait(patient(5))
    wait_until(lambda: watch.api(f"runs/{run}")["end_ts"] is not None, "its end is stored")
    page = window.open(f"/run?run={run}")
    expect(page.locator(".facts").first).to_contain_text("ended")
    expect(page.get_by_text("tell a person nothing")).to_have_count(0)  # words to who reads the source, not the page


def test_the_page_of_a_process_says_by_itself_that_it_ended(
    window: Window, watch: Watch, sleeper: subprocess.Popen[bytes]
) -> None:
    """Who looks at a job when it dies sees that it did, without a reload."""
    wait_until(lambda: any(one["pid"] == sleeper.pid for one in watch.api("processes")["processes"]), "it is seen")
    run = next(one["run"] for one in watch.api("processes")["processes"] if one["pid"] == sleeper.pid)
    page = window.open(f"/run?run={run}")
    facts = page.locator(".facts").first
    expect(facts).to_contain_text("running")
    sleeper.kill()
    sleeper.wait(patient(5))
    expect(facts).to_contain_text("ended")
    expect(facts).not_to_contain_text("running")


def test_ticks_keep_nodes_scroll_and_choice(window: Window) -> None:
    """Over ticks no row, table or canvas is replaced, and what one scrolled to and chose stays."""
    page = window.open("/processes?kernel=true&sort=pid")
    expect(page.locator(".grid-row .name").first).to_be_visible()
    view = page.get_by_role("grid")
    view.focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    chosen = view.get_attribute("aria-activedescendant")
    view.evaluate(
        "(node) => { node.mine = 1; node.lastElementChild.firstElementChild.mine = 2; window.top0 = node.scrollTop }"
    )
    ticks = page.locator(".watch div").nth(2)
    before = ticks.inner_text()
    page.mouse.move(5, 5)
    wait_until(lambda: ticks.inner_text() != before, "ticks come")
    before = ticks.inner_text()
    wait_until(lambda: ticks.inner_text() != before, "more ticks come")
    assert view.evaluate(
        "(node) => [node.mine, node.lastElementChild.firstElementChild.mine, node.scrollTop === window.top0]"
    ) == [1, 2, True]
    assert view.get_attribute("aria-activedescendant") == chosen


def test_ended_processes_are_listed_and_searched(
    window: Window, watch: Watch, sleeper: subprocess.Popen[bytes], word: str, tmp_path: Path
) -> None:
    """A search says what has ended and leads there, whether something that runs matches too or not; the table says how, and its rows open the process."""
    wait_until(lambda: any(one["pid"] == sleeper.pid for one in watch.api("processes")["processes"]), "it is seen")
    sleeper.kill()
    sleeper.wait(patient(5))
    page = window.open(f"/processes?q={word}")
    offer = page.get_by_role("link", name=re.compile(r"^\d+ process(es)? that ha(s|ve) ended match"))
    expect(offer).to_be_visible()
    command = [sys.executable, "-c", "import time; time.sleep(600)", word]
    with subprocess.Popen(command, start_new_session=True) as other:
        expect(page.get_by_role("row").filter(has_text=str(other.pid))).to_be_visible()
        expect(page.locator(".bar-top").get_by_role("link")).to_have_count(1)
        expect(offer).to_be_visible()
        other.kill()
    offer.click()
    page.wait_for_url("**/processes?*view=ended*")
    row = page.locator("table.ended tbody tr", has_text=f"<b>{word}")
    expect(row).to_have_count(1)
    row.get_by_role("link").click()
    expect(page.locator(".facts").first).to_contain_text("ended")
    page.go_back()
    page.get_by_role("radio", name="Now").click()
    expect(page.get_by_text("No matching processes.")).to_be_visible()


def test_a_phone_shows_how_a_process_with_a_long_name_ended(window: Window, watch: Watch, tmp_path: Path) -> None:
    """Name, time and outcome are within the screen; the rest of the row is to its right."""
    script = tmp_path / "report_of_all_regions_and_of_all_their_shops.py"
    script.write_text("raise SystemExit(3)", "utf-8")
    subprocess.run([sys.executable, "-S", str(script)], check=False)
    wait_until(lambda: watch.api("runs", q=script.stem)["total"] == 1, "its end is stored")
    window.page.set_viewport_size({"width": 390, "height": 844})
    page = window.open(f"/processes?view=ended&lived=0&q={script.stem}")
    how = page.locator("table.ended tbody .how").first
    expect(how).to_contain_text("exit code 3")
    box = how.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    for view in window.page.get_by_role("radiogroup", name="View").get_by_role("radio").all():
        seen = view.bounding_box()
        assert seen is not None
        assert seen["x"] + seen["width"] <= 390


CRASHES = """
import logging, sys, time
logging.basicConfig(filename=sys.argv[1], level=logging.INFO, format="%(asctime)s %(levelname)-8s %(name)s: %(message)s")
log = logging.getLogger("mill")
log.info("began")
sys.stdin.readline()
try:
    {}["missing"]
except KeyError:
    log.exception("job 7 failed")
    sys.exit(3)
"""


def test_a_crashed_process_opens_on_its_life_with_its_last_error(window: Window, watch: Watch, tmp_path: Path) -> None:
    """After its end a process shows its own life and no range up to now, the exception that it died of, and the files that it wrote."""
    path = tmp_path / f"mill{os.getpid()}.log"
    process = subprocess.Popen([sys.executable, "-c", CRASHES, str(path)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    try:
        wait_until(lambda: watch.api("logs/count", source=path.stem)["count"] == 1, "its log is followed", seconds=40)
        (run,) = wait_until(
            lambda: [one["run"] for one in watch.api("processes")["processes"] if one["pid"] == process.pid]
        )
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.wait(patient(20))
    finally:
        process.kill()
        process.stdin.close()
        process.wait(patient(5))
    wait_until(
        lambda: watch.api(f"runs/{run}")["end_ts"] and watch.api("logs/count", run=run)["count"] == 2,
        "its end and its last record are known",
    )
    page = window.open(f"/run?run={run}")
    chosen = page.get_by_role("radiogroup", name="Time range").get_by_role("radio")
    expect(chosen).to_have_text(["Whole run"])
    expect(page.get_by_role("link", name="KeyError: 'missing'")).to_be_visible()
    expect(page.get_by_text(str(path), exact=True)).to_be_visible()
    expect(page.locator(".log-row:not([hidden])")).to_have_count(2)
    for width in (1024, 390):  # why it ended comes first also where everything is in one column
        page.set_viewport_size({"width": width, "height": 844})
        expect(page.get_by_text("Why did it stop?")).to_be_in_viewport()
        expect(page.get_by_role("link", name="KeyError: 'missing'")).to_be_in_viewport()


def test_who_was_busy_then_is_three_clicks_away(window: Window, watch: Watch) -> None:
    """A click into a chart of the overview offers the processes of that moment; the table shows who was busy, also after its end.

    The address holds the moment in full, a typed time moves it, and what is no time is said.
    """
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", BUSY, "busy-then"]) as busy:

        def usage() -> float:
            rows = [one for one in watch.api("processes")["processes"] if one["pid"] == busy.pid]
            return rows[0]["cpu_pct"] or 0 if rows else 0

        wait_until(lambda: usage() > 10, "it is busy")
        page = window.open("/")
        chart = page.locator(".chart .area").first
        expect(chart.locator("xpath=..")).to_contain_text("%")
        wait_until(
            lambda: usage() > 10 and time.monotonic() > began + 5,
            "it was busy for longer than the place of the click is old",
        )
        box = chart.bounding_box()
        assert box is not None
        chart.click(position={"x": box["width"] - 3, "y": 60})
        busy.kill()
    page.get_by_role("link", name="Processes then").click()
    page.wait_for_url("**/processes?*view=at*")
    window.settled()
    table = page.locator(".st-key-past_processes")
    expect(table.get_by_role("columnheader", name="CPU %")).to_have_attribute("aria-sort", "descending")
    expect(table.locator(".grid-row", has_text=str(busy.pid))).to_contain_text("SIGKILL")
    at = window.query()["at"]
    assert at.endswith("Z")
    page.get_by_role("button", name="+1 s").click()
    wait_until(lambda: window.query().get("at") not in {None, at}, "it moved")
    page.get_by_label("Time", exact=True).fill("nonsense")
    page.keyboard.press("Enter")
    expect(page.get_by_text("is no time")).to_be_visible()
    page.get_by_label("Time", exact=True).fill("2020-01-01 03:12")
    page.keyboard.press("Enter")
    expect(table.get_by_text("Nothing is known of")).to_be_visible()


def test_events_appear_as_they_happen(window: Window, watch: Watch) -> None:
    """A crash is on the page without a reload, with its signal; the filter keeps it, and its row opens the process."""
    page = window.open("/processes?view=events")
    with subprocess.Popen([sys.executable, "-c", "import os; os.abort()", "crash-event"]) as crash:
        pass
    row = page.locator("table.ended tbody tr", has_text=str(crash.pid))
    expect(row).to_contain_text("SIGABRT")
    page.get_by_role("radio", name="Failures").click()
    expect(row).to_be_visible()
    wait_until(lambda: window.query().get("types") == "ERROR", "the address has the filter")
    row.get_by_role("link").last.click()
    expect(page.get_by_role("heading", name=re.compile(str(crash.pid)), level=1)).to_be_visible()
