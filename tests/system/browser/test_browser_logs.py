"""The logs page in Chromium: from `echo >>` to the pixels, brush, filters, records, links."""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import TextIO

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from monitor.client.client import Client
from tests.system.browser.conftest import Watch, Window, failure, window_of
from tests.waiting import patient, wait_until

pytestmark = pytest.mark.browser


def stamp() -> str:
    """The time as Python's logging writes it."""
    now = time.time()
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now * 1000) % 1000:03d}"


def shown(page: Page) -> list[str]:
    """The messages in sight, from the top."""
    found: list[str] = page.evaluate(
        """() => {
          const root = [...document.querySelectorAll('.st-key-records *')].map((e) => e.shadowRoot).find(Boolean)
          return [...root.querySelectorAll('.log-row:not([hidden])')]
            .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
            .map((row) => row.lastElementChild.textContent)
        }"""
    )
    return found


@pytest.fixture
def logs(window: Window, watch: Watch) -> Page:
    """The logs page of the followed source, with records in sight."""
    page = window.open(f"/logs?source={watch.source}")
    expect(page.locator(".log-row:not([hidden])").first).to_be_visible()
    return page


def test_a_line_written_now_comes_to_the_screen(logs: Page, watch: Watch) -> None:
    """What a process appends to its log stands at the bottom of the list, without a click."""
    word = f"needle-{time.monotonic_ns()}"
    watch.write(f"{stamp()} WARNING worker: {word} arrived")
    expect(logs.locator(".log-row", has_text=word)).to_be_visible()
    assert word in shown(logs)[-1]
    expect(logs.get_by_text("following")).to_be_visible()


def test_a_hostile_line_is_only_text(logs: Page, watch: Watch) -> None:
    """Markup and bidirectional controls in a record show as signs and do nothing; of a terminal's codes only the colours are seen."""
    word = f"evil-{time.monotonic_ns()}"
    watch.write(
        f"{stamp()} ERROR worker: {word} <img src=x onerror='window.hacked=1'> \x1b[2J\u202edenrut \x1b[31mred\x1b[0m"
    )
    row = logs.locator(".log-row", has_text=word)
    expect(row).to_contain_text("<img src=x onerror='window.hacked=1'>")
    expect(row).to_contain_text(
        "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}U+202E\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}denrut"
    )
    expect(row.locator(".message .ink-red")).to_have_text("red")
    row.click()
    expect(logs.locator(".detail pre")).to_contain_text("<img src=x")
    expect(logs.locator(".detail pre .ink-red")).to_have_text("red")
    assert logs.evaluate("() => window.hacked") is None
    assert logs.locator(".log-row img, .detail img").count() == 0


def test_scrolling_up_lets_go_and_counts_what_is_new(logs: Page, watch: Watch) -> None:
    """While one reads further up, new records move nothing and are counted; the button leads back to them."""
    view = logs.get_by_role("log", name="Log records")
    view.hover()
    logs.mouse.wheel(0, -1500)
    expect(logs.get_by_text("not following")).to_be_visible()
    before = shown(logs)
    watch.write(*(f"{stamp()} INFO worker: late {i}" for i in range(7)))
    expect(logs.get_by_role("button", name="7 new ↓")).to_be_visible()
    assert shown(logs) == before
    logs.get_by_role("button", name="7 new ↓").click()
    expect(logs.get_by_text("late 6")).to_be_visible()
    expect(logs.get_by_text(" following")).to_be_visible()


def test_older_pages_come_on_scrolling_up(logs: Page) -> None:
    """The list holds the newest page first; scrolling to its top brings older ones above, in order."""
    view = logs.get_by_role("log", name="Log records")
    foot = logs.locator(".log-foot")  # other tests may have written lines of their own
    expect(foot).to_contain_text(re.compile(r"^[4-9]\d\d records · 3\d\d loaded"))
    view.evaluate("(node) => { node.scrollTop = 0 }")
    expect(foot).to_contain_text(re.compile(r"^[4-9]\d\d records(?! · \d+ loaded)"))
    view.evaluate("(node) => { node.scrollTop = 0 }")
    expect(logs.get_by_text("job 0000 took")).to_be_visible()


