"""Big files are parsed in processes of their own: the same records, in order, whatever happens to a process."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

import logs
from logs import jobs
from logs.chunk import Chunk
from logs.pool import Pool
from monitor.masking import Masker
from monitor.store.duck import DuckStore
from monitor.store.interface import Append, Change, Store
from monitor.store.opening import open_store


def now() -> int:
    """The clock of these tests."""
    return time.time_ns() // 1000


def until(condition: Callable[[], object], seconds: float = 100.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def big_log(lines: int) -> bytes:
    """Records, tracebacks, secrets, an undated beginning, lines of another format, and a record longer than one may be."""
    rng = random.Random(3)
    parts = ["no time yet", "nor here"]
    for number in range(lines):
        stamp = (
            f"2026-03-01 {10 + number // 3600 % 12:02d}:{number // 60 % 60:02d}:{number % 60:02d},{number % 1000:03d}"
        )
        parts.append(
            f"{stamp} - app.part{number % 7} - {rng.choice(['INFO', 'ERROR'])} - did {number} {'x' * rng.randrange(80)}"
        )
        if number % 97 == 0:
            parts.append('Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: no')
        if number % 211 == 0:
            parts.append('{"msg": "no time", "level": "warn"}\nprinted ä line\npassword=hunter2x9')
        if number == lines // 2:
            parts.append(f"{stamp} - app - INFO - {'long ' * 20_000}")
    return ("\n".join(parts) + "\n").encode()


class Service:
    """A service on a new store."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        folder.mkdir()
        self.store: Store = open_store(folder, limit_bytes=1 << 32, now=now)
        settings = logs.LogSettings(
            discover=False, journal=False, poll_s=0.02, scan_s=0.1, commit_s=0.05, max_record_bytes=50_000, **changes
        )
        self.service = logs.LogService(
            store=self.store, commit=self.store.write, settings=settings, host="h", boot_id="b", run_of_pid=lambda _: None, own_pids=set,
            mask=Masker().mask_text, now=now, on_records=lambda _: None,
        )  # fmt: skip
        self.service.start()

    @property
    def jobs(self) -> jobs.Jobs:
        """The part that reads in bulk."""
        return self.service._jobs

    def rows(self) -> list[dict[str, Any]]:
        """All rows but what differs from store to store, in file order."""
        table = self.store.select(
            "SELECT * EXCLUDE (file_id, ingested) FROM log_records ORDER BY pos", limit=10**6, deadline_s=60
        )
        return table.to_pylist()

    def ingest(self, path: Path) -> dict[str, Any]:
        """Ingest and wait."""
        job = self.service.ingest([str(path)])
        until(lambda: self.service.ingest_state(job)["state"] != "running")
        return self.service.ingest_state(job)

    def close(self) -> None:
        """End service and store."""
        self.service.stop()
        self.store.close()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are used for small files too, for small pieces."""
    monkeypatch.setattr("logs.jobs.POOL_BYTES", 1 << 16)
    monkeypatch.setattr("logs.bulk.PIECE", 150_000)
    monkeypatch.setattr("logs.jobs._CHUNK", 150_000)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services, which all end with the test."""
    running: list[Service] = []

    def start(name: str, **changes: Any) -> Service:
        running.append(Service(tmp_path / name, **changes))
        return running[-1]

    yield start
    for service in running:
        service.close()


