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
from logs.ingest.chunk import Chunk
from logs.ingest.pool import Pool
from logs.parsing.shape import Shape
from logs.redaction.masker import Masker
from monitor.store.duckdb.opening import open_store
from monitor.store.duckdb.store import DuckStore
from monitor.store.interface import Append, Change, Store
from monitor.store.record_lanes import ROWS_A_COMMIT
from tests.doubles.log_watch import LogWatch
from tests.waiting import patient, wait_until


def now() -> int:
    """The clock of these tests."""
    return time.time_ns() // 1000


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


SMALL_PIECES = {"pool_bytes": 1 << 16, "piece_bytes": 150_000, "chunk_bytes": 150_000}
"""Processes are used for small files too, for small pieces."""


class Service:
    """A service on a new store."""

    def __init__(self, folder: Path, rows_a_commit: int = ROWS_A_COMMIT, **changes: Any) -> None:
        folder.mkdir()
        self.store: Store = open_store(folder, limit_bytes=1 << 32, now=now)
        settings = logs.LogSettings(
            discover=False,
            journal=False,
            poll_s=0.02,
            scan_s=0.2,
            max_record_bytes=50_000,
            **{**SMALL_PIECES, **changes},
        )
        self.service = LogWatch(self.store, settings, mask=Masker().mask_text, rows_a_commit=rows_a_commit)
        self.service.start()

    def rows(self) -> list[dict[str, Any]]:
        """All rows but what differs from store to store, in file order; what is known of patterns grows, so that their first names depend on who read first."""
        table = self.store.select(
            "SELECT * EXCLUDE (file_id, ingested, template_id) FROM log_records ORDER BY pos",
            limit=10**6,
            deadline_s=60,
        )
        return table.to_pylist()

    def ingest(self, path: Path) -> dict[str, Any]:
        """Ingest and wait."""
        job = self.service.ingest([str(path)])
        wait_until(lambda: self.service.ingest_state(job)["state"] != "running")
        return self.service.ingest_state(job)

    def close(self) -> None:
        """End service and store."""
        self.service.stop()
        self.store.close()


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


def test_processes_give_the_same_rows(
    begin: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingest and backfill through processes, one of them killed on the way, store what reading in this process stores; no process is left."""
    path = tmp_path / "app.log"
    path.write_bytes(big_log(4_000))
    pooled = begin("pooled")
    seen: set[psutil.Process] = set()  # with the time it began, since another process may get its pid meanwhile
    killed: list[int] = []
    submit = Pool.submit

    def watched(pool: Pool, *piece: Any) -> Any:
        before = pool.pids()
        if before and not killed:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(min(before), signal.SIGKILL)
                killed.append(min(before))
        for pid in before:
            with contextlib.suppress(psutil.NoSuchProcess):  # the killed one, once it is buried
                seen.add(psutil.Process(pid))
        return submit(pool, *piece)

    monkeypatch.setattr(Pool, "submit", watched)
    state = pooled.ingest(path)
    assert (state["state"], state["error"]) == ("done", None)
    assert killed
    assert seen
    filled = begin("filled", globs=(str(path),), big_file_bytes=100_000, first_bytes=20_000)
    wait_until(
        lambda: (
            filled.service.flush(5)
            and filled.service.health()["records"] >= state["records"]
            and not filled.service.health()["backfilling"]
        )
    )
    alone = begin("alone", pool_bytes=1 << 40)
    straight = alone.ingest(path)
    expected = alone.rows()
    assert pooled.rows() == expected
    assert [{**row, "line_no": 0} for row in filled.rows()] == [{**row, "line_no": 0} for row in expected]
    for name in ("lines", "records", "bytes"):
        assert state[name] == straight[name]
    assert "hunter2x9" not in str(expected)
    wait_until(lambda: not any(process.is_running() for process in seen))


def test_a_stopped_ingest_goes_on_where_it_stopped(begin: Callable[..., Service], tmp_path: Path) -> None:
    """The service ends in the middle of a pooled ingest; another one on the same store reads the rest, each record once."""
    path = tmp_path / "app.log"
    path.write_bytes(big_log(4_000))
    first = begin("stopped")
    job = first.service.ingest([str(path)])
    wait_until(
        lambda: first.service.ingest_state(job)["bytes"] > 0 or first.service.ingest_state(job)["state"] != "running"
    )
    first.service.stop()
    second = LogWatch(first.store, first.service.settings, mask=Masker().mask_text)
    second.start()
    try:
        job = second.ingest([str(path)])
        wait_until(lambda: second.ingest_state(job)["state"] != "running")
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
    table, answer = pool.submit(chunk, data).result(patient(60))
    assert table.column("message").to_pylist() == ["one password=***"]
    assert answer.last_ts is not None
    (pid,) = pool.pids()
    pool.close()
    assert not Path(f"/proc/{pid}").exists()
    monkeypatch.setattr("sys.executable", "/bin/false")
    broken = Pool((), 1)
    other, _ = broken.submit(chunk, data).result(patient(60))
    assert other.equals(table) or pa.concat_tables([other, table]).num_rows == 2
    assert broken.deaths == 2
    broken.close()


def logs_chunk() -> Chunk:
    """A piece that is the whole of a file."""
    place = next(n for n in range(100) if (fmt := logs.Registry().at(n)) is not None and fmt.name == "python")
    return Chunk(0, 1, Shape(place), None, now(), 1, "app", "h", now(), 1 << 20)


def test_commits_are_as_large_as_the_store_likes(
    begin: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest is committed in batches of exactly the rows that go to their place at once, but the last; cut pieces lose and double nothing."""
    sizes: list[int] = []
    write = DuckStore.write

    def watched(store: DuckStore, changes: Sequence[Change]) -> None:
        sizes.extend(c.rows.num_rows for c in changes if isinstance(c, Append) and c.table == "log_records")
        write(store, changes)

    monkeypatch.setattr(DuckStore, "write", watched)
    path = tmp_path / "app.log"
    path.write_bytes(b"\n".join(line for line in big_log(4_000).splitlines() if line.startswith(b"2026")) + b"\n")
    service = begin("whole", rows_a_commit=1700)
    state = service.ingest(path)
    assert state["records"] == path.read_bytes().count(b"\n")
    assert set(sizes[:-1]) == {1700}
    assert sum(sizes) == state["records"]
    assert [row["line_no"] for row in service.rows()] == list(range(1, state["records"] + 1))


def test_a_format_of_ones_own_reads_in_all_processes(begin: Callable[..., Service], tmp_path: Path) -> None:
    """What a person described is used by the processes as by this one."""
    path = tmp_path / "shop.log"
    path.write_text(
        "".join(f"{second:06d} <{'oops' if second % 3 else 'info'}> order {second}\n" for second in range(4_000))
    )
    spec = logs.read_format(
        "pattern = '\\d+ <(?P<level>\\w+)> order (?P<order>\\d+)$'\n[levels]\noops = 'error'", "shop"
    )
    chosen = {"formats": (f"{path}=shop",), "own_formats": (spec,)}
    rows = []
    for name, size in (("pooled", 1 << 16), ("alone", 1 << 40)):
        service = begin(name, pool_bytes=size, **chosen)
        assert service.ingest(path)["records"] == 4_000
        rows.append([(row["level"], row["message"], row["fields"]) for row in service.rows()])
    assert rows[0] == rows[1]
    assert rows[0][1] == (40, "000001 <oops> order 1", '{"order": 1}')
