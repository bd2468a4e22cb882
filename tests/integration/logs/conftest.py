"""Shared by the tests of logs: a real store, a real service, and waiting on conditions."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

import logs
from logs import LogRecord, LogSettings
from logs.storing.checkpoint import FileState
from monitor.store.duckdb.opening import open_store
from monitor.store.interface import Change, Store
from tests.doubles.log_stage import Stage
from tests.doubles.log_watch import LogWatch, now_us
from tests.waiting import wait_until

QUICK = LogSettings(discover=False, journal=False, poll_s=0.02, scan_s=0.2)
"""Each scan looks at the open files of all processes of the machine: a fifth of all that these tests take, ten times a second."""


class Counted:
    """A store that counts what was written into it: who waits for records need not ask it again before there are any."""

    def __init__(self, store: Store) -> None:
        self._store, self.writes = store, 0

    def write(self, changes: Sequence[Change]) -> None:
        """As the store does."""
        self._store.write(changes)
        self.writes += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Watch:
    """A service on a store of its own, and what it showed live."""

    def __init__(self, store: Store, settings: LogSettings) -> None:
        self.store, self._counted = store, Counted(store)
        self._found: dict[tuple[tuple[str, str], ...], tuple[int, list[LogRecord]]] = {}
        self.live: list[LogRecord] = []
        self.runs: dict[int, int] = {}
        self.service = LogWatch(
            cast("Store", self._counted),
            settings,
            host="testhost",
            run_of_pid=self.runs.get,
            mask=lambda text: text.replace("hunter2", "***"),
            on_records=self.live.extend,
        )

    def stop(self) -> None:
        """End service, writer and store, as a clean end of the watch does."""
        self.service.stop()
        self.store.close()

    def messages(self, **params: str) -> list[str]:
        """Messages in the store, oldest first."""
        return [record.message for record in self.records(**params)]

    def records(self, **params: str) -> list[LogRecord]:
        """Records in the store, oldest first."""
        asked, writes = tuple(sorted(params.items())), self._counted.writes
        if asked not in self._found or self._found[asked][0] != writes:
            self._found[asked] = writes, self._records(params)
        return [*self._found[asked][1]]

    def _records(self, params: Mapping[str, str]) -> list[LogRecord]:
        found: list[LogRecord] = []
        before = None
        while True:
            page = logs.search.search(self.store, logs.LogFilter.parse(params, now_us()), limit=5000, before=before)
            found[:0] = page.records
            before = page.older
            if before is None:
                return found

    def files(self) -> list[FileState]:
        """The files, as the store knows them."""
        return self.service.records.files()

    def in_file_order(self) -> list[LogRecord]:
        """Records by file and position."""
        return sorted(self.records(), key=lambda record: (record.file_id, record.pos))

    def ingest(self, *paths: Path, format: str | None = None) -> dict[str, object]:  # noqa: A002
        """Ingest and wait."""
        job = self.service.ingest([str(path) for path in paths], format)
        wait_until(lambda: self.service.ingest_state(job)["state"] != "running", seconds=60)
        return self.service.ingest_state(job)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty store: to copy it takes half as long as to make its tables."""
    folder = tmp_path_factory.mktemp("empty")
    open_store(folder, limit_bytes=1 << 32, now=now_us).close()
    return folder


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Iterator[Store]:
    """An empty store, with filters for few records each."""
    folder = shutil.copytree(empty_store, tmp_path / "data")
    opened = open_store(folder, limit_bytes=1 << 32, now=now_us, block_rows=16)
    yield opened
    opened.close()


@contextlib.contextmanager
def watches(place: Path, empty_store: Path) -> Iterator[Callable[..., Watch]]:
    """Starts services; each gets the store of the data directory `name` in `place`, and all are stopped at the end."""
    running: list[Watch] = []

    def begin(
        globs: tuple[str, ...] = (),
        name: str = "data",
        in_store: Callable[[Store], Any] | None = None,
        runs: Mapping[int, int] | None = None,
        opened: Store | None = None,
        **changes: object,
    ) -> Watch:
        folder = place / name
        if not folder.exists():
            shutil.copytree(empty_store, folder)
        store = opened or open_store(folder, limit_bytes=1 << 32, now=now_us)
        watch = Watch(in_store(store) if in_store else store, replace(QUICK, globs=globs, **changes))
        watch.runs |= runs or {}
        running.append(watch)
        watch.service.start()
        return watch

    yield begin
    for watch in reversed(running):  # the last one may have the store of those before
        watch.stop()


@pytest.fixture
def start(tmp_path: Path, empty_store: Path) -> Iterator[Callable[..., Watch]]:
    """Starts services of one test; `opened` is the store of one that has ended, which goes on."""
    with watches(tmp_path, empty_store) as begin:
        yield begin


@pytest.fixture
def stop() -> Callable[[Watch], None]:
    """Ends a service and its store, as a clean end of the watch does."""
    return Watch.stop


@pytest.fixture
def stage(tmp_path: Path, start: Callable[..., Watch]) -> Stage:
    """An empty folder of logs."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return Stage(folder, start)
