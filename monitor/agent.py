"""The agent: puts the parts together, runs them, and ends them in order. The one place that knows everyone."""

import asyncio
import importlib.metadata
import logging
import os
import platform
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import uvicorn

import logs
from ai.discovery import DiscoveryConfig, discover
from ai.service.thread import AiThread
from logs import search
from monitor.account import SampleAccount
from monitor.api import Context, create_app
from monitor.api.ai_desk import MODELS, ai_thread
from monitor.api_keys import resolve_keys
from monitor.chores import Chores
from monitor.costs import OwnCost, ReportedCost
from monitor.endpoint import write_endpoint
from monitor.engines import EngineWatch
from monitor.errors import StoreError
from monitor.intake import Intake
from monitor.listening import Listener, listen
from monitor.live import Hub
from monitor.masking import Masker
from monitor.parent import end_with_parent
from monitor.paths import DataFiles
from monitor.report import Reporter
from monitor.sampling.process import SamplerProcess
from monitor.settings import EngineSettings, Settings
from monitor.store import open_store
from monitor.store.interface import Store
from monitor.store.lock import DataDirLock
from monitor.wire import Hello, Message
from monitor.world import World
from monitor.writer import StoreWriter

log = logging.getLogger("watchkeeper.agent")
STATUS_S: Final = 5.0
UPKEEP_S: Final = 60.0


def version() -> str:
    """The installed version."""
    try:
        return importlib.metadata.version("watchkeeper")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


class Server(uvicorn.Server):
    """uvicorn, with the signals left to the agent."""

    def capture_signals(self) -> Any:
        """Capture none."""
        import contextlib

        return contextlib.nullcontext()


