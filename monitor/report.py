"""What the agent says of itself: `GET /v1/status` and the live `status` frame."""

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.errors import StoreError
from monitor.paths import readable_by_others
from monitor.store.interface import StoreInfo

if TYPE_CHECKING:
    from monitor.agent import Agent

log = logging.getLogger("watchkeeper.report")
INFO_S = 5.0
HEAD_CHARS = 300
NO_LOGS: dict[str, Any] = {
    "sources": 0,
    "files": 0,
    "records": 0,
    "backfilling": 0,
    "missed_bytes": 0,
    "errors": [],
}


class Reporter:
    """Builds the reports.

    Args:
        agent: the agent to report on.
        version: its version.
        count_errors: `GET /v1/logs/errors`; asks the store.
    """

    def __init__(self, agent: "Agent", version: str, count_errors: Callable[[], dict[str, Any]]) -> None:
        self._agent, self._version, self._count_errors = agent, version, count_errors
        self._info: tuple[float, StoreInfo] | None = None
        self._errors: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        """`GET /v1/status`, from memory: quick enough for the event loop."""
        agent = self._agent
        agent.own.measure()
        tick, hello = agent.world.tick, agent.world.hello
        expected = agent.account.expected(time.monotonic_ns())
        return {
            "version": self._version,
            "now": time.time_ns() // 1000,
            "started": agent.started,
            "host": None if hello is None else msgspec.to_builtins(hello.host),
            "agent": {"pid": os.getpid(), "rss": agent.own.rss, "cpu_pct": agent.own.cpu_pct},
            "sampler": {
                "pid": agent.sampler.pid,
                "state": agent.sampler.state,
                "reader": hello.reader if hello else None,
                "rss": agent.sampler_cost.rss,
                "cpu_pct": agent.sampler_cost.cpu_pct,
                "restarts": agent.sampler.restarts,
                "message": agent.sampler_message,
            },
            "socket": agent.listener.endpoint.name,
            "data_dir": str(agent.data_dir),
            "store": self.store(),
            "samples": {
                "expected": expected,
                "received": agent.account.received,
                "missed": max(0, expected - agent.account.received),
                "stored": agent.writer.stored,
                "dropped": agent.writer.dropped,
                "last_ts": agent.account.last_ts,
                "lag_ms": agent.account.lag_ms,
                "interval_s": agent.account.interval_s,
            },
            "logs": self.log_numbers(),
            "gpu": {
                "state": tick.gpu.state if tick else "none",
                "message": tick.gpu.message if tick else "no sample yet",
                "age_s": tick.gpu.age_s if tick else None,
                "count": len(tick.gpu.gpus) if tick else 0,
            },
            "live": {"subscribers": agent.hub.subscribers, "dropped": agent.hub.dropped},
            "config": str(agent.settings.path) if agent.settings.path else None,
            "warnings": self.warnings(),
        }

    def store(self) -> dict[str, Any]:
        """The store's part of the status; its size is looked at every few seconds."""
        at = time.monotonic()
        if self._info is None or at - self._info[0] > INFO_S:
            self._info = (at, self._agent.store.info())
        info = self._info[1]
        writer = self._agent.writer
        return {
            "engine": f"{info.engine} {info.version}".strip(),
            "schema_version": info.schema_version,
            "size_bytes": info.size_bytes,
            "limit_bytes": info.limit_bytes,
            "state": writer.state,
            "message": writer.message,
            "notices": list(info.notices),
        }

    def log_numbers(self) -> dict[str, Any]:
        """The log sources in numbers."""
        service = self._agent.logs
        found: dict[str, Any] = dict(NO_LOGS) if service is None else {**NO_LOGS, **service.health()}
        return {**found, "dropped": self._agent.hub.records_dropped}

    def warnings(self) -> list[str]:
        """Sentences a person should read."""
        agent = self._agent
        found = [f"the sampler is {agent.sampler.state}: {agent.sampler_message}"] if agent.sampler_message else []
        if agent.writer.state != "ok":
            found.append(f"the store is {agent.writer.state}: {agent.writer.message}")
        hello = agent.world.hello
        if hello is not None and hello.reader == "portable":
            found.append(
                f"{hello.host.platform} is read through psutil: what that does not know (pressure, lost time, open log files of others) is left out"
            )
        if readable_by_others(agent.data_dir):
            found.append(f"other accounts may look into {agent.data_dir}: chmod 700 closes it")
        found += [f"{key} takes effect at the next start" for key in agent.restart_needed]
        return found

    def live_status(self) -> dict[str, Any]:
        """The live `status` frame with errors counted anew; asks the store, so not for the event loop."""
        try:
            self._errors = _heads(self._count_errors())
        except StoreError as error:
            log.warning("errors could not be counted: %s", error.message)
            self._errors = None
        return self.known_status()

    def known_status(self) -> dict[str, Any]:
        """The same at once, with the errors as they were counted last; `errors` is None before that."""
        agent = self._agent
        return {
            "errors": self._errors,
            "logs": self.log_numbers(),
            "engines": agent.engines.brief(),
            "store": self.store(),
            "sampler": {"state": agent.sampler.state, "message": agent.sampler_message},
            "processes": len(agent.world.runs),
            "warnings": self.warnings(),
        }


def _heads(errors: dict[str, Any]) -> dict[str, Any]:
    """The same with messages cut: a live frame every few seconds need not carry whole tracebacks."""

    def cut(record: dict[str, Any] | None) -> dict[str, Any] | None:
        if record is None or len(record["message"]) <= HEAD_CHARS:
            return record
        return {**record, "message": record["message"][:HEAD_CHARS] + "…"}

    return {**errors, "newest": cut(errors["newest"]), "recent": [cut(record) for record in errors["recent"]]}