def test_brushing_the_histogram_sets_the_range_and_the_link_reproduces_it(window: Window, logs: Page) -> None:
    """A brush writes from and to into the address; a reload shows the same count; back undoes it."""
    counts = logs.locator(".pills [role=status]")
    expect(counts).to_contain_text("records")
    box = logs.locator(".hist .area").bounding_box()
    assert box is not None
    logs.mouse.move(box["x"] + box["width"] * 0.70, box["y"] + 30)
    logs.mouse.down()
    logs.mouse.move(box["x"] + box["width"] * 0.78, box["y"] + 30)
    logs.mouse.move(box["x"] + box["width"] * 0.86, box["y"] + 30)
    whole = counts.inner_text()
    logs.mouse.up()
    wait_until(lambda: window.query().get("range") == "custom", "the address has the range")
    wait_until(lambda: counts.inner_text() != whole, "the counts are of the range")
    told, address = counts.inner_text().split(" · ")[0], logs.url
    logs.reload()
    expect(counts).to_contain_text(told)
    assert logs.url == address
    logs.go_back()
    wait_until(lambda: "range" not in window.query(), "back leads to live")


def test_the_search_finds_marks_and_stays_in_the_address(window: Window, logs: Page) -> None:
    """Text and /regex/ narrow the records and are marked; the address brings them back."""
    window.search("/job 00[0-3].*ollama/")
    wait_until(lambda: window.query().get("query") == "/job 00[0-3].*ollama/", "the address has the search")
    expect(logs.locator(".log-row mark").first).to_contain_text("job 00")
    logs.reload()
    expect(logs.locator(".log-row mark").first).to_contain_text("job 00")
    assert all("job 00" in line for line in shown(logs))


def test_the_newest_of_a_flood_stand_at_the_bottom(window: Window, watch: Watch) -> None:
    """Of a source that wrote more in its last seconds than a page holds, the list ends with the last record, not with older ones that were asked for to leave no hole."""
    word, at = f"flood-{time.monotonic_ns()}", stamp()
    with (watch.place / f"{word}.log").open(
        "a", encoding="utf-8"
    ) as log:  # not the log whose records other tests look for
        begin = f"ebb-{time.monotonic_ns()}"
        log.write(f"{at} INFO worker: {begin}\n")
        log.flush()
        wait_until(lambda: watch.api("logs/count", q=begin)["count"] == 1, "the file is followed")
        log.writelines(f"{at} INFO worker: {word} {i}\n" for i in range(900))
    wait_until(lambda: watch.api("logs/count", q=word)["count"] == 900, "the flood is in the store")
    with window.page.expect_response(lambda answer: "limit=1000" in answer.url):
        page = window.open(f"/logs?q={word}&range=1h")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(page.locator(".log-foot")).to_contain_text("following")
    assert shown(page)[-1].endswith(f"{word} 899")
    held = [int(line.rsplit(" ", 1)[1]) for line in shown(page)]
    assert held == sorted(held)


def test_a_wrong_expression_says_so_and_leaves_the_rest_alive(window: Window) -> None:
    """A search that makes no sense is told in place of the records; the strip and the counts beside the page go on."""
    page = window.open("/logs?q=/(/")
    expect(page.locator(".trouble")).to_contain_text("regular expression is wrong")
    expect(page.locator(".trouble")).not_to_contain_text("Retrying")
    expect(page.locator(".watch")).to_contain_text("samples")
    expect(page.get_by_text("Connecting to the agent")).to_have_count(0)
    window.left()  # till then it asks again and again
    assert all("400 (Bad Request)" in one for one in window.errors)  # the browser notes every refused question
    window.errors.clear()


def test_level_pills_choose_levels(window: Window, logs: Page) -> None:
    """A pill carries its count and narrows the list to its level."""
    logs.get_by_role("button", name=re.compile(r"^WARN")).click()
    wait_until(lambda: window.query().get("levels") == "warn", "the address has the level")
    wait_until(
        lambda: set(logs.locator(".log-row:not([hidden]) .lv").all_inner_texts()) == {"WARN"}, "only warnings are shown"
    )


def test_a_record_opens_with_fields_and_neighbours(window: Window, watch: Watch, logs: Page) -> None:
    """A click shows the record as written and its neighbours; the address names it; the list keeps its order."""
    watch.write(*failure())
    logs.locator(".log-row:not([hidden])", has_text="job failed").last.click()
    expect(logs.locator(".detail pre")).to_contain_text("ValueError: <b>boom</b>")
    wait_until(lambda: "record" in window.query(), "the address names the record")
    logs.get_by_role("button", name="Show context").click()
    expect(logs.locator(".context .here")).to_contain_text("job failed")
    detail = logs.locator(".detail")
    before = detail.evaluate("(node) => node.getBoundingClientRect().width")
    logs.get_by_role("separator", name="Width of the record").press("ArrowLeft")
    wider = detail.evaluate("(node) => node.getBoundingClientRect().width")
    assert wider > before
    logs.reload()
    expect(logs.locator(".detail pre")).to_contain_text("ValueError: <b>boom</b>")
    assert detail.evaluate("(node) => node.getBoundingClientRect().width") == pytest.approx(wider, abs=2)


