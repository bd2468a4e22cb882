"""One worker process as its parent sees it: started in a session of its own, watched by pidfd, killed as a tree."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ai.worker.messages import WorkerConfig, parse
from ai.worker.tree import MARK, kill_strays, kill_tree, tree_rss

ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder that holds `ai/`, in a checkout and in a wheel."""
_MAX_LINE: Final = 256 * 1024
_TAIL_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a worker ended: its exit code (negative: the signal), and the end of what it wrote to standard error."""

    code: int
    tail: str

    @property
    def words(self) -> str:
        """For people."""
        if self.code >= 0:
            return f"it ended with code {self.code}"
        try:
            return f"it was ended by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"it was ended by signal {-self.code}"


class WorkerProcess:
    """A started worker. `ended` is done when it is gone, its tree killed, its process reaped and its folder removed.

    Args:
        config: what to load; `socket`, `key` and `parent` are filled in here.
        heard: called with each message of the worker.
        module: what to run, for tests.
        run_dir: where the socket's folder (mode 0700) is made; the platform's temporary folder when None.
    """

    def __init__(self, popen: subprocess.Popen[bytes], folder: Path, heard: Callable[[dict[str, Any]], None]) -> None:
        self._popen = popen
        self._folder = folder
        self._heard = heard
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._killed = False
        self.pid = popen.pid
        self.ended: asyncio.Task[Ended] = asyncio.create_task(self._live())

    @classmethod
    def start(
        cls, config: WorkerConfig, heard: Callable[[dict[str, Any]], None], *, module: str = "ai.worker.engines.main"
    ) -> "WorkerProcess":
        """Start a worker; returns at once.

        Raises:
            OSError: the process cannot be started.
        """
        folder = Path(config.socket).parent
        environment = own_environment() | {MARK: folder.name}
        popen = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        assert popen.stdin is not None  # noqa: S101 - asked for above
        with contextlib.suppress(BrokenPipeError):  # it is already gone: `ended` will say how
            popen.stdin.write(config.line())
            popen.stdin.flush()
        return cls(popen, folder, heard)

    def kill(self) -> None:
        """End the worker and everything it started; `ended` follows."""
        self._killed = True
        if self._popen.returncode is None:
            kill_tree(self.pid)

    @property
    def alive(self) -> bool:
        """Whether it runs and has not been told to end; true for no longer than the kernel says so."""
        if self._killed or self.ended.done() or self._popen.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def rss(self) -> int:
        """Resident bytes of the worker and its children, 0 when it is gone."""
        return tree_rss(self.pid)

    async def _live(self) -> Ended:
        """Read what it says until it ends, then clean up after it."""
        exited = asyncio.create_task(_exit_of(self._popen))
        said = asyncio.create_task(self._read(self._popen.stdout, self._message))
        complained = asyncio.create_task(self._read(self._popen.stderr, self._complaint))
        try:
            await asyncio.shield(exited)
        finally:
            # Not reaped yet: its number, and that of its group, can belong to nobody else.
            kill_tree(self.pid)
            await exited
            code = self._popen.wait()
            await asyncio.to_thread(kill_strays, self._folder.name)
            await asyncio.wait({said, complained}, timeout=1.0)
            for task in (said, complained):
                task.cancel()
            await asyncio.gather(said, complained, return_exceptions=True)
            _close(self._popen)
            shutil.rmtree(self._folder, ignore_errors=True)
        return Ended(code, "\n".join(self._tail))

    async def _read(self, pipe: Any, take: Callable[[bytes], None]) -> None:
        reader = asyncio.StreamReader(limit=_MAX_LINE)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while line := await _line(reader):
                take(line)
        finally:
            transport.close()

    def _message(self, line: bytes) -> None:
        if message := parse(line):
            self._heard(message)

    def _complaint(self, line: bytes) -> None:
        self._tail.append(line.decode("utf-8", "replace").rstrip()[:500])


def own_environment() -> dict[str, str]:
    """What a worker, and a process that measures for one, is started with.

    Its threads spin for a moment where they meet, then sleep. On two free cores two give 64 to 73 tokens/s so, 29 when they sleep at once, one 50; the longer they
    spin, the more they starve each other beside other programs, and then fewer generate (`spare`).
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "1000")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    return environment


def new_folder(run_dir: Path | None) -> Path:
    """A folder of mode 0700 for one worker's socket. A Unix socket's path has room for about 100 bytes.

    Raises:
        OSError: it cannot be made.
    """
    return Path(tempfile.mkdtemp(prefix="wk-", dir=run_dir))


async def _exit_of(popen: subprocess.Popen[bytes]) -> None:
    """Until the process has ended; it is left to be reaped by the caller where the platform allows that."""
    if not hasattr(os, "pidfd_open"):
        while popen.poll() is None:  # noqa: ASYNC110 - the platform has no way to be told
            await asyncio.sleep(0.05)
        return
    try:
        fd = os.pidfd_open(popen.pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(fd, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:
        return b"\n"  # longer than a message can be: left out


def _close(popen: subprocess.Popen[bytes]) -> None:
    for pipe in (popen.stdin, popen.stdout, popen.stderr):
        if pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
