"""Real processes of Watchkeeper that need not import everything again: each is forked from one that has.

Each is a process with its own arguments, environment, standard streams and exit code. Only the imports are shared, half a second of a
core for a command and more than a second for an agent or a dashboard. Where the start itself is tested, start `python -m monitor` or
`python app.py`.
"""

import atexit
import contextlib
import fcntl
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
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
FOLDER, KEEPER = "FORKED_FOLDER", "FORKED_KEEPER"
MARK = "TEST_SESSION_MARK"
"""What `tests/conftest.py` looks for, to find what tests left running."""


class ForkServer:
    """Starts `watchkeeper …`; its process begins with the first one, serves all workers of the tests, and ends with them.

    Args:
        name: of its socket.
        loads: modules that its process imports once.
        leaves_out: modules that its children do without, as `monitor.core.this_process.without` has it.
        script: what its children run, a path below the checkout; without one they are the command `watchkeeper`.
    """

    def __init__(self, name: str, *loads: str, leaves_out: Sequence[str] = (), script: str = "") -> None:
        self._name = name
        self._setup = json.dumps([loads, leaves_out, script])

    @property
    def pid(self) -> int:
        """The parent of what it starts."""
        return int(self.ask({"pid": True}))

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
        with self._connected() as server, server.makefile(encoding="utf-8") as line:
            server.sendall(f"{json.dumps(wish)}\n".encode())
            answer = line.readline()
        assert answer, "the process that others are forked from has ended"
        return json.loads(answer)

    def _connected(self) -> socket.socket:
        """A connection to its process, which is started by whoever asks first."""
        path = gathering() / self._name
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                self._begin(path)
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(patient(60))  # it may be importing still
        made.connect(str(path))
        return made

    def _begin(self, path: Path) -> None:
        """Start its process, by itself: no worker waits for its end, and none looks for it among what its own tests left."""
        command = [sys.executable, "-m", "tests.doubles.forked", str(path), os.environ[KEEPER], self._setup]
        environ = {name: value for name, value in os.environ.items() if name != MARK}
        subprocess.run(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, check=True, timeout=patient(30))


def gathering() -> Path:
    """The folder of the sockets of all workers' tests; the first process to ask, their parent, is the one whose end ends the servers."""
    if FOLDER not in os.environ:
        os.environ[KEEPER] = str(os.getpid())
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="forked")
        atexit.register(shutil.rmtree, os.environ[FOLDER], ignore_errors=True)
    return Path(os.environ[FOLDER])


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


COMMANDS = ForkServer(
    "commands", "monitor.cli.app", "monitor.client.client", "monitor.live.outlook", "monitor.launcher.running", "logs.parsing", "logs.query",
    "anyio", "certifi", "h11", "httpcore", "ai.service.service", "monitor.agent.ai_runtime", "psutil", "anyio.to_thread", "sniffio", "logs.redaction.masker", "gzip",
)  # fmt: skip
"""For commands that end; without an agent, those that ask a model have the whole service of engines."""
AGENTS = ForkServer(
    "agents", "monitor.agent.agent", "monitor.agent.log_config", "monitor.agent.ai_records", "ai.service.service", "httpcore", "h11", "pydantic.v1",
    "pyarrow.dataset", "pyarrow.parquet", "numpy.ma", "dateutil.relativedelta", "uvicorn.protocols.http.httptools_impl", "uvicorn.lifespan.off",
    "uvicorn.protocols.websockets.websockets_sansio_impl", leaves_out=("pandas", "httpx._main"),
)  # fmt: skip
"""For agents, most of whose start are their imports: those, too, that they put off until they are needed."""
DASHBOARDS = ForkServer(
    "dashboards", "pages.server.routes", "pages.server.lifespan", "streamlit.web.server.starlette", script="app.py"
)
"""For dashboards; what the first page needs is loaded, too."""


def serve(path: str, keeper: int, loads: Sequence[str], leaves_out: Sequence[str], script: str) -> None:
    """Fork a child for each wish and answer its pid, or answer how one ended; until the end of the tests, whose process is `keeper`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    if os.fork():
        os._exit(0)  # who asked goes on; all others wait at the socket until the imports are done
    os.setsid()
    main = _loaded(loads, leaves_out, script)
    while (asking := _asked(listener, keeper)) is not None:
        with asking:
            with asking.makefile(encoding="utf-8") as line:
                asked = line.readline()
            if not asked:
                continue  # who asked has ended
            wish = json.loads(asked)
            if "pid" in wish:
                answer: int | None = os.getpid()
            elif "ended" in wish:
                pid, status = os.waitpid(wish["ended"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
            elif not (answer := os.fork()):
                listener.close()
                asking.close()
                become(wish["arguments"], wish["environ"], wish["files"])
                end(main)
            with contextlib.suppress(ConnectionError):
                asking.sendall(f"{json.dumps(answer)}\n".encode())


def _loaded(loads: Sequence[str], leaves_out: Sequence[str], script: str) -> Callable[[], None]:
    """What children run, once all that they share is imported."""
    from monitor.core.this_process import begin_loading, end_loading, without

    begin_loading()
    for name in leaves_out:
        without(name)
    for name in loads:
        importlib.import_module(name)
    main = dashboard(script) if script else command()
    end_loading()  # what all children share is not copied because one of them collects garbage
    return main


def _asked(listener: socket.socket, keeper: int) -> socket.socket | None:
    """The next who asks; None once the tests have ended."""
    listener.settimeout(0.5)
    while True:
        try:
            asking, _ = listener.accept()
        except TimeoutError:
            try:
                os.kill(keeper, 0)
            except ProcessLookupError:
                return None
        else:
            asking.settimeout(None)
            return asking


def command() -> Callable[[], None]:
    """The command `watchkeeper`, with all that it makes once."""
    from logs.parsing.parse import parse_file
    from monitor.cli.app import main, parser

    parser()
    list(parse_file(ROOT / "LICENSE"))  # its expressions are compiled
    return main


def dashboard(script: str) -> Callable[[], None]:
    """The dashboard as a script of its own."""
    from streamlit.components.v2 import manifest_scanner

    from pages.server.lifespan import load_pages

    load_pages(lambda: None)
    found = manifest_scanner.scan_component_manifests()  # among all installed packages, as at each start
    manifest_scanner.scan_component_manifests = lambda *_args: found
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
    serve(sys.argv[1], int(sys.argv[2]), *json.loads(sys.argv[3]))
