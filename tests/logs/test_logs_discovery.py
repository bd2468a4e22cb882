"""Finding log files that processes hold open, and knowing who writes them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from logs.discovery import Discovery
from logs.names import SourceNames

WRITER = "import sys, time; f = open(sys.argv[1], sys.argv[2]); f.write('2026-03-01 10:00:00,000 INFO app: hello\\n'); f.flush(); print('ready', flush=True); time.sleep(60)"


class Writer:
    """A process that holds a file open for writing."""

    def __init__(self, path: Path, mode: str = "a") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), mode], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def scan(**changes: Any) -> dict[str, Any]:
    """What is found, by path."""
    arguments: dict[str, Any] = {"globs": (), "excluded": (), "own_pids": set, "discover": True} | changes
    return {found.path: found for found in Discovery(**arguments).scan().values()}


def test_a_file_open_for_writing_is_found(tmp_path: Path) -> None:
    """A log that another process writes is found, with the process that does."""
    path = tmp_path / "app.log"
    with Writer(path) as writer:
        found = scan()[str(path)]
        assert (found.found_by, found.pids, found.inode) == ("open", [writer.process.pid], path.stat().st_ino)


def test_what_is_no_log_is_not_found(tmp_path: Path) -> None:
    """Databases, files of the watch itself, and excluded ones are left alone."""
    with Writer(tmp_path / "app.db"), Writer(tmp_path / "secret.log"), Writer(tmp_path / "own.log") as own:
        found = scan(excluded=(str(tmp_path / "secret*"),), own_pids=lambda: {own.process.pid})
    assert [path for path in found if path.startswith(str(tmp_path))] == []


def test_a_growing_file_is_followed_and_belongs_to_its_run(start: Callable[..., Any], tmp_path: Path) -> None:
    """Without any setting, a process's log is stored, and its records know the run."""
    path = tmp_path / f"worker{os.getpid()}.log"
    with Writer(path) as writer:
        watch = start(discover=True, exclude=("/var/*",))
        watch.runs[writer.process.pid] = 4242
        deadline = time.monotonic() + 20
        while not watch.service.files_of_run(4242):
            assert time.monotonic() < deadline
            time.sleep(0.02)
            watch.runs[writer.process.pid] = 4242
        with path.open("a") as file:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 1))
            file.write(f"{stamp},000 INFO app: mine\n")
        while "mine" not in watch.messages(source=path.stem):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [record.run for record in watch.records(source=path.stem) if record.message == "mine"] == [4242]
        assert watch.service.files_of_run(4242)[0]["path"] == str(path)
        source = next(source for source in watch.service.sources() if source.source == path.stem)
        assert (source.found_by, source.state, source.kind) == ("open", "live", "file")


def test_sources_have_short_names_of_their_own() -> None:
    """The stem where it tells something, more of the path where it does not; rotated files share the name."""
    names = SourceNames()
    assert names.name("/srv/a/app.log") == "app"
    assert names.name("/srv/a/app.log.1") == "app"
    assert names.name("/srv/a/app-2026-03-01.log") == "app"
    assert names.name("/srv/b/app.log") == "b/app"
    assert names.name("/srv/b/stdout") == "b/stdout"
    assert names.name("/srv/x,y/a*b.log") == "a_b"


def test_a_deleted_file_is_not_discovered(tmp_path: Path) -> None:
    """A file without a name cannot be found."""
    path = tmp_path / "app.log"
    with Writer(path):
        os.unlink(path)  # noqa: PTH108
        assert not [found for found in scan() if found.startswith(str(tmp_path))]
