"""Opening a store in whatever state it is."""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb
import pytest

from monitor.api.runs.detail import ended_runs, stored_relatives
from monitor.core.errors import StoreDamaged, StoreError, StoreFull, StoreLocked, StoreTooNew
from monitor.store.duckdb import open_store
from monitor.store.duckdb.engine import transaction
from monitor.store.duckdb.migrate import SCHEMA
from monitor.store.duckdb.wal import MOST_KEPT, WalCheck
from monitor.store.interface import Append, Store
from tests.doubles.stored import stored
from tests.waiting import patient

LIMIT = 64 * 1024 * 1024
FILE = "watchkeeper.duckdb"


def reopen(path: Path, schema: Path = SCHEMA) -> Store:
    """The store of this folder, opened once more."""
    return open_store(path, limit_bytes=LIMIT, now=lambda: 1_700_000_000_000_000, app_version="1.2.3", schema=schema)


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory, host_rows: Callable[..., Append]) -> Path:
    """The folder of a closed store with 20,000 samples in twenty batches, to be copied."""
    folder = tmp_path_factory.mktemp("twenty")
    store = reopen(folder)
    for number in range(20):
        store.write([host_rows({number * 1000 + i: float(i) for i in range(1000)})])
    store.close()
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, twenty: Path) -> Path:
    """The same as it was left by a process that wrote fifty more and was killed: they are in the log."""
    folder = tmp_path_factory.mktemp("killed")
    fill(folder, twenty)
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], check=True, capture_output=True, timeout=patient(60))
    return folder


@pytest.fixture
def filled(tmp_path: Path, twenty: Path) -> Path:
    """A copy of the closed store of 20,000 samples, of the test's own."""
    return fill(tmp_path, twenty)


def fill(path: Path, made: Path) -> Path:
    """Copy a store and its log."""
    for file in made.glob(f"{FILE}*"):
        shutil.copy(file, path)
    return path


def count(store: Store) -> int:
    """How many host samples it holds."""
    return store.query("host_recent", host="h", metrics=["cpu_pct"], start=0, end=1 << 60).num_rows


def test_a_new_store_has_its_version(tmp_path: Path) -> None:
    """A new data directory is made; `meta` says the schema version and the program's."""
    store = reopen(tmp_path / "new" / "dir")
    assert stored(store, "SELECT schema_version, app_version FROM meta") == [
        {"schema_version": store.info().schema_version, "app_version": "1.2.3"}
    ]
    assert store.info().notices == ()
    store.close()


def test_history_survives_a_migration(tmp_path: Path, host_rows: Callable[..., Append]) -> None:
    """An old store is brought forward step by step, keeps its rows, and says so."""
    old = tmp_path / "old"
    old.mkdir()
    for name in ("0001_initial.sql", "functions_duckdb.sql"):
        (old / name).write_text((SCHEMA / name).read_text())
    store = reopen(tmp_path, old)
    store.write([host_rows({1: 2.0})])
    assert store.info().schema_version == 1
    store.close()
    store = reopen(tmp_path)
    assert store.info().schema_version >= 2
    assert "schema version" in store.info().notices[0]
    assert count(store) == 1
    assert stored(store, "SELECT count(*) AS n FROM meta") == [{"n": 1}]
    store.close()


def test_runs_of_a_store_without_members_are_shown(tmp_path: Path) -> None:
    """One that was stored before workers had numbers has its title, among those that ended and among its relatives."""
    old = tmp_path / "old"
    old.mkdir()
    for path in SCHEMA.glob("*.sql"):
        if path.name < "0016" or not path.name[0].isdigit():
            (old / path.name).write_text(path.read_text())
    reopen(tmp_path, old).close()
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute(
            "INSERT INTO runs (run, host, boot_id, pid, ppid, uid, name, cmdline, start_ts, first_seen, end_ts, exit_code) VALUES"
            " (1, 'h', 'b', 7, 1, 0, 'python', 'python train.py', '2023-11-14', '2023-11-14', '2023-11-14 00:01:00', 0),"
            " (2, 'h', 'b', 8, 7, 0, 'python', 'python train.py', '2023-11-14 00:00:30', '2023-11-14', '2023-11-14 00:00:50', 3)"
        )
    store = reopen(tmp_path)
    assert [(one.pid, one.title, one.member) for one in ended_runs(store, "h", {"limit": 9, "q": "train"}).runs] == [
        (7, "python train.py", None),
        (8, "python train.py", None),
    ]
    assert [(one.pid, one.member) for one in stored_relatives(store, 1)[1]] == [(8, None)]
    store.close()


