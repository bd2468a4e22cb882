"""A disk that fills up under the store, and one that cannot be written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.core.errors import StoreFull
from monitor.store.duckdb import open_store
from monitor.store.interface import Append
from monitor.store.lock import DataDirLock
from tests.doubles.stored import stored
from tests.waiting import patient

MIB = 1024 * 1024


def mounted(where: Path, options: str) -> bool:
    """Whether a tmpfs could be mounted there."""
    return (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)], check=False, capture_output=True
        ).returncode
        == 0
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    if not mounted(where, "size=12m"):
        pytest.skip("mounting a tmpfs needs root")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True, timeout=patient(20))


def batch(number: int) -> Append:
    """4,000 records that do not compress, recognised by their positions."""
    count = 4000
    data = os.urandom(count * 32).hex()
    ts = pa.array([number] * count, pa.timestamp("us"))
    table = {
        "host": ["h"] * count, "file_id": [1] * count, "pos": pa.array(range(number * count, (number + 1) * count), pa.int64()), "ts": ts,
        "ingested": ts, "level": [20] * count, "source": ["s"] * count, "message": [data[i * 64 : i * 64 + 64] for i in range(count)], "lines": [1] * count,
    }  # fmt: skip
    return Append("log_records", pa.table(table))


def test_a_full_disk_refuses_and_heals(small_disk: Path) -> None:
    """Writes fail with StoreFull and leave nothing; reading goes on; when there is space again the same store writes on.

    Nothing acknowledged is lost, nothing is there twice, also after it was opened anew.
    """
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(6 * MIB))
    store = open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0)
    acknowledged: list[int] = []
    refused = 0
    number = 0
    for _ in range(60):
        try:
            store.write([batch(number)])
            acknowledged.append(number)
        except StoreFull as error:
            assert error.hint  # noqa: PT017 - one of several outcomes that may be
            refused += 1
            if refused == 4:
                break
        number += 1
    assert refused == 4
    sql = "SELECT DISTINCT pos // 4000 AS batch FROM log_records ORDER BY 1"
    assert [row["batch"] for row in stored(store, sql)] == acknowledged
    ballast.unlink()
    for _ in range(3):
        number += 1
        store.write([batch(number)])
        acknowledged.append(number)
    counts = (
        "SELECT pos // 4000 AS batch, count(*) AS n, count(DISTINCT pos) AS d FROM log_records GROUP BY 1 ORDER BY 1"
    )
    wanted = [{"batch": known, "n": 4000, "d": 4000} for known in acknowledged]
    assert stored(store, counts) == wanted
    store.close()
    store = open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0)
    assert stored(store, counts) == wanted
    assert list(small_disk.glob("*.damaged-*")) == []
    store.close()


def test_opening_on_a_full_disk_is_said(small_disk: Path) -> None:
    """With no byte left a new store cannot begin: StoreFull, and afterwards it can."""
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):  # noqa: PT012 - some write fails, which one is the file system's affair
        while True:
            file.write(bytes(4096))
    with pytest.raises(StoreFull):
        open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0)
    ballast.unlink()
    open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0).close()


def test_a_full_disk_does_not_hide_what_was_stored(small_disk: Path) -> None:
    """An agent that starts again while the disk is full either reads everything or says StoreFull; nothing is taken for damage."""
    store = open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0)
    store.write([batch(0)])
    store.close()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):  # noqa: PT012 - some write fails, which one is the file system's affair
        while True:
            file.write(bytes(4096))
    try:
        store = open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0)
    except StoreFull as error:
        assert error.hint  # noqa: PT017 - one of several outcomes that may be
    else:
        assert stored(store, "SELECT count(*) AS n FROM log_records") == [{"n": 4000}]
        store.close()
    ballast.unlink()
    store = open_store(small_disk, limit_bytes=1 << 30, now=lambda: 0)
    assert stored(store, "SELECT count(*) AS n FROM log_records") == [{"n": 4000}]
    assert store.info().notices == ()
    store.close()


def test_a_read_only_directory_is_said(tmp_path: Path) -> None:
    """On a read-only file system the lock and the store both say clearly that the directory is not writable."""
    where = tmp_path / "disk"
    where.mkdir()
    if not mounted(where, "size=4m,ro"):
        pytest.skip("mounting a tmpfs needs root")
    try:
        for attempt in (lambda: DataDirLock(where), lambda: open_store(where, limit_bytes=1 << 30, now=lambda: 0)):
            with pytest.raises(StoreFull, match="not writable") as caught:
                attempt()
            assert caught.value.hint
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True, timeout=patient(20))


LIMITED = """
import pathlib, resource, signal, sys
from monitor.core.this_process import without
without("pandas")
import pyarrow as pa
from monitor.core.errors import StoreFull
from monitor.store.interface import Append
from monitor.store.duckdb import open_store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(pathlib.Path(sys.argv[1]), limit_bytes=1 << 30, now=lambda: 0)
size = 2 << 20
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
ts = pa.array([0] * 2000, pa.timestamp("us"))
import os
good = 0
for number in range(100):
    data = os.urandom(2000 * 64).hex()
    rows = {"host": ["h"] * 2000, "file_id": [1] * 2000, "pos": pa.array([number] * 2000, pa.int64()), "ts": ts, "ingested": ts,
            "level": [20] * 2000, "source": ["s"] * 2000, "message": [data[i * 128:i * 128 + 128] for i in range(2000)], "lines": [1] * 2000}
    try:
        store.write([Append("log_records", pa.table(rows))])
        good += 1
    except StoreFull:
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.write([Append("log_records", pa.table(rows))])
n = store.select("SELECT count(*) AS n FROM log_records").to_pylist()[0]["n"]
print(good, n)
store.close()
"""


def test_a_file_size_limit_is_like_a_full_disk(tmp_path: Path) -> None:
    """Where the kernel limits the size of files the store says StoreFull, and writes on when the limit is lifted."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], check=True, capture_output=True, text=True, timeout=patient(100)
    )
    good, rows = (int(word) for word in done.stdout.split())
    assert 0 < good < 100
    assert rows == (good + 1) * 2000
