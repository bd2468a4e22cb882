"""What the store's tests share: a clock, open stores, and sweeps made up."""

import shutil
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.metrics import catalogue, messages
from monitor.store.duckdb import open_store
from monitor.store.interface import Append, Store

START = 1_700_000_000_000_000
MIB = 1024 * 1024


class Clock:
    """Microseconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        """The time it is made to be."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until a test moves it."""
    return Clock()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store: to copy it takes half as long as to make its tables."""
    folder = tmp_path_factory.mktemp("empty")
    open_store(folder, limit_bytes=256 * MIB, now=Clock()).close()
    return folder / "watchkeeper.duckdb"


@pytest.fixture
def begun(tmp_path: Path, empty_store: Path) -> Path:
    """A data directory with an empty store, which is closed."""
    shutil.copy(empty_store, tmp_path)
    return tmp_path


@pytest.fixture
def store(begun: Path, clock: Clock) -> Iterator[Store]:
    """An empty store whose clock is `clock`."""
    opened = open_store(begun, limit_bytes=256 * MIB, now=clock)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Store]:
    """A store that the tests of a module fill once and only read; its clock stands."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copy(empty_store, folder)
    opened = open_store(folder, limit_bytes=256 * MIB, now=Clock())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def host_rows() -> Callable[..., Append]:
    """Makes host samples: `host_rows({ts: cpu_pct})`."""

    def make(cpu: dict[int, float | None], host: str = "h") -> Append:
        table = pa.table(
            {
                "host": [host] * len(cpu),
                "ts": pa.array(list(cpu), pa.int64()).view(pa.timestamp("us")),
                "cpu_pct": pa.array(list(cpu.values()), pa.float32()),
            }
        )
        return Append("host_samples", table)

    return make


@pytest.fixture(scope="session")
def make_tick() -> Callable[..., messages.Tick]:
    """Makes sweeps: `make_tick(seq, runs=[…], cpu_pct=[…], rss=[…], born=[…], …)`."""

    def make(seq: int, *, runs: list[int] | None = None, **given: object) -> messages.Tick:
        runs = runs or []
        columns = {}
        for name, code in catalogue.RUN_COLUMNS.items():
            values = runs if name == "run" else given.pop(name, [0] * len(runs))
            columns[name] = array(code, values).tobytes()
        defaults: dict[str, object] = {
            "seq": seq,
            "ts": START + seq * 1_000_000,
            "mono_ns": 0,
            "host": catalogue.HostReading(cpu_pct=12.5),
            "runs": catalogue.RunColumns(**columns),
            "born": [],
            "gone": [],
            "gpu": messages.GpuState("none", "no driver", 0.0, [], []),
            "quality": messages.Quality(seq, seq, 1.0, 2.0, 0.0, 1, {}),
        }
        return messages.Tick(**{**defaults, **given})

    return make
