"""What nobody thought of ends one attempt, not the watch: the others are read on, and the status says it."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from logs import LogFilter, LogService, search
from logs.lasting import Lasting
from monitor.store.interface import Store
from tests.logs.conftest import QUICK, now_us, wait_until


def stored(store: Store) -> set[str]:
    """All messages in the store."""
    return {record.message for record in search.search(store, LogFilter.parse({}, now_us()), limit=100).records}


def test_an_error_in_one_file_leaves_the_others_and_is_told(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file whose text breaks the reader is named with the error; the files beside it go on being stored."""
    bad, good = tmp_path / "bad.log", tmp_path / "good.log"

    def mask(text: str) -> str:
        if "poison" in text:
            raise ValueError("cannot mask this")
        return text

    service = LogService(
        store=store, commit=store.write, settings=replace(QUICK, globs=(str(bad), str(good))),
        host="testhost", boot_id="boot", run_of_pid=lambda _pid: None, own_pids=set, mask=mask, now=now_us, on_records=lambda _records: None,
    )  # fmt: skip
    service.start()
    try:
        bad.write_bytes(b"2026-03-01 10:00:00,000 INFO a: poison\n")
        good.write_bytes(b"2026-03-01 10:00:00,000 INFO a: first\n")
        wait_until(lambda: any("cannot mask this" in error for error in service.health()["errors"]))
        with good.open("ab") as file:
            file.write(b"2026-03-01 10:00:01,000 INFO a: second\n")
        wait_until(lambda: stored(store) == {"first", "second"})
        bad.unlink()
        wait_until(lambda: service.health()["errors"] == [])
    finally:
        service.stop()
    assert any("bad.log" in message for message in caplog.messages)


def test_work_that_fails_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure is told and logged, and the work is done in the end."""
    told: list[str] = []
    rounds = iter([KeyError("first"), ZeroDivisionError("second"), None])
    done = threading.Event()

    def work() -> None:
        error = next(rounds)
        if error is not None:
            raise error
        done.set()

    thread = Lasting("work", work, stopping=threading.Event(), tell=told.append, again_s=0.01)
    thread.start()
    assert done.wait(10)
    thread.join(10)
    assert ["KeyError" in told[0], "ZeroDivisionError" in told[1], len(told)] == [True, True, 2]
    assert caplog.text.count("begins again") == 2


def test_work_that_fails_is_not_begun_again_when_all_ends() -> None:
    """A thread that is to stop does, whatever its last error was."""
    stopping = threading.Event()
    stopping.set()
    told: list[str] = []

    def work() -> None:
        raise ValueError

    thread = Lasting("work", work, stopping=stopping, tell=told.append)
    thread.start()
    thread.join(10)
    assert len(told) == 1