UNDER = """([x, y]) => {
  const root = [...document.querySelectorAll('.st-key-records *')].map((e) => e.shadowRoot).find(Boolean)
  return root.elementFromPoint(x, y).closest('.log-row').lastElementChild.textContent
}"""
HEARD = """() => {
  window.heard = 0
  globalThis[Symbol.for('watchkeeper.live')].on('logs', ({ records }) => { window.heard += records.length })
}"""
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_a_click_opens_what_was_under_the_pointer_when_it_was_pressed(logs: Page, watch: Watch) -> None:
    """While the button is down the list stands still, however many records come; then they are shown. The panel keeps its buttons when the store has answered."""
    word = f"pressed-{time.monotonic_ns()}"
    watch.write(*(f"{stamp()} INFO worker: {word} {number}" for number in range(20)))
    row = logs.locator(".log-row", has_text=f"{word} 12")
    expect(row).to_be_visible()
    box = row.bounding_box()
    assert box is not None
    at = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    logs.evaluate(HEARD)
    logs.mouse.move(*at)
    under = logs.evaluate(UNDER, at)
    logs.mouse.down()
    watch.write(*(f"{stamp()} INFO worker: later than {word} {number}" for number in range(5)))
    logs.wait_for_function("() => window.heard >= 5")
    logs.evaluate(FRAMES)
    assert logs.evaluate(UNDER, at) == under
    logs.mouse.up()
    expect(logs.locator(".detail pre")).to_have_text(re.compile(f"{re.escape(under)}$"))
    button = logs.get_by_role("button", name="Show context").element_handle()
    expect(logs.locator(".log-row", has_text=f"later than {word} 4")).to_be_visible()
    expect(logs.locator(".detail dt", has_text="File")).to_be_visible()  # only the store knows that
    assert logs.get_by_role("button", name="Show context").evaluate("(now, before) => now === before", button)
    logs.get_by_role("button", name="Close the record").click()


def test_nothing_found_teaches(window: Window) -> None:
    """An empty answer says what to do, and leads to what the filter around the search leaves out."""
    page = window.open("/logs?q=no-such-word-anywhere")
    expect(page.get_by_text("No matching records.")).to_be_visible()
    expect(page.get_by_text("check the words, or clear the search")).to_be_visible()
    page = window.open("/logs?query=failed&levels=trace&range=custom&from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z")
    page.get_by_role("button", name="Show it").click()
    expect(page.locator(".log-row.on")).to_contain_text("failed")


def test_the_view_downloads_as_json_lines(logs: Page) -> None:
    """The records of the filter come as a file."""
    logs.get_by_role("button", name="Download").click()
    with logs.expect_download() as download:
        logs.get_by_role("button", name="JSON lines").click()
    text = download.value.path().read_text("utf-8")
    assert "job failed" in text
    assert text.splitlines()[0].startswith('{"id":"')


def test_a_traceback_grows_where_it_stands(logs: Page, watch: Watch) -> None:
    """A record whose further lines are written later is shown as one, with all its lines, and not twice."""
    word = f"grows-{time.monotonic_ns()}"
    watch.write(f"{stamp()} ERROR worker: {word}", "Traceback (most recent call last):")
    row = logs.locator(".log-row", has_text=word)
    expect(row).to_be_visible()
    watch.write('  File "work.py", line 3, in run', "ValueError: late")
    expect(row.locator(".more")).to_contain_text("4 lines")
    expect(row).to_have_count(1)


LATE = """
const Real = window.WebSocket
const waiting = []
window.release = () => { window.released = true; for (const send of waiting.splice(0)) send() }
window.WebSocket = class extends Real {
  send(data) {
    if (!window.released && this.url.includes('/wk/live') && /"logs":{/.test(data)) waiting.push(() => super.send(data))
    else super.send(data)
  }
}
"""