class Agent:
    """One watch over one machine.

    Args:
        settings: those in force at the start.
        data_dir: where everything is kept; it must exist.
        environ: the environment, for the runtime directory.
        sampler_command: another sampler than our own, for tests.
        parent: end when this process ends.
    """

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        *,
        environ: Mapping[str, str],
        sampler_command: Sequence[str] | None = None,
        parent: int | None = None,
    ) -> None:
        self.settings, self.data_dir, self._environ = settings, data_dir, environ
        self._sampler_command, self._parent = sampler_command, parent
        self.started = now_us()
        self.masker = Masker(settings.masking.extra)
        self.world = World()
        self.account = SampleAccount(settings.sampling.interval_s)
        self.own, self.sampler_cost = OwnCost(), ReportedCost()
        self.hub = Hub(self.world, logs.record_json, self._known_status)
        self.engines = EngineWatch(lambda: self.settings.engines, self._look_at_engines, self._publish_soon)
        self.sampler_message = ""
        self.restart_needed: list[str] = []
        self.sampler: SamplerProcess
        self.store: Store
        self.writer: StoreWriter
        self.logs: logs.LogService | None = None
        self.ai: AiThread
        self.listener: Listener
        self._reporter: Reporter
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        self._status_due: asyncio.Event
        self._saving: asyncio.Lock
        self._logs_starting: asyncio.Task[None] | None = None
        self._intake: Intake

    def run(self) -> None:
        """Watch until SIGTERM, SIGINT, `POST /v1/shutdown`, or the parent's end.

        Raises:
            StoreLocked: another agent owns the data directory.
            StoreError, ConfigError: the store or the socket cannot be used.
        """
        with DataDirLock(self.data_dir):
            began = time.monotonic()
            self.store = self._open()
            log.info("store open after %.2f s", time.monotonic() - began)
            for notice in self.store.info().notices:
                log.warning("%s", notice)
            try:
                asyncio.run(self._watch())
            finally:
                self.store.close()

    def _open(self) -> Store:
        keep = self.settings.store
        return open_store(
            self.data_dir,
            limit_bytes=keep.limit_mb * 1_000_000,
            memory_limit_mb=keep.memory_limit_mb,
            now=now_us,
            raw_days=keep.raw_days,
            log_days=keep.log_days,
            app_version=version(),
        )

    async def _watch(self) -> None:
        """Start everything, wait for the end, stop everything in the opposite order."""
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._status_due, self._saving = asyncio.Event(), asyncio.Lock()
        for number in _ending_signals():
            try:
                self._loop.add_signal_handler(number, self._ending.set)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda _number, _frame: self._end_soon())
        if self._parent is not None:
            end_with_parent(self._parent, self._end_soon)
        self.writer = StoreWriter(self.store, data_dir=self.data_dir)
        self.writer.start()
        self._intake = Intake(
            world=self.world,
            account=self.account,
            costs=(self.own, self.sampler_cost),
            hub=self.hub,
            writer=self.writer,
            on_loop=self._loop.call_soon_threadsafe,
            greeted=self._greeted,
            now=now_us,
        )
        self.ai = ai_thread(
            settings=lambda: self.settings,
            data_dir=self.data_dir,
            store=self.store,
            writer=self.writer,
            world=self.world,
            host=self.host_name,
            engines=self._engines_found,
            masker=self.masker,
        )
        self.listener = listen(self.data_dir, self._environ)
        interval = self.settings.sampling.interval_s
        self.sampler = SamplerProcess(
            self._hear,
            self._sampler_state,
            interval_s=interval,
            command=self._sampler_command,
            mask=self.masker.extra,
        )
        server = self._server()
        serving = asyncio.create_task(server.serve(sockets=[self.listener.sock]))
        self.sampler.start()
        write_endpoint(self.data_dir, self.listener.endpoint)
        log.info("watching; pid %d, %s", os.getpid(), self.listener.endpoint.name)
        chores = Chores()
        for chore in (self.engines.keep_looking, self.hub.send_records, self._tell_status, self._upkeep):
            chores.begin(chore)
        try:
            await asyncio.wait({serving, asyncio.create_task(self._ending.wait())}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._stop(server, serving, chores)

    def _server(self) -> Server:
        reporter = Reporter(self, version(), lambda: search.errors(self.store, now_us()))
        context = Context(
            host=self.host_name,
            world=self.world,
            store=self.store,
            hub=self.hub,
            logs=lambda: self.logs,
            engines=self.engines,
            ai=self.ai,
            status=reporter.status,
            about=reporter.about,
            settings=lambda: self.settings,
            save_settings=self.save_settings,
            restart_needed=lambda: self.restart_needed,
            shutdown=self._end_soon,
            now=now_us,
            token=self.listener.endpoint.token,
        )
        self._reporter = reporter
        config = uvicorn.Config(
            create_app(context, version()),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=1 << 20,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        return Server(config)

    async def _stop(self, server: Server, serving: "asyncio.Task[None]", chores: Chores) -> None:
        """End in an order that loses nothing: readers first, then the writer, then the address."""
        began = time.monotonic()
        await chores.end()
        server.should_exit = True
        if self._logs_starting is not None:
            await asyncio.wait({self._logs_starting}, timeout=2)
        stops: list[Callable[[], object]] = [lambda: self.sampler.stop(0.5), self.ai.stop]
        if self.logs is not None:
            stops.append(self.logs.stop)
        ends = await asyncio.gather(*(asyncio.to_thread(stop) for stop in stops), return_exceptions=True)
        for error in (end for end in ends if isinstance(end, BaseException)):
            log.error("a part did not end in order", exc_info=error)
        if not await asyncio.to_thread(self.writer.stop):
            log.error("the store took too long; %d samples were not written", self.writer.waiting)
        ended, _ = await asyncio.wait({serving}, timeout=1)
        if ended and not serving.cancelled() and (failure := serving.exception()) is not None:
            log.error("the socket was served no longer", exc_info=failure)
        self.listener.close()
        DataFiles(self.data_dir).endpoint.unlink(missing_ok=True)
        log.info("ended after %.2f s", time.monotonic() - began)

    def _end_soon(self) -> None:
        """Ask for the end; from any thread."""
        self._loop.call_soon_threadsafe(self._ending.set)

    # --- what the sampler says

    def _hear(self, message: Message) -> None:
        """On the sampler's reading thread."""
        self._loop.call_soon_threadsafe(self._intake.accept, message)

    def _sampler_state(self, state: str, message: str) -> None:
        """On the sampler's watching thread."""
        self.sampler_message = message
        if message:
            log.log(logging.WARNING if state == "down" else logging.INFO, "sampler %s: %s", state, message)
        self._loop.call_soon_threadsafe(self._status_due.set)

    def host_name(self) -> str:
        """The machine's name in the store."""
        info = self.world.host
        return info.host if info else platform.node()

    def _greeted(self, hello: Hello) -> None:
        """A sampler said where it is; with the first one the log files can be read."""
        if self.logs is None and self._logs_starting is None:
            self._logs_starting = asyncio.create_task(self._start_logs(hello))

    # --- logs

    async def _start_logs(self, hello: Hello) -> None:
        """The log service begins once the machine's name and boot are known."""

        def begin() -> logs.LogService:
            service = logs.LogService(
                store=self.store,
                commit=self.writer.commit,
                settings=self._log_settings(),
                host=hello.host.host,
                boot_id=hello.host.boot_id,
                run_of_pid=self.world.run_of_pid,
                own_pids=self._own_pids,
                mask=self.masker.mask_text,
                now=now_us,
                on_records=self.hub.publish_records,
            )
            service.start()
            return service

        try:
            self.logs = await asyncio.to_thread(begin)
        except (StoreError, OSError):
            log.exception("log files cannot be followed")
            self._logs_starting = None

    def _log_settings(self) -> "logs.LogSettings":
        s = self.settings.logs
        return logs.LogSettings(
            discover=s.discover,
            journal=s.journal,
            globs=tuple(s.globs),
            exclude=(*s.exclude, f"{self.data_dir}/*"),
            formats=tuple(s.formats),
        )

    def _own_pids(self) -> set[int]:
        """Processes of the watch itself, whose files are not followed."""
        return {pid for pid in (os.getpid(), self.sampler.pid) if pid is not None}

    # --- engines

    async def _look_at_engines(self, where: EngineSettings) -> list[dict[str, Any]]:
        return await look_at_engines(where, [*self.settings.ai.model_paths, str(self.data_dir / MODELS)])

    async def _engines_found(self) -> list[dict[str, Any]]:
        """The engines as last looked at; asked from the thread of `ai`. Before the first look, it is waited for."""
        if self.engines.newest()["checked"] is None:
            look = asyncio.run_coroutine_threadsafe(self.engines.refresh(), self._loop)
            await asyncio.wrap_future(look)
        found: list[dict[str, Any]] = self.engines.newest()["engines"]
        return found

    # --- chores

    def _publish_soon(self) -> None:
        self._status_due.set()

    def _known_status(self) -> dict[str, Any]:
        """For one who begins to listen: what is known now; what must be asked for follows."""
        self._status_due.set()
        return self._reporter.known_status()

    async def _tell_status(self) -> None:
        """The slower news: at first, every 5 s while somebody listens, and when something changed or somebody begins to listen."""
        self.hub.publish_status(await asyncio.to_thread(self._reporter.live_status))
        while not self._ending.is_set():
            try:
                async with asyncio.timeout(STATUS_S):
                    await self._status_due.wait()
                await asyncio.sleep(0.05)
            except TimeoutError:
                pass
            self._status_due.clear()
            if self.hub.subscribers:
                frame = await asyncio.to_thread(self._reporter.live_status)
                self.hub.publish_status(frame)

    async def _upkeep(self) -> None:
        """Retention."""
        while True:
            await asyncio.sleep(UPKEEP_S)
            self.writer.errand(_enforce)

    # --- settings

    async def save_settings(self, changes: Mapping[str, Any]) -> None:
        """Check, write, and apply what can be applied at once."""
        async with self._saving:
            before = self.settings
            after = await asyncio.to_thread(before.save, changes)
            self.settings = after
            restart = {
                row["key"] for row in after.describe() if row["restart"] and before.get(row["key"]) != row["value"]
            }
            self.restart_needed = sorted({*self.restart_needed, *(restart - after.SECRET)})
            if before.logs != after.logs and self.logs is not None:
                await asyncio.to_thread(self.logs.configure, self._log_settings())
            if before.engines != after.engines or before.ai != after.ai:
                self.engines.again()
            if before.store != after.store:
                keep = after.store
                limit = keep.limit_mb * 1_000_000
                if isinstance(self.store, Adjustable):
                    self.store.set_limits(limit_bytes=limit, raw_days=keep.raw_days, log_days=keep.log_days)
                    self.writer.errand(_enforce)
                else:
                    changed = [
                        k for k in ("limit_mb", "raw_days", "log_days") if getattr(before.store, k) != getattr(keep, k)
                    ]
                    self.restart_needed = sorted({*self.restart_needed, *(f"store.{k}" for k in changed)})
            self._publish_soon()


def _ending_signals() -> list[signal.Signals]:
    """What asks for the end: SIGTERM, Ctrl-C, and the end of the terminal unless that is ignored (`nohup`)."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return [signal.SIGTERM, signal.SIGINT]
    return [signal.SIGTERM, signal.SIGINT, hangup]


@runtime_checkable
class Adjustable(Protocol):
    """A store whose limits can change while it is open."""

    def set_limits(self, *, limit_bytes: int, raw_days: float, log_days: float) -> None:
        """Use other limits from now on."""
        ...


async def look_at_engines(where: EngineSettings, model_paths: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Ask the model engines, each with a deadline."""
    paths = await asyncio.to_thread(lambda: tuple(Path(path).expanduser() for path in model_paths))
    keys = await asyncio.to_thread(resolve_keys, where.api_keys, os.environ)
    config = DiscoveryConfig(
        ollama_url=where.ollama_url, openai_urls=tuple(where.openai_urls), model_paths=paths,
        api_keys={url: key for url in where.openai_urls if (key := keys.key_of(url))},
        key_problems={url: why for url in where.openai_urls if (why := keys.problem_of(url))},
    )  # fmt: skip
    return [engine.model_dump(mode="json") for engine in await discover(config)]


def _enforce(store: Store) -> None:
    removed = store.enforce_limit()
    if removed:
        log.info("%d old rows were removed", removed)
