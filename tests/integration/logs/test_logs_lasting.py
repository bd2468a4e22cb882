"""What nobody thought of ends one attempt, not the watch: the others are read on, and the status says it."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from logs import LogFilter
from logs.core.supervised_thread import SupervisedThread
from logs.query import search
from monitor.core.errors import StoreError
from monitor.store.interface import Store
from tests.doubles.gated_store import GatedStore
from tests.doubles.log_watch import LogWatch, now_us
from tests.integration.logs.conftest import QUICK, Watch
from tests.waiting import patient, wait_until


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

    service = LogWatch(store, replace(QUICK, globs=(str(bad), str(good))), mask=mask)
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
    """Each failure is told and logged, the work is done in the end, and then nothing is told any more."""
    told: list[str] = []
    rounds = iter([KeyError("first"), ZeroDivisionError("second"), None])
    done = threading.Event()

    def work() -> None:
        error = next(rounds)
        if error is not None:
            raise error
        done.set()

    thread = SupervisedThread("work", work, stopping=threading.Event(), report=told.append, again_s=0.01)
    thread.start()
    assert done.wait(patient(10))
    thread.join(patient(10))
    assert ["KeyError" in told[0], "ZeroDivisionError" in told[1], told[2:]] == [True, True, [""]]
    assert caplog.text.count("begins again") == 2


def test_work_that_fails_is_not_begun_again_when_all_ends() -> None:
    """A thread that is to stop does, whatever its last error was."""
    stopping = threading.Event()
    stopping.set()
    told: list[str] = []

    def work() -> None:
        raise ValueError

    thread = SupervisedThread("work", work, stopping=stopping, report=told.append)
    thread.start()
    thread.join(patient(10))
    assert len(told) == 1


def test_a_full_store_stops_nobody_who_asks_how_the_logs_are(start: Callable[..., Watch], tmp_path: Path) -> None:
    """While the store takes nothing and a followed file is emptied, status, sources and files are answered at once.

    The reader of the file waits until what it read is stored; who asks must not wait for the reader.
    """
    path = tmp_path / "app.log"
    path.write_bytes(b"2026-03-01 10:00:00,000 INFO a: first\n")
    watch = start((str(path),), in_store=GatedStore)
    wait_until(lambda: watch.messages() == ["first"])
    watch.store.gate.clear()  # a write takes as long as this is so
    with path.open("ab") as file:
        file.write(b"2026-03-01 10:00:01,000 INFO a: second\n")
    wait_until(lambda: any(record.message == "second" for record in watch.live))
    ended = watch.service.records.flushes_ended
    path.write_bytes(b"2026-03-01 10:00:02,000 INFO a: third\n")
    wait_until(lambda: watch.service.records.flushes_begun > ended, "the reader waits for the store")
    assert watch.service.health()["files"] == 1
    assert [source.source for source in watch.service.sources()] == ["app", "journal"]
    assert watch.service.files_of_run(1) == []
    assert not watch.service.awaits(1, 1)
    assert watch.service.records.flushes_ended == ended, "whoever asked did so while the reader waited"
    watch.store.gate.set()
    wait_until(lambda: watch.messages() == ["first", "second", "third"])


def test_a_store_that_cannot_be_asked_is_told_until_the_file_is_followed(
    start: Callable[..., Watch], tmp_path: Path
) -> None:
    """A file that cannot be followed because the store does not answer is named in the status, and followed once it does."""
    path = tmp_path / "app.log"
    watch = start((), in_store=GatedStore)
    first = tmp_path / "first.log"
    first.write_bytes(b"2026-03-01 10:00:00,000 INFO a: first\n")
    watch.ingest(first)  # so that the store has to be asked about this file
    watch.store.silent = True
    watch.service.configure(replace(watch.service.settings, globs=(str(first), str(path))))
    wait_until(lambda: any("first.log is not followed yet" in error for error in watch.service.health()["errors"]))
    for _ in range(5):  # it stands there for as long as it is so, whatever else is looked at meanwhile
        before = watch.service.rounds
        wait_until(lambda before=before: watch.service.rounds > before + 3)
        assert any("first.log is not followed yet" in error for error in watch.service.health()["errors"])
    assert watch.service.health()["files"] == 0
    watch.store.silent = False
    wait_until(lambda: watch.service.health()["files"] == 1 and watch.service.health()["errors"] == [])


def test_one_file_too_many_is_told_until_there_is_room(start: Callable[..., Watch], tmp_path: Path) -> None:
    """And followed then; the word about it does not outlast what it says."""
    paths = [tmp_path / f"{name}.log" for name in "ab"]
    for path in paths:
        path.write_bytes(b"2026-03-01 10:00:00,000 INFO a: " + path.stem.encode() + b"\n")
    watch = start((), max_files=1)
    watch.service.configure(replace(watch.service.settings, globs=tuple(map(str, paths))))
    wait_until(lambda: any("More than 1 files" in error for error in watch.service.health()["errors"]))
    wait_until(lambda: len(watch.messages()) == 1)
    watch.service.configure(replace(watch.service.settings, max_files=2))
    wait_until(lambda: set(watch.messages()) == {"a", "b"} and watch.service.health()["errors"] == [])


def test_a_file_that_cannot_be_followed_yet_stays_closed(start: Callable[..., Watch], tmp_path: Path) -> None:
    """However often it is tried, no descriptor is left open: neither of a file that is found nor of one that was emptied."""
    found, emptied = tmp_path / "found.log", tmp_path / "emptied.log"
    for path in (found, emptied):
        path.write_bytes(b"2026-03-01 10:00:00,000 INFO a: first\n")
    watch = start((str(emptied),), in_store=GatedStore)
    watch.ingest(found)
    wait_until(lambda: len(watch.messages()) == 2 and watch.service.health()["files"] == 1)
    copy = tmp_path / "emptied.log.1"
    with watch.service.unwatched():
        watch.store.silent = True
        copy.write_bytes(emptied.read_bytes() + b"2026-03-01 10:00:01,000 INFO a: second\n")
        emptied.write_bytes(b"2026-03-01 10:00:02,000 INFO a: new\n")
    watch.service.configure(replace(watch.service.settings, globs=(str(emptied), str(found))))
    wait_until(lambda: any("not followed yet" in error for error in watch.service.health()["errors"]))
    before, rounds = descriptors(tmp_path), watch.service.rounds
    wait_until(lambda: watch.service.rounds > rounds + 40)
    assert descriptors(tmp_path) <= before
    assert max(Counter(descriptors(tmp_path)).values(), default=0) <= 1
    watch.store.silent = False
    wait_until(lambda: sorted(watch.messages()) == ["first", "first", "new", "second"])


def test_copies_are_looked_for_again_when_the_store_did_not_answer(
    start: Callable[..., Watch], stop: Callable[[Watch], None], tmp_path: Path
) -> None:
    """A file emptied while nobody watched: what only its copy has is read, although the store failed just when the copy was met."""
    path = tmp_path / "app.log"
    path.write_bytes(
        b"2026-03-01 10:00:00,000 INFO a: first line, and a long one, so that it is known again by what it says\n"
    )
    watch = start((str(path),))
    wait_until(lambda: len(watch.messages()) == 1)
    stop(watch)
    with path.open("ab") as file:
        file.write(b"2026-03-01 10:00:01,000 INFO a: only in the copy\n")
    (tmp_path / "app.log.1").write_bytes(path.read_bytes())
    path.write_bytes(b"2026-03-01 10:00:02,000 INFO a: new\n")
    failures = iter([True, True])

    class Odd(GatedStore):
        """Does not say what of the emptied file is stored, the first times it is asked."""

        def query(self, name: str, **params: object) -> object:
            if name == "log_tail_rows" and next(failures, False):
                raise StoreError("The store cannot be asked.")
            return super().query(name, **params)

    again = start((str(path),), in_store=Odd)
    wait_until(
        lambda: sorted(again.messages())[1:] == ["new", "only in the copy"],
        lambda: str((again.messages(), again.service.health(), next(failures, "used"))),
    )


def test_an_error_that_has_passed_is_not_told_any_more(start: Callable[..., Watch], tmp_path: Path) -> None:
    """The reading thread fails once; the status says so until it has done a round without an error, and no longer."""
    path = tmp_path / "app.log"
    path.write_bytes(b"2026-03-01 10:00:00,000 INFO a: first\n")
    broken = iter([ZeroDivisionError("once")])

    class Odd(GatedStore):
        """Breaks once in a way that stores do not."""

        def query(self, name: str, **params: object) -> object:
            if name == "log_tail_rows" and (error := next(broken, None)) is not None:
                raise error
            return super().query(name, **params)

    watch = start((), in_store=Odd)
    watch.ingest(path)
    told: list[str] = []
    watch.service.configure(replace(watch.service.settings, globs=(str(path),)))

    def followed() -> bool:
        health = watch.service.health()
        told.extend(health["errors"])
        return health["files"] == 1 and health["errors"] == []

    wait_until(followed)
    assert any("logs-tail failed and began again: ZeroDivisionError: once" in error for error in told)


def descriptors(folder: Path) -> list[str]:
    """The files below a folder that this process has open, each as often as it is."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith(f"{folder}/") and target.endswith((".log", ".log.1")):
                found.append(target)
    return sorted(found)