def test_nothing_is_missed_between_the_first_page_and_the_stream(context: BrowserContext, watch: Watch) -> None:
    """A line that is written after the first records were fetched and before the stream of new ones begins is shown all the same."""
    page = window_of(context, watch.url, script=LATE).open(f"/logs?source={watch.source}")
    expect(page.locator(".log-row:not([hidden])").first).to_be_visible()
    word = f"between-{time.monotonic_ns()}"
    watch.write(f"{stamp()} INFO worker: {word}")
    wait_until(lambda: watch.api("logs/count", source=watch.source, q=word)["count"] == 1, "the line is in the store")
    page.evaluate("() => window.release()")
    expect(page.locator(".log-row", has_text=word)).to_be_visible()


def test_a_query_is_completed_refused_and_built_by_clicks(window: Window, logs: Page) -> None:
    """Tab completes, a wrong query points at its place while the list stays, a click on a value filters for it or hides it, and a search can be saved."""
    window.search("lev")
    expect(logs.get_by_role("option", name="level:")).to_be_visible()
    logs.keyboard.press("Tab")
    logs.keyboard.type("err")
    logs.keyboard.press("Tab")
    wait_until(lambda: window.query().get("query") == "level:error", "the address has the query")
    expect(logs.locator(".log-row:not([hidden]) .lv.warn")).to_have_count(0)
    logs.keyboard.type("(job")
    expect(logs.locator(".query-says")).to_contain_text("Column 13: this bracket is never closed.")
    assert window.query().get("query") == "level:error"
    logs.keyboard.type(" -nothing)")
    wait_until(lambda: window.query().get("query") == "level:error (job -nothing)", "the address has the query")
    expect(logs.locator(".query-says")).to_be_hidden()
    failed = logs.locator(".log-row:not([hidden])", has_text="job failed").last

    def opened() -> bool:
        with contextlib.suppress(TookTooLong):  # while the list is drawn anew, a row that was found becomes another's
            failed.click(timeout=2000)
            return True
        return False

    wait_until(opened, "the record opens")
    logs.get_by_role("button", name="Hide this value: Level").click()
    wait_until(lambda: window.query().get("query") == "-level:error (job -nothing)", "the opposite took its place")
    expect(logs.get_by_role("searchbox", name="Search")).to_have_value("-level:error (job -nothing)")


def test_a_question_mark_helps_with_queries(logs: Page) -> None:
    """`?` in an empty search box, or a click on it, explains the language; Escape leads back."""
    box, help_ = logs.get_by_role("searchbox", name="Search"), logs.get_by_role("dialog", name="Help with queries")
    box.fill("?")
    expect(help_).to_contain_text("Tab completes names and values")
    logs.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    expect(box).to_have_value("")
    logs.get_by_role("button", name="Help with queries").click()
    expect(help_).to_be_visible()


def test_a_person_chooses_how_records_look(window: Window, logs: Page, watch: Watch) -> None:
    """Lines wrap to their whole text, a value becomes a column, times are UTC; a link and the next visit have it, too."""
    word = f"needle-{time.monotonic_ns()}"
    watch.write(f"{stamp()} WARNING worker: {word} size=77 {'long ' * 90}end-of-line")
    row = logs.locator(".log-row:not([hidden])", has_text=word)
    expect(row).to_be_visible()
    narrow = row.bounding_box()
    assert narrow is not None
    logs.get_by_role("button", name="View").click()
    logs.get_by_label("Wrap long lines").check()
    logs.get_by_label("Times in UTC").check()
    logs.get_by_label("Add a column").fill("size")
    logs.get_by_label("Add a column").press("Enter")
    expect(row.locator(".col").last).to_have_text("77")
    logs.keyboard.press("Escape")
    expect(logs.get_by_label("Wrap long lines")).to_be_hidden()
    message = row.locator(".message")
    fits = "(node) => node.scrollHeight <= node.clientHeight + 1 && node.scrollWidth <= node.clientWidth + 1"
    wait_until(lambda: message.evaluate(fits), "the whole line is in sight")
    wrapped = row.bounding_box()
    assert wrapped is not None
    assert wrapped["height"] > narrow["height"]
    wait_until(lambda: window.query().get("cols") == "source,size", "the address has the columns")
    assert (window.query().get("wrap"), window.query().get("zone")) == ("1", "utc")
    logs.goto(logs.url.split("?")[0])
    wait_until(lambda: window.query().get("wrap") == "1", "this browser kept it")
    expect(logs.locator(".log-head")).to_contain_text("size")


