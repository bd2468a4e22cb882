"""What tests of jobs share: a spool folder with a real store behind it, and workers as processes of their own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logs.redaction.masker import Masker
from monitor.jobs import track
from monitor.jobs.patterns import LogPatterns
from monitor.jobs.records import JobRecords
from monitor.jobs.service import JobService
from monitor.jobs.spool import Spool
from monitor.store.duckdb import open_store
from monitor.store.lives import ToldLife
from monitor.store.writer import StoreWriter

MODULE = Path(track.__file__)
NOW = 1_700_000_000_000_000


class Stored:
    """A store and its writer, which the tests of a module share; each has a host of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(folder, limit_bytes=256 << 20, now=lambda: NOW)
        self.writer = StoreWriter(self.store, data_dir=folder)
        self.writer.start()

    def close(self) -> None:
        """End the writer and the store."""
        self.writer.stop()
        self.store.close()


class Scene:
    """A spool folder, the rows of one host, and a service whose rounds the test makes itself."""

    def __init__(self, folder: Path, stored: Stored) -> None:
        self.folder, self.spool, self.host = folder, folder / "jobs", f"host-{folder.name}"
        self.store, self.writer = stored.store, stored.writer
        self.clock = 0.0
        self.pids: dict[int, int] = {}
        self.patterns: list[str] = []
        self.told: list[ToldLife] = []
        self.service = self.another()

    def another(self) -> JobService:
        """A service that knows what is stored and nothing more, as after a restart."""
        records = JobRecords(self.store, self.writer.commit, self.host, Masker().mask_text)
        found = LogPatterns(self.store, self.host, lambda: self.patterns, lambda: NOW)
        return JobService(
            Spool(self.spool),
            records,
            found,
            host=self.host,
            run_of_pid=self.pids.get,
            now=lambda: NOW,
            clock=lambda: self.clock,
            told=self.told.extend,
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What the store has of this host."""
        tables = ("jobs", "jobs_open", "job_records", "job_workers", "job_files")
        own = ", ".join(f"{name} AS (SELECT * FROM main.{name} WHERE host = '{self.host}')" for name in tables)
        found: list[dict[str, Any]] = self.store.select(f"WITH {own} {sql}").to_pylist()
        return found

    def counts(self) -> dict[str, int]:
        """All counters together, and the rows of jobs."""
        (row,) = self.rows(
            "SELECT sum(done) AS done, sum(failed) AS failed, sum(interrupted) AS interrupted, sum(untold) AS untold, sum(repeated) AS repeated, "
            "sum(damaged) AS damaged, (SELECT count(*) FROM jobs) AS rows, (SELECT count(*) FROM jobs_open WHERE started IS NOT NULL) AS open FROM job_workers"
        )
        return {name: int(value or 0) for name, value in row.items()}

    def files(self) -> list[str]:
        """Names in the spool folder."""
        return sorted(path.name for path in self.spool.iterdir())


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """An empty store."""
    made = Stored(tmp_path_factory.mktemp("store"))
    yield made
    made.close()


@pytest.fixture
def scene(tmp_path: Path, stored: Stored) -> Scene:
    """An empty scene."""
    return Scene(tmp_path, stored)


@pytest.fixture
def worker(scene: Scene) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a program that imports a copy of the module; `begin` has what comes before `track`."""
    (scene.folder / "track.py").write_bytes(MODULE.read_bytes())
    started: list[subprocess.Popen[str]] = []

    def start(program: str, **environ: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-S", "-c", program]  # without site-packages: the standard library is all it has
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command,
            cwd=scene.folder,
            env={"WATCHKEEPER_JOBS": str(scene.spool), **environ},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