def test_a_store_gains_the_columns_of_new_metrics(filled: Path) -> None:
    """A metric that the catalogue has gained since gets its columns in the table and its tiers; what was stored stays."""
    with duckdb.connect(str(filled / FILE)) as connection:
        connection.execute("ALTER TABLE host_samples DROP COLUMN load5")
        connection.execute("ALTER TABLE host_samples_1m DROP COLUMN load5_avg")
        connection.execute("ALTER TABLE gpu_samples_1h DROP COLUMN energy_j_last")
        connection.execute("ALTER TABLE run_samples DROP COLUMN fds")
    store = reopen(filled)
    assert count(store) == 20_000
    assert stored(store, "SELECT count(load5) AS n FROM host_samples") == [{"n": 0}]
    for column, table in (
        ("load5_avg", "host_samples_1m"),
        ("energy_j_last", "gpu_samples_1h"),
        ("fds", "run_samples"),
    ):
        store.select(f"SELECT {column} FROM {table}")
    store.close()
    before = (filled / FILE).read_bytes()
    reopen(filled).close()
    assert len((filled / FILE).read_bytes()) == len(before)


def test_a_failing_migration_leaves_the_version_before(filled: Path) -> None:
    """A step that fails half-way leaves nothing of itself; the file is not taken for damaged."""
    bad = filled / "bad"
    bad.mkdir()
    for path in SCHEMA.glob("*.sql"):
        (bad / path.name).write_text(path.read_text())
    (bad / "9000_wrong.sql").write_text("CREATE TABLE half (a INT); SELECT * FROM nowhere;")
    with pytest.raises(StoreError):
        reopen(filled, bad)
    store = reopen(filled)
    assert count(store) == 20_000
    assert "half" not in store.info().rows
    store.close()


def test_a_store_without_one_of_its_tables_is_not_touched(tmp_path: Path) -> None:
    """What another program took out of it is named, and what to do; the rest stays as it is."""
    reopen(tmp_path).close()
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("DROP TABLE run_samples")
    with pytest.raises(StoreError, match="run_samples") as refused:
        reopen(tmp_path)
    assert "Move it away" in refused.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


def test_a_newer_store_is_not_touched(tmp_path: Path) -> None:
    """A store of a newer version is refused with a hint, byte for byte as it was."""
    reopen(tmp_path).close()
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("UPDATE meta SET schema_version = 9999")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        reopen(tmp_path)
    assert caught.value.hint
    assert (tmp_path / FILE).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


