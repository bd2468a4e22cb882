"""`watchkeeper …` in a process of its own that need not import everything again: it is forked from one that has.

Each command is a real process with its own arguments, environment, standard streams and exit code; only the imports,
half a second of a core each time, are shared. Where the start itself is tested, start `python -m monitor`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.waiting import patient

ROOT = Path(__file__).resolve().parents[2]


class CommandLine:
    """Runs commands one after another; its process begins with the first, and ends with `close`."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def run(
        self, arguments: list[str], environ: Mapping[str, str], stdin: str | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """What `subprocess.run` of the command would give, captured as text."""
        server = self._running()
        assert server.stdin is not None
        assert server.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("in", "out", "err")]
            files[0].write_text(stdin or "", "utf-8")
            wish = {"arguments": arguments, "environ": dict(environ), "files": [str(file) for file in files]}
            print(json.dumps(wish), file=server.stdin, flush=True)
            hung = threading.Timer(patient(seconds), server.kill)
            hung.start()
            code = server.stdout.readline()
            hung.cancel()
            assert code, f"{arguments} did not end in time"
            said = [file.read_bytes().decode("utf-8") for file in files[1:]]
            return subprocess.CompletedProcess(arguments, int(code), *said)

    def close(self) -> None:
        """End its process, which keeps nothing; the end of its standard input alone would not do: a test that forks holds that open, too."""
        server, self._server = self._server, None
        if server is not None:
            server.kill()
            server.communicate(timeout=patient(10))

    def _running(self) -> "subprocess.Popen[str]":
        if self._server is None:
            command = [sys.executable, "-m", "tests.doubles.command_line"]
            self._server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._server


COMMANDS = CommandLine()
"""The one of this process of tests."""


def serve() -> None:
    """Read a wish a line, run it in a child, and answer its exit code; until the end of standard input."""
    import monitor.cli.app
    import monitor.client.client

    for line in iter(sys.stdin.readline, ""):
        wish = json.loads(line)
        child = os.fork()
        if not child:
            become(wish["arguments"], wish["environ"], wish["files"])
            monitor.cli.app.main()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(arguments: list[str], environ: Mapping[str, str], files: list[str]) -> None:
    """Take over the words, the environment and the standard streams of a command."""
    sys.argv = ["watchkeeper", *arguments]
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    for number, (file, flags) in enumerate(
        zip(files, (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT), strict=True)
    ):
        opened = os.open(file, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the old one has read ahead


if __name__ == "__main__":
    serve()
