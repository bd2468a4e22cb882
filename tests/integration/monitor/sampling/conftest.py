"""Fixtures of the sampler's tests: processes that end with the test, readers that are closed, waiting on conditions."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from logs.redaction.masker import Masker
from monitor.metrics.catalogue import RUN_COLUMNS, RunColumns
from monitor.sampling.core.reader import Sweep
from monitor.sampling.linux.reader import ProcfsReader
from tests.waiting import patient

Spawn = Callable[..., "subprocess.Popen[bytes]"]
STUB_SOURCE = Path(__file__).resolve().parents[3] / "doubles" / "nvml_stub.c"


@pytest.fixture(autouse=True)
def pids(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test here runs beside one that forces pids: its processes would have the same pid twice within one tick of the clock, by which lives are told apart."""
    folder = tmp_path_factory.getbasetemp()
    with ((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "pids.lock").open("w") as lock:
        if sys.platform == "linux":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX if request.node.get_closest_marker("forces_pids") else fcntl.LOCK_SH)
        yield


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start processes; whatever is left of them ends with the test."""
    children: list[subprocess.Popen[bytes]] = []

    def start(argv: Sequence[str | bytes], **options: Any) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(argv, **options)
        children.append(child)
        return child

    yield start
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        child.wait(patient(10))


@pytest.fixture
def reader() -> Iterator[ProcfsReader]:
    """A reader of this machine."""
    made = ProcfsReader(Masker())
    yield made
    made.close()


@pytest.fixture
def sweep_once() -> Callable[[Any], Sweep]:
    """One sweep at this moment."""
    return lambda reader: reader.sweep(time.monotonic_ns())


@pytest.fixture
def row() -> Callable[[RunColumns, int], dict[str, float] | None]:
    """The row of one pid in the columns of a sweep, or None."""

    def find(columns: RunColumns, pid: int) -> dict[str, float] | None:
        pids = array("i", columns.pid)
        if pid not in pids:
            return None
        index = pids.index(pid)
        return {name: array(code, getattr(columns, name))[index] for name, code in RUN_COLUMNS.items()}

    return find


@pytest.fixture(scope="session")
def nvml_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a `libnvidia-ml.so.1` compiled from `nvml_stub.c`."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler for Linux here")
    folder = tmp_path_factory.mktemp("nvml")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(folder / "libnvidia-ml.so.1"), str(STUB_SOURCE)],
        check=True,
        timeout=patient(60),
    )
    return folder


@pytest.fixture
def with_stub(nvml_stub: Path) -> Callable[..., Mapping[str, str]]:
    """An environment in which the stub is the machine's NVML, with settings for it."""

    def make(**settings: str) -> Mapping[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(nvml_stub), **settings}

    return make
