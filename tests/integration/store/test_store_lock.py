"""One agent a data directory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.core.errors import StoreFull, StoreLocked
from monitor.store.lock import DataDirLock, read_pid

HOLD = "import sys,pathlib,time;from monitor.store.lock import DataDirLock;l=DataDirLock(pathlib.Path(sys.argv[1]));print('held',flush=True);sys.stdin.read()"


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    """A second agent is refused, and the refusal names the first one's pid and says what to do."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StoreLocked) as caught:
            DataDirLock(tmp_path)
        assert child.pid == caught.value.pid
        assert str(child.pid) in caught.value.message
        assert "--data-dir" in caught.value.hint
        child.send_signal(signal.SIGKILL)
        child.wait()
    with DataDirLock(tmp_path):
        assert os.getpid() == read_pid(tmp_path / "agent.lock")


def test_release_lets_the_next_one_in(tmp_path: Path) -> None:
    """After `release`, even twice, another can hold it in the same process; before, it cannot."""
    lock = DataDirLock(tmp_path / "made" / "here")
    with pytest.raises(StoreLocked):
        DataDirLock(tmp_path / "made" / "here")
    lock.release()
    lock.release()
    DataDirLock(tmp_path / "made" / "here").release()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A data directory under a regular file cannot be made: a clear error with a hint, not a traceback of the system."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreFull) as caught:
        DataDirLock(tmp_path / "file" / "dir")
    assert caught.value.hint


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nobody can have the agent overwrite a file by a link named agent.lock."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "agent.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreFull):
        DataDirLock(tmp_path)
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("change", ["removed", "replaced", "directory removed", "directory replaced"])
def test_a_file_that_went_is_told(tmp_path: Path, change: str) -> None:
    """The lock says which of the files that must stay is not there any more, or is another one."""
    data = tmp_path / "data"
    with DataDirLock(data) as lock:
        kept = data / "store"
        kept.write_text("history")
        lock.keep(kept)
        assert lock.lost() is None
        kept.write_text("more history")
        assert lock.lost() is None
        if change == "replaced":
            (data / "new").write_text("")
            (data / "new").rename(kept)
        elif change == "removed":
            kept.unlink()
        else:
            data.rename(tmp_path / "moved")
            if change == "directory replaced":
                data.mkdir()
                (data / "agent.lock").write_text("")
        assert lock.lost() == (kept if change in {"removed", "replaced"} else lock.path)
