"""`watchkeeper`, run as a person runs it, on a data directory of the test's own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.doubles.forked import COMMANDS


def wk(
    *arguments: str | Path, data_dir: Path, stdin: str | None = None, config: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `watchkeeper`."""
    environ = {
        **os.environ,
        "WATCHKEEPER_DATA_DIR": str(data_dir),
        "WATCHKEEPER_CONFIG": str(config or data_dir.parent / "w.toml"),
    }
    return COMMANDS.run([*map(str, arguments)], environ, stdin)


def answer(*arguments: str | Path, data_dir: Path) -> Any:
    """The JSON a command prints; it must succeed."""
    done = wk(*arguments, "--json", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
