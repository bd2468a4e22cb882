"""Where the stored past and the live stream meet: no record is missing on the screen, and one that grows is shown grown."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest
from playwright.sync_api import expect

from tests.system.browser.conftest import Watch, Window
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def log(watch: Watch) -> Iterator[IO[str]]:
    """A followed log of these tests alone."""
    with (watch.place / f"seam-{time.monotonic_ns()}.log").open("a", encoding="utf-8") as out:
        yield out


def write(log: IO[str], *lines: str) -> None:
    """Append lines."""
    log.writelines(f"{line}\n" for line in lines)
    log.flush()


@contextmanager
def steady_writer(log: IO[str], word: str) -> Iterator[list[int]]:
    """Eight numbered lines a second until the block ends; answers the numbers written so far."""
    stop, numbers = threading.Event(), list[int]()

    def keep_writing() -> None:
        while not stop.wait(0.125):
            at = time.strftime("%Y-%m-%d %H:%M:%S")
            write(log, f"{at},000 INFO seam: {word} {len(numbers)} was written")
            numbers.append(len(numbers))

    thread = threading.Thread(target=keep_writing, name="steady-writer")
    thread.start()
    try:
        yield numbers
    finally:
        stop.set()
        thread.join()


def test_no_record_is_missing_where_the_stream_begins(watch: Watch, fresh: Window, log: IO[str]) -> None:
    """A page opened while lines are written shows every one of them, whether the store or the stream brought it."""
    word = "hawser"
    with steady_writer(log, word) as numbers:
        wait_until(lambda: watch.api("logs/count", q=word)["count"] >= 8, "the writer's lines are stored")
        page = fresh.open(f"/logs?q={word}")
        expect(page.locator(".log-row:not([hidden])").first).to_be_visible()
        shown_at = len(numbers)
        wait_until(lambda: len(numbers) >= shown_at + 6, "some lines more were written")
    newest = page.locator(".log-row:not([hidden])").filter(has_text=f"{word} {numbers[-1]} ")
    expect(newest).to_be_visible()
    rows = page.locator(".log-row:not([hidden])").all_inner_texts()
    seen = sorted(int(row.split(word)[1].split()[0]) for row in rows if word in row)
    assert seen == list(range(seen[0], numbers[-1] + 1))
    assert seen[0] < shown_at


def test_a_traceback_that_grows_is_shown_grown(watch: Watch, window: Window, log: IO[str]) -> None:
    """The lines that follow a record already on the screen are added to it."""
    at = time.strftime("%Y-%m-%d %H:%M:%S")
    write(log, f"{at},000 INFO seam: bowline begins")
    wait_until(lambda: watch.api("logs/count", q="bowline")["count"] == 1, "the file is followed")
    page = window.open("/logs?q=bowline")
    write(log, f"{at},000 ERROR seam: bowline failed")
    row = page.locator(".log-row:not([hidden])").filter(has_text="bowline failed")
    expect(row).to_be_visible()
    write(log, "Traceback (most recent call last):", '  File "knot.py", line 1, in tie', "ValueError: loose")
    expect(row).to_contain_text("4 lines")
