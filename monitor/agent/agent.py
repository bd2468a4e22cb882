"""The agent: puts the parts together, runs them, and stops them in order. The only module that knows all parts."""

import asyncio
import logging
import os
import platform
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import logs
from ai.gateway.link.keys import KeyFile
from ai.service.thread import AiThread
from logs.query import search
from logs.redaction.masker import Masker
from monitor.agent.ai_runtime import MODELS, ai_thread
from monitor.agent.alerting import alerts_of
from monitor.agent.background import Background, after, until_lost
from monitor.agent.engine_watch import EngineWatch, check_engines
from monitor.agent.gateway import GatewayProcess
from monitor.agent.gateway_records import GatewayRecords
from monitor.agent.gateway_texts import GatewayTexts
from monitor.agent.listener import Listener, Server, listen, server_of
from monitor.agent.log_runtime import LogRuntime
from monitor.agent.status import StatusReporter, version
from monitor.agent.store_limits import changed, enforce, opened
from monitor.api import Context, create_app
from monitor.api_models.events import ProcessEvent
from monitor.api_models.services import Service
from monitor.config.sections import EngineSettings
from monitor.config.settings import Settings
from monitor.core.endpoint import write_endpoint
from monitor.core.errors import StoreError
from monitor.core.paths import DataFiles
from monitor.core.this_process import end_loading, end_with_parent, ending_signals
from monitor.health.alerts import Alerts
from monitor.jobs.service import JobService, job_service
from monitor.launcher.running import read_dashboard
from monitor.live.asked import Asked
from monitor.live.audit import Audit
from monitor.live.event_log import EventLog
from monitor.live.hub import Hub
from monitor.live.ingest import Ingest
from monitor.live.newcomers import Newcomers
from monitor.live.process_events import ProcessEvents
from monitor.live.sample_counter import SampleCounter
from monitor.live.self_cost import OwnCost, ReportedCost
from monitor.live.snapshot import Snapshot
from monitor.live.unstored import UnstoredEnds
from monitor.metrics.messages import Hello, Message
from monitor.sampling.process import SamplerProcess
from monitor.services.last_words import last_words
from monitor.services.service_events import ServiceEvents
from monitor.services.supervisor import Supervisor
from monitor.store.interface import Store
from monitor.store.lives import ToldLife, reasons
from monitor.store.lock import DataDirLock
from monitor.store.log_records import LogRecords
from monitor.store.writer import StoreWriter

log = logging.getLogger("watchkeeper.agent")
STATUS_S: Final = 5.0
UPKEEP_S: Final = 60.0


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


