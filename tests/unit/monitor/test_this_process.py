"""What a process does to itself."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from monitor.core.this_process import AHEAD, ahead

ROOT = Path(__file__).resolve().parents[3]
LOADS = """
import gc
from monitor.core.this_process import begin_loading, end_loading

usual, looked = gc.get_threshold(), []
gc.callbacks.append(lambda phase, told: looked.append(phase))
begin_loading()
kept = [[number] for number in range(20_000)]
assert not looked
end_loading()
assert (gc.get_threshold(), gc.get_freeze_count() > 20_000) == (usual, True)
kept = [[number] for number in range(20_000)]
assert looked
"""


CLOSED = """
import os, sys
os.chdir(sys.argv[1])
for number in range(3):
    os.close(number)
sys.stdin = sys.stdout = sys.stderr = None
from monitor.core.this_process import keep_standard_streams
keep_standard_streams()
print("to nobody", flush=True)
print("to nobody", file=sys.stderr, flush=True)
with open("kept", "w") as file:
    file.write(str(file.fileno()))
    os.write(2, b"said by a library")
"""


def test_a_process_without_standard_streams_keeps_its_files(tmp_path: Path) -> None:
    """What is meant for a terminal that is not there goes nowhere, and not into the next file that is opened."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == 0
    assert int((tmp_path / "kept").read_text()) > 2


def test_what_is_loaded_is_not_looked_over_for_garbage() -> None:
    """While a program loads, nothing is; afterwards garbage is collected as before, without what was loaded."""
    subprocess.run([sys.executable, "-c", LOADS], check=True)


ASK = """
import resource
from monitor.core.this_process import open_more_files
resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))
print(open_more_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(("soft", "hard"), [(200, 500), (500, 500)])
def test_a_process_may_open_as_many_files_as_it_is_allowed_to(soft: int, hard: int) -> None:
    """And knows how many it could before."""
    text = ASK.replace("SOFT", str(soft)).replace("HARD", str(hard))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(soft), str(hard), str(hard)]


@pytest.mark.skipif(sys.platform != "linux", reason="threads of Linux have priorities of their own")
def test_a_thread_goes_ahead_only_for_a_while_and_alone() -> None:
    """Where priorities may not be raised, nothing happens."""
    thread, before = threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with ahead():
        assert os.getpriority(os.PRIO_PROCESS, thread) in {before, max(-20, before - AHEAD)}
        others = {int(task.name) for task in Path("/proc/self/task").iterdir()} - {thread}
        assert all(os.getpriority(os.PRIO_PROCESS, other) == before for other in others)
    assert os.getpriority(os.PRIO_PROCESS, thread) == before