@pytest.mark.usefixtures("small_pieces")
def test_processes_give_the_same_rows(
    begin: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingest and backfill through processes, one of them killed on the way, store what reading in this process stores; no process is left."""
    path = tmp_path / "app.log"
    path.write_bytes(big_log(12_000))
    pooled = begin("pooled")
    seen: set[psutil.Process] = set()  # with the time it began, since another process may get its pid meanwhile
    submit = Pool.submit

    def watched(pool: Pool, *piece: Any) -> Any:
        before = pool.pids()
        if before and not seen:
            os.kill(min(before), signal.SIGKILL)
        for pid in before:
            with contextlib.suppress(psutil.NoSuchProcess):  # the killed one, once it is buried
                seen.add(psutil.Process(pid))
        return submit(pool, *piece)

    monkeypatch.setattr(Pool, "submit", watched)
    state = pooled.ingest(path)
    assert (state["state"], state["error"]) == ("done", None)
    assert seen
    filled = begin("filled", globs=(str(path),), big_file_bytes=100_000, first_bytes=20_000)
    until(
        lambda: (
            filled.service.flush(5)
            and filled.service.health()["records"] >= state["records"]
            and not filled.service.health()["backfilling"]
        )
    )
    monkeypatch.setattr("logs.jobs.POOL_BYTES", 1 << 40)
    alone = begin("alone")
    straight = alone.ingest(path)
    expected = alone.rows()
    assert pooled.rows() == expected
    assert [{**row, "line_no": 0} for row in filled.rows()] == [{**row, "line_no": 0} for row in expected]
    for name in ("lines", "records", "bytes"):
        assert state[name] == straight[name]
    assert "hunter2x9" not in str(expected)
    until(lambda: not any(process.is_running() for process in seen))


@pytest.mark.usefixtures("small_pieces")
def test_a_stopped_ingest_goes_on_where_it_stopped(begin: Callable[..., Service], tmp_path: Path) -> None:
    """The service ends in the middle of a pooled ingest; another one on the same store reads the rest, each record once."""
    path = tmp_path / "app.log"
    path.write_bytes(big_log(12_000))
    first = begin("stopped")
    job = first.service.ingest([str(path)])
    until(lambda: first.service.ingest_state(job)["bytes"] > 0 or first.service.ingest_state(job)["state"] != "running")
    first.service.stop()
    second = logs.LogService(
        store=first.store, commit=first.store.write, settings=first.service.settings, host="h", boot_id="b", run_of_pid=lambda _: None, own_pids=set,
        mask=Masker().mask_text, now=now, on_records=lambda _: None,
    )  # fmt: skip
    second.start()
    try:
        job = second.ingest([str(path)])
        until(lambda: second.ingest_state(job)["state"] != "running")
        assert second.ingest_state(job)["state"] == "done"
    finally:
        second.stop()
    alone = begin("whole")
    alone.ingest(path)
    assert first.rows() == alone.rows()


def test_a_closed_pool_says_so_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a closed pool fail with a hint; a pool whose processes cannot live parses by itself."""
    chunk = logs_chunk()
    data = b"2026-03-01 10:00:00,000 - app - INFO - one password=hunter2x9\n"
    pool = Pool((), 1)
    table, answer = pool.submit(chunk, data).result(60)
    assert table.column("message").to_pylist() == ["one password=***"]
    assert answer.last_ts is not None
    (pid,) = pool.pids()
    pool.close()
    assert not Path(f"/proc/{pid}").exists()
    monkeypatch.setattr("sys.executable", "/bin/false")
    broken = Pool((), 1)
    other, _ = broken.submit(chunk, data).result(60)
    assert other.equals(table) or pa.concat_tables([other, table]).num_rows == 2
    assert broken.deaths == 2
    broken.close()


def logs_chunk() -> Chunk:
    """A piece that is the whole of a file."""
    place = next(n for n in range(100) if (fmt := logs.Registry().at(n)) is not None and fmt.name == "python")
    return Chunk(0, 1, place, None, now(), 1, "app", "h", now(), 1 << 20)


@pytest.mark.usefixtures("small_pieces")
def test_commits_are_as_large_as_the_store_likes(
    begin: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest is committed in batches of exactly the rows that go to their place at once, but the last; cut pieces lose and double nothing."""
    monkeypatch.setattr("logs.delivery.ROWS_A_COMMIT", 3000)
    sizes: list[int] = []
    write = DuckStore.write

    def watched(store: DuckStore, changes: Sequence[Change]) -> None:
        sizes.extend(c.rows.num_rows for c in changes if isinstance(c, Append) and c.table == "log_records")
        write(store, changes)

    monkeypatch.setattr(DuckStore, "write", watched)
    path = tmp_path / "app.log"
    path.write_bytes(b"\n".join(line for line in big_log(12_000).splitlines() if line.startswith(b"2026")) + b"\n")
    service = begin("whole")
    state = service.ingest(path)
    assert state["records"] == path.read_bytes().count(b"\n")
    assert set(sizes[:-1]) == {3000}
    assert sum(sizes) == state["records"]
    assert [row["line_no"] for row in service.rows()] == list(range(1, state["records"] + 1))