@pytest.mark.parametrize("damage", ["garbage", "headers", "truncated", "cut", "short"])
def test_a_damaged_file_is_set_aside(filled: Path, host_rows: Callable[..., Append], damage: str) -> None:
    """What cannot be read is renamed, never deleted; a new store begins and says so."""
    path = filled / FILE
    whole = path.read_bytes()
    path.write_bytes(
        {
            "garbage": random.Random(1).randbytes(len(whole)),
            "headers": whole[:16] + random.Random(2).randbytes(12272) + whole[12288:],
            "truncated": whole[: len(whole) // 2],
            "cut": whole[: 12288 + 100],
            "short": b"DUCK",
        }[damage]
    )
    damaged = path.read_bytes()
    store = reopen(filled)
    assert count(store) == 0
    store.write([host_rows({1: 1.0})])
    (aside,) = filled.glob(f"{FILE}.damaged-*")
    assert aside.name == f"{FILE}.damaged-20231114T221320Z"
    assert aside.read_bytes() == damaged
    assert aside.name in store.info().notices[0]
    store.close()
    again = reopen(filled)
    assert again.info().notices == ()
    again.close()


@contextmanager
def away(path: Path) -> Iterator[None]:
    """The disk with the store is not mounted: its name leads nowhere."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("not-mounted") / FILE)
    yield
    path.unlink()
    path.with_name("elsewhere").rename(path)


@contextmanager
def crowded(_path: Path) -> Iterator[None]:
    """This process may open one more file, and the engine needs several."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("trouble", [away, crowded])
def test_a_file_that_cannot_be_reached_now_stays_in_its_place(
    filled: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """It may be whole: it is refused with what to do, and is there with all its rows once it can be reached again."""
    with trouble(filled / FILE), pytest.raises(StoreError) as caught:
        reopen(filled)
    assert not isinstance(caught.value, StoreDamaged | StoreFull)
    assert "was not touched" in caught.value.hint
    assert not list(filled.glob(f"{FILE}.damaged-*"))
    store = reopen(filled)
    assert count(store) == 20_000
    store.close()


WRITE = """
import os, pathlib, sys
from monitor.core.this_process import without
without("pandas")
import pyarrow as pa
from monitor.store.interface import Append
from monitor.store.duckdb import open_store
from monitor.store.duckdb.engine import transaction
store = open_store(pathlib.Path(sys.argv[1]), limit_bytes=1 << 26, now=lambda: 0)
for n in range(50):
    store.write([Append("host_samples", pa.table({"host": ["h"], "ts": pa.array([n], pa.timestamp("us"))}))])
print("done", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("damage", ["garbage", "middle", "torn"])
def test_a_damaged_log_costs_only_what_it_held(
    tmp_path: Path, killed: Path, host_rows: Callable[..., Append], damage: str
) -> None:
    """With a broken write-ahead log the rows before the break stay, the log is kept beside, and a notice says so."""
    fill(tmp_path, killed)
    wal = tmp_path / f"{FILE}.wal"
    whole = wal.read_bytes()
    half = len(whole) // 2
    wal.write_bytes(
        {
            "garbage": random.Random(3).randbytes(len(whole)),
            "middle": whole[:half] + random.Random(4).randbytes(64) + whole[half + 64 :],
            "torn": whole[:-7],
        }[damage]
    )
    store = reopen(tmp_path)
    assert 20_000 <= count(store) < 20_050
    assert "could not be read" in store.info().notices[0]
    (aside,) = tmp_path.glob(f"{FILE}.wal.damaged-*")
    assert aside.read_bytes() != whole
    assert len(aside.read_bytes()) in {len(whole), len(whole) - 7}
    store.write([host_rows({1: 1.0})])
    store.close()
    again = reopen(tmp_path)
    assert again.info().notices == ()
    again.close()


def test_a_whole_log_is_read_whole(tmp_path: Path, killed: Path) -> None:
    """After a kill the log gives back every row, without a notice and without a copy left over."""
    fill(tmp_path, killed)
    store = reopen(tmp_path)
    assert count(store) == 20_050
    assert store.info().notices == ()
    store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


def test_another_program_that_has_it_open_is_named(tmp_path: Path) -> None:
    """A file that a person opened in another process is reported as locked, not as damaged."""
    reopen(tmp_path).close()
    hold = "import duckdb,sys;c=duckdb.connect(sys.argv[1]);print('open',flush=True);sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path / FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked):
            reopen(tmp_path)
        assert list(tmp_path.glob("*.damaged-*")) == []
        assert child.stdin is not None
        child.stdin.close()
        child.wait(timeout=patient(20))


def test_a_place_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A data directory that cannot exist gives a clear error with a hint."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull) as caught:
        reopen(tmp_path / "file" / "x")
    assert caught.value.hint


def test_copies_of_damaged_logs_are_bounded(tmp_path: Path) -> None:
    """A log that is found damaged again and again leaves the newest copies, not a full disk."""
    wal = tmp_path / "watch[1].duckdb.wal"
    for number in range(MOST_KEPT + 3):
        wal.write_bytes(b"broken")
        WalCheck(wal).keep(f"20260301T1011{number:02}Z")
    kept = sorted(path.name for path in tmp_path.iterdir() if path != wal)
    assert kept == [f"{wal.name}.damaged-20260301T1011{number:02}Z" for number in range(3, MOST_KEPT + 3)]


@pytest.mark.parametrize(("name", "sign"), [("why?", "question mark"), ("a\\b", "backslash")])
def test_a_path_the_engine_cannot_keep_is_refused(tmp_path: Path, name: str, sign: str) -> None:
    """A sign in the path with which DuckDB would write into another folder. Nothing is made there."""
    folder = tmp_path / name / "data"
    with pytest.raises(StoreError, match=sign):
        reopen(folder)
    assert not folder.exists()


def test_the_first_error_is_told_when_a_transaction_is_over_already() -> None:
    """What ended a transaction is raised, not that there is nothing left to roll back."""

    def write(connection: duckdb.DuckDBPyConnection) -> None:
        with transaction(connection):
            connection.rollback()
            connection.execute("SELECT nothing")

    with duckdb.connect() as connection, pytest.raises(duckdb.BinderException):
        write(connection)
