"""What the agent says of itself: `GET /v1/status` and the live `status` frame."""

import importlib.metadata
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from monitor.api.runs.ending import run_ending, said_last
from monitor.api_models.machine import DiskOutlook
from monitor.api_models.services import Service
from monitor.api_models.status import (
    AgentStatus,
    GpuStatus,
    LiveStatus,
    LogStatus,
    SamplerStatus,
    SampleStatus,
    Status,
    StoreStatus,
)
from monitor.core.errors import StoreError
from monitor.core.paths import readable_by_others
from monitor.health.readings import culprits
from monitor.jobs.view import JobView
from monitor.lifecycle.failures import FailedProgram
from monitor.live.outlook import DISK_PART_S, DISK_WINDOW_S, disk_outlooks
from monitor.metrics.messages import ENDS_LOST
from monitor.store.tiers import MINUTE

if TYPE_CHECKING:
    from monitor.agent.agent import Agent

log = logging.getLogger("watchkeeper.report")
INFO_S = 5.0
DISKS_S = 60.0
HEAD_CHARS = 300
STUCK_LOOKED_AT = 100
"""Jobs in flight, the longest first, of which the status says whether they are stuck."""
STUCK_TOLD = {"worker", "worker_run", "seq", "job", "seconds"}
PROGRAMS = 20
"""Programs that failed, as a live frame names them."""
SAID_CHARS = 160


def version() -> str:
    """The installed version."""
    try:
        return importlib.metadata.version("watchkeeper")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


