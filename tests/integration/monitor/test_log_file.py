"""The file that a program writes to is rotated without losing a line."""

import subprocess
import sys
from pathlib import Path

from monitor.core.log_file import KEPT, open_log, rotate
from tests.waiting import patient

WRITER = """
import pathlib, sys
from monitor.core.log_file import rotate_output
path = pathlib.Path(sys.argv[1])
for number in range(600):
    print(f"line {number:04}", file=(sys.stdout, sys.stderr)[number % 2], flush=True)
    rotate_output(path, 1000)
"""


def test_a_running_program_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """All that it writes is in the files that are kept, in order; they are small, and only their owner can read them."""
    path = tmp_path / "x.log"
    output = open_log(path)
    command = [sys.executable, "-c", WRITER, str(path)]
    subprocess.run(command, stdout=output, stderr=output, check=True, timeout=patient(60))
    files = [path, *(tmp_path / f"x.log.{number}" for number in range(1, KEPT + 1))]
    lines = "".join(file.read_text() for file in reversed(files)).splitlines()
    assert lines == [f"line {number:04}" for number in range(600 - len(lines), 600)]
    assert len(lines) > 300
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_a_small_file_stays(tmp_path: Path) -> None:
    """Nothing is renamed below the limit, or where no file is."""
    path = tmp_path / "x.log"
    assert not rotate(path, 5)
    path.write_text("12345")
    assert not rotate(path, 5)
    path.write_text("123456")
    assert rotate(path, 5)
    assert (tmp_path / "x.log.1").read_text() == "123456"
