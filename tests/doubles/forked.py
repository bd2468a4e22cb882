"""Real processes of Watchkeeper that need not import everything again: each is forked from one that has.

Each is a process with its own arguments, environment, standard streams and exit code. Only the imports are shared, half a second of a
core for a command and more than a second for an agent or a dashboard. Where the start itself is tested, start `python -m monitor` or
`python app.py`.
"""

import atexit
import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[2]


class ForkServer:
    """Starts `watchkeeper …`; its process begins with the first one, and ends with `close`.

    Args:
        loads: modules that its process imports once.
        leaves_out: modules that its children do without, as `monitor.core.this_process.without` has it.
        script: what its children run, a path below the checkout; without one they are the command `watchkeeper`.
    """

    def __init__(self, *loads: str, leaves_out: Sequence[str] = (), script: str = "") -> None:
        self._setup = json.dumps([loads, leaves_out, script])
        self._server: subprocess.Popen[str] | None = None
        self._asking = threading.Lock()

    @property
    def pid(self) -> int:
        """The parent of what it starts."""
        return self._running().pid

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], files: Sequence[Path]) -> "Forked":
        """Start one, in the checkout; `files` become its standard input, output and errors; the last two are appended to."""
        wish = {"arguments": [*arguments], "environ": dict(environ), "files": [str(file) for file in files]}
        return Forked(self, int(self.ask(wish)))

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], stdin: str | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """What `subprocess.run` of the command would give, captured as text; `seconds` are those of a calm machine."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("in", "out", "err")]
            files[0].write_text(stdin or "", "utf-8")
            command = self.start(arguments, environ, files)
            try:
                code = command.wait(seconds)
            finally:
                command.kill()
            said = [file.read_bytes().decode("utf-8") for file in files[1:]]
            return subprocess.CompletedProcess([*arguments], code, *said)

    def ask(self, wish: Mapping[str, Any]) -> Any:
        """What its process answers to one wish."""
        server = self._running()
        assert server.stdin is not None
        assert server.stdout is not None
        with self._asking:
            print(json.dumps(wish), file=server.stdin, flush=True)
            answer = server.stdout.readline()
        assert answer, "the process that others are forked from has ended"
        return json.loads(answer)

    def close(self) -> None:
        """End its process, which keeps nothing; the end of its standard input alone would not do: a test that forks holds that open, too."""
        server, self._server = self._server, None
        if server is not None:
            server.kill()
            server.communicate(timeout=patient(10))

    def _running(self) -> "subprocess.Popen[str]":
        if self._server is None:
            command = [sys.executable, "-m", "tests.doubles.forked", self._setup]
            self._server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._server


class Forked:
    """One that was started: what `subprocess.Popen` offers, as far as tests need it."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self.returncode is None:
            self.returncode = self._server.ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit code; waits for it up to `timeout` seconds of a calm machine."""
        wait_until(lambda: self.poll() is not None, f"process {self.pid} ends", seconds=timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


COMMANDS = ForkServer("monitor.cli.app", "monitor.client.client", "monitor.live.outlook", "logs.parsing", "logs.query")
"""For commands that end."""
AGENTS = ForkServer("monitor.agent.agent", leaves_out=("pandas", "httpx._main"))
"""For agents, most of whose start are their imports."""
DASHBOARDS = ForkServer(
    "pages.server.routes", "pages.server.lifespan", "streamlit.web.server.starlette", script="app.py"
)
"""For dashboards; what the first page needs is loaded, too."""


def serve(loads: Sequence[str], leaves_out: Sequence[str], script: str) -> None:
    """Fork a child for each wish and answer its pid, or answer how one ended; until the end of standard input."""
    import importlib

    from monitor.core.this_process import begin_loading, end_loading, without

    begin_loading()
    for name in leaves_out:
        without(name)
    for name in loads:
        importlib.import_module(name)
    main = dashboard(script) if script else command()
    end_loading()  # what all children share is not copied because one of them collects garbage
    for line in iter(sys.stdin.readline, ""):
        wish = json.loads(line)
        if "ended" in wish:
            pid, status = os.waitpid(wish["ended"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
            continue
        child = os.fork()
        if not child:
            become(wish["arguments"], wish["environ"], wish["files"])
            end(main)
        print(child, flush=True)


def command() -> Callable[[], None]:
    """The command `watchkeeper`, with all that it makes once."""
    from logs.parsing.formats import Registry
    from monitor.cli.app import main, parser

    parser()
    Registry()
    return main


def dashboard(script: str) -> Callable[[], None]:
    """The dashboard as a script of its own."""
    from pages.server.lifespan import load_pages

    load_pages(lambda: None)
    path = str(ROOT / script)

    def main() -> None:
        sys.argv[0] = path
        runpy.run_path(path, run_name="__main__")

    return main


def end(main: Callable[[], None]) -> NoReturn:
    """Run a command to its end, which waits for its threads as any process does, but does not take apart what was imported."""
    code: object = 1
    try:
        main()
    except SystemExit as wanted:
        code = wanted.code or 0
    except BaseException:  # noqa: BLE001 - what ends a command ends it here
        traceback.print_exc()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def become(arguments: Sequence[str], environ: Mapping[str, str], files: Sequence[str]) -> None:
    """Take over the words, the environment and the standard streams of a command."""
    sys.argv = ["watchkeeper", *arguments]
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` it is ignored, and children inherit that
    added = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, (file, flags) in enumerate(zip(files, (os.O_RDONLY, added, added), strict=True)):
        opened = os.open(file, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the old one has read ahead


if __name__ == "__main__":
    serve(*json.loads(sys.argv[1]))