class StatusReporter:
    """Builds the reports.

    Args:
        agent: the agent to report on.
        version: its version.
        count_errors: `GET /v1/logs/errors`; asks the store.
    """

    def __init__(self, agent: "Agent", version: str, count_errors: Callable[[], dict[str, Any]]) -> None:
        self._agent, self._version, self._count_errors = agent, version, count_errors
        self._info = agent.store.info()
        self._looked = time.monotonic()
        self._trouble = ""
        self._errors: dict[str, Any] | None = None
        self._filling: list[DiskOutlook] = []
        self._disks_due = 0.0
        self._jobs = JobView(
            agent.store,
            agent.host_name,
            lambda: (agent.settings.jobs.stuck_factor, agent.settings.jobs.stuck_least_s),
        )
        self._stuck: list[dict[str, Any]] = []
        self._said: tuple[FailedProgram | None, str] = None, ""
        self._service_said = ""

    def about(self) -> dict[str, Any]:
        """What is said to everyone who begins to listen."""
        return {"pid": os.getpid(), "version": self._version, "interval_s": self._agent.sample_counter.interval_s}

    def status(self) -> Status:
        """`GET /v1/status`. Asks the store every few seconds, and may wait for it: not for the event loop."""
        agent = self._agent
        self._look_at_store()
        agent.own.measure()
        hello, counter = agent.snapshot.hello, agent.sample_counter
        expected = counter.expected(time.monotonic_ns())
        return Status(
            version=self._version,
            now=time.time_ns() // 1000,
            started=agent.started,
            host=None if hello is None else hello.host,
            agent=AgentStatus(pid=os.getpid(), rss=agent.own.rss, cpu_pct=agent.own.cpu_pct),
            sampler=SamplerStatus(
                pid=agent.sampler.pid,
                state=agent.sampler.state,
                reader=hello.reader if hello else None,
                rss=agent.sampler_cost.rss,
                cpu_pct=agent.sampler_cost.cpu_pct,
                restarts=agent.sampler.restarts,
                message=agent.sampler_message,
                exits=hello.exits if hello else None,
                usage=hello.usage if hello else None,
                ends_lost=self._ends_lost(),
            ),
            socket=agent.listener.endpoint.name,
            data_dir=str(agent.data_dir),
            store=self.store(),
            samples=SampleStatus(
                expected=expected,
                received=counter.received,
                missed=max(0, expected - counter.received),
                stored=agent.writer.stored,
                dropped=agent.writer.dropped,
                last_ts=counter.last_ts,
                lag_ms=counter.lag_ms,
                interval_s=counter.interval_s,
            ),
            logs=self.log_numbers(),
            gpu=self._gpus(),
            live=LiveStatus(subscribers=agent.hub.subscribers, dropped=agent.hub.dropped),
            config=str(agent.settings.path) if agent.settings.path else None,
            warnings=self.warnings(),
            filling=self._filling,
        )

    def _ends_lost(self) -> dict[str, int]:
        tick = self._agent.snapshot.tick
        return {} if tick is None else {name: n for name in ENDS_LOST if (n := tick.quality.errors.get(name, 0))}

    def _gpus(self) -> GpuStatus:
        tick = self._agent.snapshot.tick
        if tick is None:
            return GpuStatus(state="none", message="no sample yet", age_s=None, count=0)
        return GpuStatus(state=tick.gpu.state, message=tick.gpu.message, age_s=tick.gpu.age_s, count=len(tick.gpu.gpus))

    def _look_at_store(self) -> None:
        """Read the size of the store every few seconds. If it cannot answer, the status says so with the last known size."""
        at = time.monotonic()
        if at - self._looked <= INFO_S:
            return
        self._looked = at
        try:
            self._info, self._trouble = self._agent.store.info(), ""
            if at >= self._disks_due and (hello := self._agent.snapshot.hello) is not None:
                self._disks_due = at + DISKS_S
                self._look_at_disks(hello.host.host, time.time_ns() // 1000)
            running = self._jobs.running(time.time_ns() // 1000, limit=STUCK_LOOKED_AT).jobs
            self._stuck = [one.model_dump(include=STUCK_TOLD) for one in running if one.stuck]
        except StoreError as error:
            log.warning("the store could not be read: %s", error.message)
            self._trouble = error.message

    def _look_at_disks(self, host: str, now: int) -> None:
        """Find out which file systems fill. From the store, so that a restart forgets nothing."""
        start = now - DISK_WINDOW_S * 1_000_000
        rows = self._agent.store.query("disk_growth", host=host, start=start, end=now, width=DISK_PART_S * 1_000_000)
        self._filling = disk_outlooks(rows.to_pylist(), now)

    def store(self) -> StoreStatus:
        """The store's part of the status, as far as it is known."""
        info, writer = self._info, self._agent.writer
        return StoreStatus(
            engine=f"{info.engine} {info.version}".strip(),
            schema_version=info.schema_version,
            size_bytes=info.size_bytes,
            limit_bytes=info.limit_bytes,
            state=writer.state,
            message=writer.message or self._trouble,
            notices=list(info.notices),
            archive=info.archive,
        )

    def log_numbers(self) -> LogStatus:
        """Counts of log sources, files and records."""
        service = self._agent.logs.service
        trouble = self._agent.logs.trouble
        found = {"errors": [trouble] if trouble else []} if service is None else service.health()
        return LogStatus(**found, dropped=self._agent.hub.records_dropped, discover=self._agent.settings.logs.discover)

    def warnings(self) -> list[str]:
        """Warnings, as sentences."""
        agent = self._agent
        found = [f"the sampler is {agent.sampler.state}: {agent.sampler_message}"] if agent.sampler_message else []
        if self._info.archive.trouble:
            found.append(f"older log records stay in the store: {self._info.archive.trouble}")
        if agent.writer.state != "ok":
            found.append(f"the store is {agent.writer.state}: {agent.writer.message}")
        if agent.writer.dropped:
            found.append(f"{agent.writer.dropped} samples could not be stored and are lost")
        if waiting := self.log_numbers().waiting:
            found.append(f"log records are waiting: {waiting}")
        found += [trouble] if (trouble := agent.about_jobs()[1]) else []
        hello = agent.snapshot.hello
        if hello is not None and hello.reader == "portable":
            found.append(
                f"readings of {hello.host.platform} come from psutil; pressure, lost time and other users' open log files are missing"
            )
        if readable_by_others(agent.data_dir):
            found.append(f"other users can read {agent.data_dir}; run `chmod 700 {agent.data_dir}`")
        if agent.services.trouble:
            found.append(agent.services.trouble)
        found += [f"{key} takes effect at the next start" for key in agent.restart_needed]
        return found

    def live_status(self) -> dict[str, Any]:
        """The live `status` frame with errors counted anew; asks the store, so not for the event loop."""
        try:
            self._errors = _heads(self._count_errors())
        except StoreError as error:
            log.warning("errors could not be counted: %s", error.message)
            self._errors = None
        self._look_at_store()
        self._look_at_failures()
        return self.known_status()

    def _failed(self) -> tuple[list[Service], list[FailedProgram]]:
        """Services that have failed, and the other programs that failed in the last minutes, the newest first."""
        down = [one for one in self._agent.services.services() if one.state == "failed"]
        return down, self._agent.events.failures.brief(time.time_ns() // 1000, but=[one.name for one in down])

    def _look_at_failures(self) -> None:
        """Find out what the program that failed last said, and the service, if one alone has failed."""
        down, programs = self._failed()
        self._service_said = self._agent.last_words(down[0]) or "" if len(down) == 1 else ""
        one = next(iter(programs), None)
        known, said = self._said
        if one is None or one.run is None or (one == known and (said or time.time_ns() // 1000 - one.ts > MINUTE)):
            return  # what it wrote is read within a minute
        try:
            ending = run_ending(self._agent.store, int(one.run))
        except StoreError as error:
            log.warning("what %s said last could not be read: %s", one.name, error.message)
            return
        said = "" if ending is None else said_last(ending)
        self._said = one, said if len(said) <= SAID_CHARS else f"{said[:SAID_CHARS]}…"

    def known_status(self) -> dict[str, Any]:
        """The same at once, with the errors as they were counted last; `errors` is None before that."""
        agent = self._agent
        down, programs = self._failed()
        said = self._said  # it may be renewed meanwhile
        return {
            "errors": self._errors,
            "logs": self.log_numbers(),
            "engines": agent.engines.brief(),
            "store": self.store(),
            "sampler": {
                "state": agent.sampler.state,
                "message": agent.sampler_message,
                "exits": agent.snapshot.hello.exits if agent.snapshot.hello else None,
                "usage": agent.snapshot.hello.usage if agent.snapshot.hello else None,
                "ends_lost": sum(self._ends_lost().values()),
            },
            "processes": len(agent.snapshot.runs),
            "space": agent.snapshot.space or [],
            "filling": self._filling,
            "alerts": agent.alerts.brief(),
            "services_failed": [one.name for one in down],
            "service_said": self._service_said if len(down) == 1 else "",
            "jobs_stuck": self._stuck,
            "most": {
                kind: {"title": one.title, "value": one.value}
                for kind in ("cpu", "mem", "disk")
                for one in culprits(kind, agent.snapshot)[:1]
            },
            "programs_failed": [
                {**one._asdict(), "said": said[1] if one == said[0] else ""} for one in programs[:PROGRAMS]
            ],
            "warnings": self.warnings(),
        }


def _heads(errors: dict[str, Any]) -> dict[str, Any]:
    """The same with messages cut: a live frame every few seconds need not carry whole tracebacks."""

    def cut(record: dict[str, Any] | None) -> dict[str, Any] | None:
        if record is None or len(record["message"]) <= HEAD_CHARS:
            return record
        return {**record, "message": record["message"][:HEAD_CHARS] + "…"}

    return {**errors, "newest": cut(errors["newest"]), "recent": [cut(record) for record in errors["recent"]]}