class Agent:
    """The agent of one data directory.

    Args:
        settings: the settings at the start.
        data_dir: the data directory; it must exist.
        environ: the environment, for the runtime directory.
        sampler_command: replaces the sampler, for tests.
        parent: stop when this process ends.
        open_files: the limit of open files that services get.
    """

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        *,
        environ: Mapping[str, str],
        sampler_command: Sequence[str] | None = None,
        parent: int | None = None,
        open_files: int | None = None,
    ) -> None:
        self.settings, self.data_dir, self._environ = settings, data_dir, environ
        self._sampler_command, self._parent = sampler_command, parent
        self.started = now_us()
        self.masker = Masker(settings.masking.extra)
        self.snapshot = Snapshot()
        self.newcomers = Newcomers(self.snapshot, self.masker)
        self.unstored = UnstoredEnds()
        self.asked = Asked(self.snapshot)
        self.sample_counter = SampleCounter(settings.sampling.interval_s)
        self.own, self.sampler_cost = OwnCost(), ReportedCost()
        self.hub = Hub(self.snapshot, search.record_rows, self._known_status)
        self.engines = EngineWatch(lambda: self.settings.engines, self._look_at_engines, self._publish_soon)
        self.sampler_message = ""
        self.restart_needed: list[str] = []
        self.sampler: SamplerProcess
        self.store: Store
        self.writer: StoreWriter
        self.events: ProcessEvents
        self.alerts: Alerts
        self.audit: Audit
        self.jobs: JobService | None = None
        self.ai: AiThread
        self.gateway: GatewayProcess
        self.gateway_records: GatewayRecords
        self.gateway_texts: GatewayTexts
        self.services = Supervisor(
            self.data_dir,
            self.settings,
            environ=self._environ,
            run_of=self.newcomers.run_of,
            mask=self.masker.mask_cmdline,
            changed=lambda: self.logs.services_changed(),  # noqa: PLW0108 - they need the services' files
            happened=ServiceEvents(lambda: self.events.tell, self.last_words).became,
            ended=self._lives_over,
            asked=self.asked.note,
            open_files=open_files,
        )
        self.listener: Listener
        self._reporter: StatusReporter
        self._lock: DataDirLock
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        self._status_due: asyncio.Event
        self._saving: asyncio.Lock
        self.logs = LogRuntime(
            settings=lambda: self.settings,
            data_dir=self.data_dir,
            outputs=self.services.outputs,
            begin=self._log_service,
        )
        self._ingest: Ingest

    def run(self) -> None:
        """Run until SIGTERM, SIGINT, `POST /v1/shutdown`, or the end of the parent.

        Raises:
            StoreLocked: another agent owns the data directory.
            StoreError, ConfigError: the store or the socket cannot be used, or was removed meanwhile.
        """
        with DataDirLock(self.data_dir) as self._lock:
            began = time.monotonic()
            self.store = opened(self.data_dir, self.settings.store, now_us, version())
            self._lock.keep(Path(self.store.info().path))
            log.info("store open after %.2f s", time.monotonic() - began)
            for notice in self.store.info().notices:
                log.warning("%s", notice)
            try:
                asyncio.run(self._watch())
            finally:
                self.store.close()

    async def _watch(self) -> None:
        """Start everything, wait, and stop everything in reverse order."""
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._status_due, self._saving = asyncio.Event(), asyncio.Lock()
        for number in ending_signals():
            try:
                self._loop.add_signal_handler(number, self._ending.set)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda _number, _frame: self._end_soon())
        if self._parent is not None:
            end_with_parent(self._parent, self._end_soon)
        self.writer = StoreWriter(self.store, data_dir=self.data_dir)
        self.writer.start()
        self.events = ProcessEvents(
            snapshot=self.snapshot,
            hub=self.hub,
            writer=self.writer,
            file=EventLog(DataFiles(self.data_dir).event_log),
            settings=lambda: self.settings.events,
            engine_of=self.engines.of_run,
            engine_ended=self.engines.ended,
            began=self.engines.began,
            own_pids=self._own_pids,
            host=self.host_name,
            mask=self.masker.mask_text,
            told=lambda events: self.alerts.take_events(events),  # noqa: PLW0108 - they are made with the events
        )
        self.alerts = alerts_of(self, self._environ, self._status_due.set, self._loop.call_soon_threadsafe)
        await asyncio.to_thread(self.alerts.recall)
        self.alerts.apply(self.settings.alert)
        self.audit = Audit(self.writer, self.events, self.host_name, now_us, self._loop.call_later)
        self._ingest = Ingest(
            snapshot=self.snapshot,
            sample_counter=self.sample_counter,
            costs=(self.own, self.sampler_cost),
            hub=self.hub,
            writer=self.writer,
            events=self.events,
            newcomers=self.newcomers,
            unstored=self.unstored,
            asked=self.asked,
            on_loop=self._loop.call_soon_threadsafe,
            greeted=self._greeted,
            sampled=self.alerts.take,
            now=now_us,
            masked=self.masker.mask_cmdline,
        )
        self.ai = ai_thread(
            settings=lambda: self.settings,
            data_dir=self.data_dir,
            store=self.store,
            writer=self.writer,
            snapshot=self.snapshot,
            host=self.host_name,
            engines=self._engines_found,
            mask=self.masker.mask_text,
        )
        self.gateway_records = GatewayRecords(self.writer.commit, self.snapshot, self.host_name, self.masker.mask_text)
        files = DataFiles(self.data_dir)
        self.gateway_texts = GatewayTexts(files.gateway_texts, lambda: self.settings.gateway, self.masker.mask_text)
        self.gateway = GatewayProcess(
            lambda: self.settings.gateway,
            self.ai,
            KeyFile(files.gateway_keys),
            self.gateway_records.call,
            on_texts=self.gateway_texts.take,
            used_file=files.gateway_used,
        )
        self.listener = listen(self.data_dir, self._environ)
        self.sampler = SamplerProcess(
            self._hear,
            self._sampler_state,
            interval_s=self.settings.sampling.interval_s,
            command=self._sampler_command,
            mask=self.masker.extra,
        )
        server = self._server()
        serving = asyncio.create_task(server.serve(sockets=[self.listener.sock]))
        self.sampler.start()
        self.alerts.notifier.start()
        write_endpoint(self.data_dir, self.listener.endpoint)
        log.info("watching; pid %d, %s", os.getpid(), self.listener.endpoint.name)
        background = Background()
        own = (self._tell_status, self._upkeep, self.hub.send_records, self.alerts.keep_looking)
        looking = after(self.services.adopted, self.engines.keep_looking)  # whose first look loads an HTTP client
        kept = (self.services.keep_services, looking, self.gateway.keep)
        for task in (*own, *kept, self.gateway_records.keep_storing, self.gateway_texts.keep_storing):
            background.begin(task)
        end_loading()
        losing, ending = asyncio.create_task(until_lost(self._lock.lost)), asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({serving, ending, losing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._stop(server, serving, background)
        if losing.done():
            log.error("%s", losing.result())
            raise losing.result()

    def _server(self) -> Server:
        reporter = StatusReporter(self, version(), lambda: search.errors(self.store, now_us()))
        context = Context(
            host=self.host_name,
            snapshot=self.snapshot,
            store=self.store,
            unstored=self.unstored,
            store_ends=self.writer.hurry,
            hub=self.hub,
            events=self.events,
            alerts=self.alerts,
            logs=lambda: self.logs.service,
            engines=self.engines,
            jobs=self.about_jobs,
            ai=self.ai,
            gateway=self.gateway,
            gateway_records=self.gateway_records,
            gateway_texts=self.gateway_texts,
            status=reporter.status,
            about=reporter.about,
            settings=lambda: self.settings,
            save_settings=self.save_settings,
            save_alert=self.save_alert,
            log_formats=self.logs.formats,
            reread_formats=self.logs.apply,
            searches=self.logs.searches,
            services=self.services,
            last_words=self.last_words,
            audit=self.audit,
            asked=self.asked,
            own_pids=self._protected_pids,
            restart_needed=lambda: self.restart_needed,
            shutdown=self._end_soon,
            now=now_us,
            token=self.listener.endpoint.token,
        )
        self._reporter = reporter
        return server_of(create_app(context, version()))

    async def _stop(self, server: Server, serving: "asyncio.Task[None]", background: Background) -> None:
        """Stop in an order that loses nothing: readers first, then the writer, then the address."""
        began = time.monotonic()
        await background.end()
        self.audit.close()
        server.should_exit = True
        try:
            async with asyncio.timeout(1.0):
                await self.gateway_records.store_waiting()
        except (TimeoutError, StoreError) as failed:
            log.warning("the last calls through the gateway were not stored: %s", failed)
        await self.logs.stop_starting()
        stops: list[Callable[[], object]] = [lambda: self.sampler.stop(0.5), self.ai.stop, self.alerts.notifier.stop]
        if self.logs.service is not None:
            stops.append(self.logs.service.stop)
        if self.jobs is not None:
            stops.append(self.jobs.stop)
        ends = await asyncio.gather(*(asyncio.to_thread(stop) for stop in stops), return_exceptions=True)
        for error in (end for end in ends if isinstance(end, BaseException)):
            log.error("a part did not end in order", exc_info=error)
        if not await asyncio.to_thread(self.writer.stop):
            log.error("the store took too long; %d samples were not written", self.writer.waiting)
        ended, _ = await asyncio.wait({serving}, timeout=1)
        if ended and not serving.cancelled() and (failure := serving.exception()) is not None:
            log.error("the socket was served no longer", exc_info=failure)
        ours = self._lock.lost() != self._lock.path
        self.listener.close(remove=ours)
        if ours:
            DataFiles(self.data_dir).endpoint.unlink(missing_ok=True)
        log.info("ended after %.2f s", time.monotonic() - began)

    def _end_soon(self) -> None:
        """Request a stop, from any thread."""
        self._loop.call_soon_threadsafe(self._ending.set)

    # --- messages of the sampler

    def _hear(self, message: Message) -> None:
        """Called on the sampler's reading thread."""
        self._loop.call_soon_threadsafe(self._ingest.accept, message)

    def _sampler_state(self, state: str, message: str) -> None:
        """Called on the sampler's supervising thread."""
        self.sampler_message = message
        if message:
            unexpected = state == "down" and not self._ending.is_set()
            log.log(logging.WARNING if unexpected else logging.INFO, "sampler %s: %s", state, message)
        self._loop.call_soon_threadsafe(self._status_due.set)

    def host_name(self) -> str:
        """The machine's name in the store."""
        info = self.snapshot.host
        return info.host if info else platform.node()

    def _greeted(self, hello: Hello) -> None:
        """A sampler has started. The first one starts what needs the host: jobs, and logs, which need the boot ID too."""
        if self.jobs is None:
            self.jobs = job_service(
                self.data_dir,
                self.store,
                self.writer.commit,
                store_ends=self.writer.hurry,
                host=hello.host.host,
                run_of_pid=self.newcomers.run_of_pid,
                mask=self.masker.mask_text,
                patterns=lambda: self.settings.jobs.patterns,
                now=now_us,
                on_news=lambda news: self._loop.call_soon_threadsafe(self.hub.publish_jobs, news),
                told=self.newcomers.tell,
            )
            self.jobs.start()
        self.logs.host_known(hello)

    def about_jobs(self) -> tuple[str, str]:
        """The spool folder of jobs, and why they cannot be read now."""
        return str(DataFiles(self.data_dir).jobs), self.jobs.trouble if self.jobs is not None else ""

    # --- logs

    def _log_service(self, hello: Hello, settings: logs.LogSettings) -> logs.LogService:
        """A log service that reads. Called on a thread."""
        records = LogRecords(self.store, self.writer, hello.host.host, now_us, self._patterns_found)
        service = logs.LogService(
            sink=records,
            stored=records,
            settings=settings,
            host=hello.host.host,
            boot_id=hello.host.boot_id,
            run_of_pid=self.newcomers.run_that_had,
            own_pids=self._own_pids,
            mask=self.masker.mask_text,
            now=now_us,
            on_records=self._records_read,
            written_by=self.services.writers_of,
            generations=self.services.generations_of,
        )
        service.start()
        self.snapshot.paths_of = lambda source: [one.path or "" for one in service.sources() if one.source == source]
        return service

    def _records_read(self, records: Sequence[logs.LogRecord]) -> int:
        """Records came, before they are stored. Called on the threads that read."""
        self.alerts.offer(records)
        return self.hub.publish_records(records)

    def _patterns_found(self, events: list[ProcessEvent]) -> None:
        """Logs have new patterns. Called on the writer's thread."""
        self._loop.call_soon_threadsafe(self.events.publish, events)

    def last_words(self, service: Service) -> str | None:
        """What a service said before it failed. Blocking."""
        return last_words(service, self.services.writers_of(service.output) or (), self.masker.mask_text)

    def _lives_over(self, lives: Sequence[ToldLife]) -> None:
        """Main processes of services are over. Why one was ended is told at once."""
        self.newcomers.tell(lives)
        self.writer.note(reasons(self.host_name(), lives))

    def _protected_pids(self) -> set[int]:
        """Processes that nobody may act on: Watchkeeper's own, the dashboard and the launcher among them."""
        board = read_dashboard(self.data_dir) or {}
        others = (self._parent, board.get("pid"), *self.services.shims())
        return self._own_pids() | {pid for pid in others if pid is not None}

    def _own_pids(self) -> set[int]:
        """Watchkeeper's own processes. Their files are not followed."""
        return {pid for pid in (os.getpid(), self.sampler.pid, self.gateway.pid) if pid is not None}

    # --- engines

    async def _look_at_engines(self, where: EngineSettings) -> list[dict[str, Any]]:
        found = await check_engines(where, self.settings.ai, [self.data_dir / MODELS], mask=self.masker.mask_cmdline)
        for process in (engine["process"] for engine in found if engine.get("process")):
            run = self.snapshot.run_of_pid(process["pid"])
            process["run"] = None if run is None else str(run)
        return found

    async def _engines_found(self) -> list[dict[str, Any]]:
        """The engines at their last check; waits for one where the settings say now. Called on the thread of `ai`."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.engines.current(), self._loop))

    # --- maintenance tasks

    def _publish_soon(self) -> None:
        self._status_due.set()
        self.gateway.wake()

    def _known_status(self) -> dict[str, Any]:
        """The status for a new subscriber, as far as it is known. A complete one follows."""
        self._status_due.set()
        return self._reporter.known_status()

    async def _tell_status(self) -> None:
        """Publish the status: at the start, every 5 s while there are subscribers, on changes, and for new subscribers."""
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
                self.hub.publish_status(await asyncio.to_thread(self._reporter.live_status))

    async def _upkeep(self) -> None:
        """Apply the store's limits regularly."""
        while True:
            await asyncio.sleep(UPKEEP_S)
            self.writer.maintenance(enforce)

    # --- settings

    async def save_settings(self, changes: Mapping[str, Any]) -> None:
        """Validate and save settings, and apply those that need no restart."""
        async with self._saving:
            before = self.settings
            self.settings = after = await asyncio.to_thread(before.save, changes)
            restart = {
                row["key"] for row in after.describe() if row["restart"] and before.get(row["key"]) != row["value"]
            }
            self.restart_needed = sorted({*self.restart_needed, *(restart - after.SECRET)})
            if before.logs != after.logs:
                await self.logs.apply()
            if before.engines != after.engines or before.ai != after.ai:
                self.engines.again()
            self.gateway.wake()
            self.gateway_texts.wake()
            if before.store != after.store:
                later = changed(self.store, before.store, after.store)
                self.restart_needed = sorted({*self.restart_needed, *later})
                self.writer.maintenance(enforce)
            self._publish_soon()

    async def save_alert(self, name: str, table: Mapping[str, Any] | None) -> None:
        """Validate and save one alert rule, or remove it (`table` is None), and watch by the rules as they are then."""
        async with self._saving:
            self.settings = await asyncio.to_thread(self.settings.save_alert, name, table)
            self.alerts.apply(self.settings.alert)
