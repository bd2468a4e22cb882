"""The commands about jobs, as a person calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.doubles.forked import COMMANDS


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return COMMANDS.run(words, os.environ)


def test_track_writes_a_module_that_reports_here(tmp_path: Path) -> None:
    """The file reports to the data directory it was written for, is not replaced unasked, and runs without anything installed."""
    file, data = tmp_path / "wk_track.py", tmp_path / "it's data"
    words = ["track", "--write", str(file), "--data-dir", str(data)]
    first = run(*words)
    assert (first.returncode, first.stderr) == (0, "")
    assert 'with track("scraper") as worker' in first.stdout
    again = run(*words)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    told = run(*words, "--force", "--json")
    assert json.loads(told.stdout) == {"file": str(file), "spool": str(data / "jobs"), "beside": []}
    program = "from wk_track import track\nwith track('w') as w:\n    with w.job(1): pass\n"
    subprocess.run(
        [sys.executable, "-S", "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}"],
        env={},
        check=True,
    )
    (spool,) = (data / "jobs").glob("w-*.jsonl")
    assert [json.loads(line)["e"] for line in spool.read_text().splitlines()] == ["start", "begin", "done", "stop"]


def test_track_is_part_of_the_package(tmp_path: Path) -> None:
    """It can be imported, and loads nothing heavy."""
    program = "import sys\nfrom watchkeeper import track\nprint(callable(track), 'pyarrow' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True False False\n"
