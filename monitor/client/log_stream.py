"""`LogStreamManager`: log records as they arrive, and records that a program shows to everybody who watches.

from watchkeeper import LogStreamManager

streams = LogStreamManager()
with streams.stream_logs("worker", {"query": "level>=warn"}) as stream:
    for record in stream:
        print(record.ts, record.message, f"({stream.missed} missed)" if stream.missed else "")

streams.broadcast_log_event({"source": "deploy", "level": "warn", "message": "version 7 is going out"})
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from monitor.api_models.logs import BroadcastDone, LogEntry, Record
from monitor.api_models.status import Subscription
from monitor.client.client import Client, Live
from monitor.client.parsing import parsed
from monitor.core import paths
from monitor.core.errors import QueryError

_HELLO_S: Final = 30.0


class LogStream:
    """Records of one stream, in the order in which they arrive. The agent keeps a bounded number for a reader that is slow; what it left out is counted."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._waiting: list[Record] = []
        self.missed = 0
        """Matching records, or whole frames of them, that were not delivered, because this program read too slowly."""

    def __iter__(self) -> Iterator[Record]:
        while True:
            yield self.next()

    def next(self, timeout_s: float | None = None) -> Record:
        """The next record. One that grows, such as a traceback, comes again with the same ID.

        Raises:
            TimeoutError: none came in time.
            AgentUnreachable: the agent stopped.
        """
        while not self._waiting:
            frame = _received(self._live, timeout_s)
            if frame["t"] == "lost":
                self.missed += frame["frames"]
            if frame["t"] == "logs":
                self.missed += frame["dropped"]
                self._waiting = [Record.model_validate(record) for record in reversed(frame["records"])]
        return self._waiting.pop()


class LogStreamManager:
    """Streams of log records from the running agent.

    Args:
        client: of an agent; by default the one of this user.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._client = client or Client.of(paths.data_dir(None, os.environ))

    @contextmanager
    def stream_logs(self, source: str | None = None, filters: Mapping[str, Any] | None = None) -> Iterator[LogStream]:
        """Records that arrive from now on, of a source (`*` matches any text) or of all; `filters` are those of the log API.

        Raises:
            QueryError: the filters are wrong.
            AgentError: the agent cannot be reached.
        """
        wanted = {**(filters or {}), **({} if source is None else {"source": source})}
        wish = Subscription(host=False, status=False, logs=wanted, history_s=0)
        with self._client.live(wish) as live:
            while _received(live, _HELLO_S)["t"] != "hello":
                pass
            yield LogStream(live)

    def broadcast_log_event(self, entry: LogEntry | Mapping[str, Any]) -> int:
        """Show a record to all streams and open pages whose filters it matches; it is not stored. Returns how many get it.

        Raises:
            AgentError: the agent refuses it, or cannot be reached.
        """
        body = entry if isinstance(entry, LogEntry) else LogEntry.model_validate(entry)
        return parsed(
            BroadcastDone, self._client.request("POST", "/v1/logs/broadcast", body=body.model_dump(mode="json"))
        ).streams


def _received(live: Live, timeout_s: float | None) -> dict[str, Any]:
    frame = live.receive(timeout_s)
    if frame["t"] == "error":
        raise QueryError(frame["error"]["message"], hint=frame["error"]["hint"])
    return frame
