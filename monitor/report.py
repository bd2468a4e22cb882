"""What the agent says of itself: `GET /v1/status` and the live `status` frame."""

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.errors import StoreError
from monitor.paths import readable_by_others

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
    "waiting": "",
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
        self._info = agent.store.info()
        self._looked = time.monotonic()
        self._trouble = ""
        self._errors: dict[str, Any] | None = None

    def about(self) -> dict[str, Any]:
        """What is said to everyone who begins to listen."""
        return {"pid": os.getpid(), "version": self._version, "interval_s": self._agent.account.interval_s}

    def status(self) -> dict[str, Any]:
        """`GET /v1/status`; asks the store now and then, and may then wait for it: not for the event loop."""
        agent = self._agent
        self._look_at_store()
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

    def _look_at_store(self) -> None:
        """Every few seconds; a store that cannot answer is told of, with its size as last known."""
        at = time.monotonic()
        if at - self._looked <= INFO_S:
            return
        self._looked = at
        try:
            self._info, self._trouble = self._agent.store.info(), ""
        except StoreError as error:
            log.warning("the store could not be looked at: %s", error.message)
            self._trouble = error.message

    def store(self) -> dict[str, Any]:
        """The store's part of the status, as last known."""
        info, writer = self._info, self._agent.writer
        return {
            "engine": f"{info.engine} {info.version}".strip(),
            "schema_version": info.schema_version,
            "size_bytes": info.size_bytes,
            "limit_bytes": info.limit_bytes,
            "state": writer.state,
            "message": writer.message or self._trouble,
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
        if agent.writer.dropped:
            found.append(f"{agent.writer.dropped} samples found no room in the store and are lost")
        if waiting := self.log_numbers()["waiting"]:
            found.append(f"log records wait: {waiting}")
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
        self._look_at_store()
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
