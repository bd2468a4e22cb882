"""Shared by the tests of logs: a real store, a real service, and waiting on conditions."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import logs
from logs import LogRecord, LogService, LogSettings
from monitor.store.interface import Store
from monitor.store.opening import open_store

QUICK = LogSettings(discover=False, journal=False, poll_s=0.02, scan_s=0.1, commit_s=0.05)


def now_us() -> int:
    """The clock of these tests."""
    return time.time_ns() // 1000


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until the condition holds; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


class Watch:
    """A service on a store of its own, and what it showed live."""

    def __init__(self, store: Store, settings: LogSettings) -> None:
        self.store = store
        self.live: list[LogRecord] = []
        self.runs: dict[int, int] = {}
        self.service = LogService(
            store=store,
            commit=store.write,
            settings=settings,
            host="testhost",
            boot_id="boot",
            run_of_pid=self.runs.get,
            own_pids=set,
            mask=lambda text: text.replace("hunter2", "***"),
            now=now_us,
            on_records=self.live.extend,
        )

    def messages(self, **params: str) -> list[str]:
        """Messages in the store, oldest first."""
        return [record.message for record in self.records(**params)]

    def records(self, **params: str) -> list[LogRecord]:
        """Records in the store, oldest first."""
        found: list[LogRecord] = []
        before = None
        while True:
            page = logs.search.search(self.store, logs.LogFilter.parse(params, now_us()), limit=5000, before=before)
            found[:0] = page.records
            before = page.older
            if before is None:
                return found

    def in_file_order(self) -> list[LogRecord]:
        """Records by file and position."""
        return sorted(self.records(), key=lambda record: (record.file_id, record.pos))

    def ingest(self, *paths: Path, format: str | None = None) -> dict[str, object]:  # noqa: A002
        """Ingest and wait."""
        job = self.service.ingest([str(path) for path in paths], format)
        wait_until(lambda: self.service.ingest_state(job)["state"] != "running", 60)
        return self.service.ingest_state(job)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    folder = tmp_path / "data"
    folder.mkdir()
    opened = open_store(folder, limit_bytes=1 << 32, now=now_us)
    yield opened
    opened.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    """Starts services; each gets the store of the data directory `name`, and all are stopped at the end."""
    running: list[Watch] = []

    def begin(globs: tuple[str, ...] = (), name: str = "data", **changes: object) -> Watch:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        opened = open_store(folder, limit_bytes=1 << 32, now=now_us)
        watch = Watch(opened, replace(QUICK, globs=globs, **changes))
        running.append(watch)
        watch.service.start()
        return watch

    yield begin
    for watch in running:
        watch.service.stop()
        watch.store.close()


@pytest.fixture
def stop() -> Callable[[Watch], None]:
    """Ends a service and its store, as a clean end of the watch does."""

    def end(watch: Watch) -> None:
        watch.service.stop()
        watch.store.close()

    return end
