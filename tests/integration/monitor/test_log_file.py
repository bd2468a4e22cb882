"""The program's own log files are JSON lines; they are rotated by size and each day without losing a line, and compressed."""

import gzip
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from monitor.core.log_file import KEPT, LogFile, open_log, pack, rotate
from tests.waiting import patient, wait_until

WRITER = """
import pathlib, sys
from monitor.core.log_file import pack, rotate_output
path = pathlib.Path(sys.argv[1])
for number in range(600):
    print(f"line {number:04}", file=(sys.stdout, sys.stderr)[number % 2], flush=True)
    rotate_output(path, 1000)
pack(path)
"""
LOGGER = """
import logging, pathlib, sys, warnings
from monitor.core.log_file import say_json_lines
say_json_lines()
late = logging.getLogger("late")
late.propagate = False
late.addHandler(logging.StreamHandler())
say_json_lines()
late.error('said "late"')
deaf = logging.getLogger("deaf")
deaf.propagate = False
deaf.error("said by one without a handler")
warnings.warn("take care")
raise ValueError("the end")
"""


def words(path: Path) -> str:
    """All that the files of a log hold, the oldest first."""
    older = [path.with_name(f"{path.name}.{number}.gz") for number in range(KEPT, 0, -1)]
    return "".join(gzip.decompress(file.read_bytes()).decode() for file in older if file.exists()) + path.read_text()


def test_a_running_program_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """All that it writes is in the files that are kept, in order; they are small, compressed, and only their owner can read them."""
    path = tmp_path / "x.log"
    output = open_log(path)
    command = [sys.executable, "-c", WRITER, str(path)]
    subprocess.run(command, stdout=output, stderr=output, check=True, timeout=patient(60))
    lines = words(path).splitlines()
    assert lines == [f"line {number:04}" for number in range(600)]
    files = sorted(tmp_path.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert [file.name for file in files] == ["x.log", *(f"x.log.{number}.gz" for number in range(1, len(files)))]


def test_a_small_file_of_today_stays(tmp_path: Path) -> None:
    """Nothing is renamed below the limit, or where no file is; what is larger or of an earlier day goes, and the oldest of all for ever."""
    path = tmp_path / "x.log"
    assert not rotate(path, 5)
    path.write_text("12345")
    now = path.stat().st_mtime
    assert not rotate(path, 5, now=now)
    for number in range(KEPT + 2):
        path.write_text(f"{number}")
        assert rotate(path, 5, since=now - 86_400, now=now)
    path.write_text("123456")
    assert rotate(path, 5)
    path.write_text("now")
    pack(path)
    assert words(path) == "".join(map(str, range(3, KEPT + 2))) + "123456now"
    assert len(list(tmp_path.iterdir())) == KEPT + 1


def test_what_was_ended_while_it_was_compressed_is_compressed_the_next_time(tmp_path: Path) -> None:
    """A half-made copy is replaced, and no line is lost."""
    path = tmp_path / "x.log"
    path.write_text("new")
    (tmp_path / "x.log.1").write_text("old")
    (tmp_path / "x.log.1.part").write_bytes(b"half")
    pack(path)
    assert words(path) == "oldnew"


def test_records_are_lines_of_json(tmp_path: Path) -> None:
    """Each record is one line, whatever it says, through a rotation by size; a traceback is part of its message, and a new day begins a new file."""
    path = tmp_path / "agent.log"
    handler = LogFile(path, 2000)
    made = logging.Logger("watchkeeper.test")  # noqa: LOG001 - of this test alone
    made.addHandler(handler)
    for number in range(10):
        made.info("number %d\nof \N{SNOWMAN} \udc80 %s", number, "x" * 100)
    made.error("no luck", exc_info=KeyError("lost"))
    tomorrow = made.makeRecord("later", logging.WARNING, __file__, 1, "good morning", (), None)
    tomorrow.created = time.time() + 86_400
    made.handle(tomorrow)
    wait_until(lambda: not list(tmp_path.glob("*.[0-9]")), "all older files are compressed")
    lines = [json.loads(line) for line in words(path).splitlines()]
    assert [line["message"].split("\n")[0] for line in lines] == [f"number {n}" for n in range(10)] + [
        "no luck",
        "good morning",
    ]
    assert lines[10]["message"].endswith("KeyError: 'lost'")
    assert (lines[10]["level"], lines[10]["logger"], lines[10]["pid"]) == ("error", "watchkeeper.test", os.getpid())
    assert path.read_text().count("\n") == 1
    handler.close()


def test_output_is_lines_of_json(tmp_path: Path) -> None:
    """Loggers with handlers of their own, warnings, and the exception that ends a program are lines of JSON in its output."""
    done = subprocess.run([sys.executable, "-c", LOGGER], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["late", "deaf", "py.warnings", "watchkeeper"]
    assert lines[0]["message"] == 'said "late"'
    assert lines[3]["message"].endswith("ValueError: the end")