def test_the_keyboard_goes_from_record_to_record_and_keeps_one(window: Window, logs: Page) -> None:
    """`k` goes up, `j` down, `b` bookmarks; the bookmark leads back to the record."""
    logs.keyboard.press("k")
    expect(logs.locator(".log-row.on")).to_be_visible()
    newest = window.query()["record"]
    logs.keyboard.press("k")
    wait_until(lambda: window.query().get("record") not in {None, newest}, "the record before it is open")
    logs.keyboard.press("j")
    wait_until(lambda: window.query().get("record") == newest, "the newest is open again")
    logs.keyboard.press("b")
    expect(logs.locator(".log-row.on.starred")).to_be_visible()
    expect(logs.get_by_role("button", name="★ Bookmarked")).to_be_visible()
    logs.get_by_role("button", name="Close the record").click()
    wait_until(lambda: "record" not in window.query(), "no record is open")
    logs.get_by_role("button", name="1 bookmark").click()
    logs.get_by_role("group", name="Bookmarks").get_by_role("button").first.click()
    wait_until(lambda: window.query().get("record") == newest, "the bookmark opens its record")
    logs.get_by_role("button", name="★ Bookmarked").click()
    expect(logs.get_by_role("button", name="1 bookmark")).to_be_hidden()


def test_the_tree_of_sources_shows_one_or_hides_it(window: Window, logs: Page, watch: Watch) -> None:
    """Sources stand below their folders with counts; a click shows only one, another hides it."""
    page = window.open("/logs")
    page.get_by_role("button", name="Sources").click()
    page.get_by_label("Find a source").fill(watch.source)
    name = page.locator(".tree-row button.name", has_text=watch.source)
    expect(name).to_be_visible()
    page.get_by_role("button", name=f"Hide {watch.source}").click()
    wait_until(lambda: window.query().get("query", "").startswith("-source="), "the search hides it")
    name.click()
    wait_until(lambda: window.query().get("source") == watch.source, "the address has the source")


def test_on_a_phone_records_fill_the_screen(window: Window) -> None:
    """At 390 pixels records begin a quarter of a screen below the status; a touch opens one over the list, its line above it; another shows the whole words
    of a problem. At 1024 all buttons stand in a row.
    """
    window.page.set_viewport_size({"width": 390, "height": 844})
    page = window.open("/logs")
    expect(page.locator(".log-row:not([hidden])").first).to_be_visible()
    status = page.locator(".strip").first

    def high() -> bool:
        begin, end = page.locator(".log-scroll").bounding_box(), status.bounding_box()
        assert begin is not None
        assert end is not None
        return begin["y"] - end["y"] - end["height"] < 844 * 0.28 and end["y"] < 844 * 0.15

    wait_until(high, "records stand high")
    page.locator(".log-row:not([hidden]) .lv").last.click()
    record = page.get_by_role("region", name="Record", exact=True)
    expect(record).to_be_in_viewport(ratio=0.9)

    def above() -> bool:
        line, sheet = page.locator(".log-row.on").bounding_box(), record.bounding_box()
        return line is not None and sheet is not None and line["y"] > 0 and line["y"] + line["height"] <= sheet["y"]

    wait_until(above, "its line is in sight")
    record.get_by_role("button", name="Close the record").click()
    page.locator(".strip").first.scroll_into_view_if_needed()
    status.click()
    expect(status).to_have_attribute("data-open", "")
    page.set_viewport_size({"width": 1024, "height": 768})

    def tops() -> set[int]:
        buttons = [page.get_by_role("button", name=name).first for name in ("Download", "How it is read", "Explain")]
        return {round(box["y"]) for button in buttons if (box := button.bounding_box())}

    wait_until(lambda: len(tops()) == 1, "the buttons stand in a row")


def test_on_a_phone_the_chosen_source_has_its_name(window: Window) -> None:
    """Its label is as wide as its words, also beside the buttons of the field."""
    window.page.set_viewport_size({"width": 390, "height": 844})
    page = window.open("/logs?source=shop")
    label = page.locator(".st-key-source [title]").get_by_text("shop", exact=True).first
    expect(label).to_be_visible()
    assert label.evaluate("node => node.clientWidth >= node.scrollWidth && node.clientWidth > 20")


@contextlib.contextmanager
def written(watch: Watch, name: str, lines: list[str]) -> Iterator[TextIO]:
    """A file of a source of its own whose lines are stored; more can be written to it."""
    with (watch.place / f"{name}.log").open("w", encoding="utf-8", buffering=1) as log:
        log.writelines(lines)
        log.flush()
        wait_until(lambda: watch.api("logs/count", source=name)["count"] == len(lines), "the file is read", seconds=40)
        yield log


