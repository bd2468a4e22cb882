"""Keeps one worker: started when needed, watched, killed when it hangs or grows, restarted within a budget."""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from ai.core.errors import BackendDown, BackendError
from ai.core.pacing import late
from ai.worker.budget import RestartBudget, RestartPolicy
from ai.worker.failures import error_of_end, reported, with_complaint
from ai.worker.messages import WorkerConfig
from ai.worker.process import Ended, WorkerProcess, new_folder
from ai.worker.tree import is_stopped

_CHECK_S: Final = 0.25
_DEAF_S: Final = 0.9
_HEAR_S: Final = 0.5
"""After this program itself was held up: time for what was said meanwhile to be read."""
_SHORT_WAIT_S: Final = 0.5
"""A pause this short is waited for; a longer one is told to the caller, who may have another engine."""


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """When a worker is killed.

    Attributes:
        stopped_s: it is stopped (SIGSTOP) and has been silent this long.
        silent_s: it is loaded and runs, but has been silent this long (swapping, a lock held for ever).
        idle_s: nobody has asked it for this long: its memory is given back.
        memory_limit: resident bytes of its tree; None for no limit.
        data_limit: bytes of private memory the kernel grants it (RLIMIT_DATA); None for no limit.
        nice: its niceness.
        run_dir: where its socket lies; None for the platform's temporary folder.
    """

    stopped_s: float = 1.0
    silent_s: float = 10.0
    idle_s: float = 300.0
    memory_limit: int | None = None
    data_limit: int | None = None
    nice: int = 0
    run_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A worker that serves: where, with which key, and what it said of itself."""

    socket: str
    key: str = field(repr=False)
    pid: int
    config: WorkerConfig
    info: dict[str, Any]
    cold: bool


Reason = Literal["asked", "idle", "hung", "memory", "crashed", "load"]


class Supervisor:
    """One worker at a time. Belongs to one event loop; `close` ends the worker.

    Args:
        name: the backend's name, for errors.
        watch: when to kill.
        restarts: how often to start.
        module: the worker's program, for tests.
    """

    def __init__(
        self,
        name: str,
        watch: WatchPolicy | None = None,
        restarts: RestartPolicy | None = None,
        *,
        module: str = "ai.worker.engines.main",
    ) -> None:
        self._name = name
        self.watch = watch or WatchPolicy()
        self._budget = RestartBudget(restarts or RestartPolicy())
        self._module = module
        self._lock = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._running: Running | None = None
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._reason: Reason = "crashed"
        self._last_beat = self._last_check = self._listens_since = 0.0
        self._last_use = time.monotonic()
        self._active = 0
        self._closed = False
        self._generates: int | None = None
        self._fewest: int | None = None
        self.peak_rss = 0
        self.starts = 0
        self.ended: dict[Reason, int] = {}
        self.last_error: BackendError | None = None

    @property
    def running(self) -> Running | None:
        """The worker that serves now."""
        return self._running

    def fewest_threads(self, *, anew: bool = False) -> int | None:
        """The fewest threads that a worker said to generate with since this was last asked `anew`; None: all that it was given."""
        told = [count for count in (self._fewest, self._generates) if count is not None]
        if anew:
            self._fewest = None
        return min(told, default=None)

    async def ensure(self, config: WorkerConfig, deadline_s: float) -> Running:
        """A worker that serves `config`; started, or restarted with another configuration, when needed.

        Raises:
            BackendDown: it ended while loading, or has been started too often.
            BackendTimeout: it did not load within the deadline.
            BackendOutOfMemory, BadModelFile, MissingPiece: it said so.
        """
        begun = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                await self._lock.acquire()
        except TimeoutError as error:
            raise late(self._name, "load", deadline_s) from error
        try:
            self._last_use = time.monotonic()
            running = self._running
            if (
                running is not None
                and self._process is not None
                and self._process.alive
                and _same(running.config, config)
            ):
                return replace(running, cold=False)
            await self._stop("asked")
            return await self._start(config, deadline_s - (time.monotonic() - begun))
        finally:
            self._lock.release()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """While it lasts, the worker is in use and not idle."""
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            self._last_use = time.monotonic()

    def served(self) -> None:
        """The worker answered a request: earlier crashes are forgiven."""
        self._budget.served()

    async def why_it_ended(self, patience_s: float = 1.5) -> BackendError | None:
        """After a broken connection: what happened to the worker, once that is known; None when it lives."""
        process = self._process
        if process is not None:
            await asyncio.wait({process.ended}, timeout=patience_s)
            if not process.ended.done():
                return None
            if self._watcher is not None:
                await asyncio.wait({self._watcher}, timeout=patience_s)
        return self.last_error

    async def stop(self) -> None:
        """End the worker and free its memory; it is started again when needed."""
        async with self._lock:
            await self._stop("asked")

    async def close(self) -> None:
        """End the worker for good."""
        self._closed = True
        await self.stop()

    async def _start(self, config: WorkerConfig, deadline_s: float) -> Running:
        await self._wait_for_turn()
        folder = new_folder(self.watch.run_dir)
        config = replace(
            config, socket=str(folder / "w.sock"), key=secrets.token_urlsafe(32), parent=os.getpid(),
            data_limit=self.watch.data_limit, nice=self.watch.nice,
        )  # fmt: skip
        self._ready = asyncio.get_running_loop().create_future()
        self._reason, self.last_error, self.peak_rss, self._generates = "crashed", None, 0, None
        self._last_beat = self._last_check = self._listens_since = time.monotonic()
        try:
            self._process = WorkerProcess.start(config, self._heard, module=self._module)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise BackendDown(
                f"The worker of {self._name} cannot be started: {error.strerror}.", backend=self._name
            ) from error
        self.starts += 1
        self._watcher = asyncio.create_task(self._watch_it(self._process, self._ready))
        try:
            async with asyncio.timeout(max(deadline_s, 0.0)):
                info = await asyncio.shield(self._ready)
        except TimeoutError as error:
            await self._stop("load")
            raise late(self._name, "load", deadline_s) from error
        except BackendError as error:
            process = self._process
            await self._stop("load")
            raise with_complaint(error, process.ended.result().tail) from None
        except asyncio.CancelledError:
            await self._stop("asked")
            raise
        self._running = Running(config.socket, config.key, self._process.pid, config, info, cold=True)
        return self._running

    async def _wait_for_turn(self) -> None:
        if self._closed:
            raise BackendDown(f"{self._name} was closed.", backend=self._name)
        wait = self._budget.wait_s()
        if 0 < wait <= _SHORT_WAIT_S:
            await asyncio.sleep(wait)
        elif wait > 0:
            said = f" Last time: {self.last_error.message}" if self.last_error else ""
            raise BackendDown(
                f"The worker of {self._name} ended too often; it is not started again for {wait:.1f} s.{said}",
                backend=self._name,
                hint="Look at the reason; a smaller context or model may help.",
            )

    def _heard(self, message: dict[str, Any]) -> None:
        self._last_beat = time.monotonic()
        if message.get("t") == "threads" and isinstance(now := message.get("now"), int):
            self._generates, self._fewest = now, min(now, self._fewest or now)
        ready = self._ready
        if ready is None or ready.done():
            return
        if message.get("t") == "ready":
            ready.set_result(message)
        elif message.get("t") == "failed":
            self.last_error = reported(self._name, str(message.get("kind")), str(message.get("message")))
            ready.set_exception(self.last_error)

    async def _watch_it(self, process: WorkerProcess, ready: "asyncio.Future[dict[str, Any]]") -> None:
        """Until the worker is gone: beats, memory, idleness; then say how it ended."""
        while not (await asyncio.wait({process.ended}, timeout=_CHECK_S))[0]:
            reason = self._reason_to_kill(process)
            if reason is not None:
                self._reason = reason
                process.kill()
        self._running = None
        self._account(process.ended.result())
        if not ready.done():
            ready.set_exception(
                self.last_error or BackendDown(f"The worker of {self._name} ended.", backend=self._name)
            )
            ready.exception()  # whoever started it may have given up by now

    def _reason_to_kill(self, process: WorkerProcess) -> Reason | None:
        now = time.monotonic()
        if now - self._last_check > _DEAF_S:  # this program was held up, and its ears with it
            self._listens_since = now
        self._last_check = now
        if self._is_hung(process, now):
            return "hung"
        rss = process.rss()
        self.peak_rss = max(self.peak_rss, rss)
        if self.watch.memory_limit is not None and rss > self.watch.memory_limit:
            return "memory"
        idle = self._running is not None and not self._active and not self._lock.locked()
        return "idle" if idle and now - self._last_use > self.watch.idle_s else None

    def _is_hung(self, process: WorkerProcess, now: float) -> bool:
        """Silent for too long. Time in which this program did not listen counts for a worker that is stopped for all to see, and for no other."""
        silent, listened = now - self._last_beat, now - self._listens_since
        if silent > self.watch.stopped_s and listened > min(_HEAR_S, self.watch.stopped_s) and is_stopped(process.pid):
            return True
        loaded = (
            self._running is not None
        )  # a library may keep the interpreter while it loads: the load's deadline watches that
        return loaded and min(silent, listened) > self.watch.silent_s

    def _account(self, ended: Ended) -> None:
        self.ended[self._reason] = self.ended.get(self._reason, 0) + 1
        if self._reason in {"asked", "idle"}:
            return
        if self.last_error is None:
            self.last_error = error_of_end(self._name, self._reason, ended)
        if self.last_error.outage:  # a file that is no model is not the worker's failure
            self._budget.failed()

    async def _stop(self, reason: Reason) -> None:
        process, watcher = self._process, self._watcher
        if process is None:
            return
        self._running = None
        if process.alive:
            self._reason = reason
            process.kill()
        await asyncio.wait({process.ended})
        if watcher is not None:
            await asyncio.wait({watcher})
        self._process = self._watcher = None


def _same(one: WorkerConfig, other: WorkerConfig) -> bool:
    """Whether both ask for the same engine with the same model and settings."""
    blank = {"socket": "", "key": "", "parent": 0, "data_limit": None, "nice": 0}
    return replace(one, **blank) == replace(other, **blank)  # type: ignore[arg-type]  # the fields exist; mypy sees a plain dict