def reading_of(window: Window, name: str) -> Locator:
    """The dialog that says how a source is read."""
    page = window.open(f"/logs?source={name}")
    page.get_by_role("button", name="How it is read").click()
    return page.get_by_role("dialog")


def test_how_a_file_is_read_is_shown_and_corrected_by_a_click(window: Window, watch: Watch) -> None:
    """A file whose dates may be read in two ways says so; the other way is one click, is kept as a setting, and holds for the next line."""
    name = f"days{time.monotonic_ns()}"
    lines = [f"03/04/2026 10:00:{second:02d} INFO worker: step {second}\n" for second in range(30)]
    with written(watch, name, lines) as log:
        dialog = reading_of(window, name)
        expect(dialog.get_by_text("step 29")).to_be_visible()
        agent = Client.of(watch.place / "data", timeout_s=patient(20))
        before = agent.log_readings(name).files[0].reading
        dialog.get_by_role("button", name="first").first.click()
        expect(dialog.get_by_text("is read in this way now")).to_be_visible()
        expect(dialog.get_by_text("As the setting")).to_be_visible()
        after = agent.log_readings(name).files[0].reading
        agent.close()
        assert before is not None
        assert after is not None
        assert after.order != before.order
        log.write("03/04/2026 10:01:00 INFO worker: the last step\n")
        days = {"day-first": "2026-04-03", "month-first": "2026-03-04"}
        wait_until(lambda: watch.api("logs/count", source=name, q="the last step")["count"] == 1)
        (record,) = watch.api("logs/records", source=name, q="the last step")["records"]
        assert time.strftime("%Y-%m-%d", time.localtime(record["ts"] / 1e6)) == days[str(after.order)]


def test_a_format_is_described_from_how_a_file_is_read(window: Window, watch: Watch) -> None:
    """Lines that nobody can know lead to the form with themselves in it; what is saved there reads the next of them."""
    name = f"pots{time.monotonic_ns()}"
    with written(watch, name, [f"@{number}~ok~pot {number} simmers\n" for number in range(30)]) as log:
        reading_of(window, name).get_by_role("link", name="Describe a format").click()
        page = window.page
        expect(page.get_by_role("textbox", name="Lines from the log")).to_contain_text("pot 29 simmers")
        form = page.get_by_role("textbox", name="Format (TOML)")
        form.fill("pattern = '@\\d+~(?P<level>\\w+)~(?P<message>.*)'\n[levels]\nbad = 'error'")
        form.press("Control+Enter")
        called = page.get_by_role("textbox", name="Name")
        expect(called).to_have_value(name)  # that of the source
        called.fill(name)  # while the page still looks how the new format reads the lines
        called.press("Enter")
        page.get_by_role("button", name="Save format").click()
        expect(page.get_by_text(f"Format {name} saved.")).to_be_visible()
        log.write("@30~bad~pot 30 burns\n")
        wait_until(lambda: watch.api("logs/count", source=name, q="pot 30")["count"] == 1, "it is read")
    (record,) = watch.api("logs/records", source=name, q="pot 30")["records"]
    assert (record["level"], record["message"]) == ("error", "pot 30 burns")


def test_a_wrong_clock_is_told_and_its_record_does_not_stay_the_newest(window: Window, watch: Watch) -> None:
    """A record of 2033 is seen as it comes; from then on the list goes on without it, says that there is one, and leads to it."""
    name = f"ahead{time.monotonic_ns()}"  # a source of its own: on an open page the record stays the newest
    page = window.page
    with written(watch, name, [f"{stamp()} INFO worker: on time\n"]) as log:
        window.open(f"/logs?source={name}")
        expect(page.locator(".log-row", has_text="on time")).to_be_visible()
        log.write("2033-01-01 00:00:00,000 INFO worker: from a wrong clock\n")
        expect(page.locator(".log-row", has_text="from a wrong clock")).to_be_visible()
    told = page.get_by_role("button", name="from the future")

    def gone() -> bool:
        window.open(f"/logs?source={name}")
        expect(page.locator(".log-row:not([hidden])").first).to_be_visible()
        expect(told).to_be_visible()
        return not [message for message in shown(page) if "from a wrong clock" in message]

    wait_until(gone, "the list goes on without it")  # what was just written may come once more as the list begins
    told.click()
    expect(page.locator(".log-row", has_text="from a wrong clock")).to_be_visible()
