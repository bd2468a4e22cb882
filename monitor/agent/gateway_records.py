"""Calls through the gateway in the store: `gateway_calls`. They wait in a bounded queue, and leave it once they are stored."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from ai.gateway.link.messages import CallRow, Program
from monitor.core.errors import StoreError
from monitor.core.process_title import title_of
from monitor.live.snapshot import Snapshot
from monitor.metrics.messages import run_key
from monitor.store.interface import Append, Change

log = logging.getLogger("watchkeeper.gateway")
_SCHEMA: Final = pa.schema(
    [
        ("host", pa.string()), ("ts", pa.timestamp("us")), ("call", pa.string()), ("api", pa.string()), ("route", pa.string()), ("run", pa.int64()),
        ("pid", pa.int32()), ("uid", pa.int32()), ("program", pa.string()), ("key_name", pa.string()), ("wanted", pa.string()),
        ("backend", pa.string()), ("model", pa.string()), ("stream", pa.bool_()), ("attempts", pa.int32()), ("outcome", pa.string()),
        ("status", pa.int32()), ("message", pa.string()), ("queued_s", pa.float64()), ("ttft_s", pa.float64()), ("total_s", pa.float64()),
        ("prompt_tokens", pa.int32()), ("completion_tokens", pa.int32()), ("tokens_origin", pa.string()), ("tokens_per_s", pa.float64()),
        ("bytes_in", pa.int64()), ("bytes_out", pa.int64()),
    ]
)  # fmt: skip
_MOST_WAITING: Final = 20_000
_BATCH: Final = 2_000
_COLLECT_S: Final = 0.5
_AGAIN_S: Final = 5.0


class GatewayRecords:
    """Stores calls.

    Args:
        commit: writes rows and returns when they are in; blocks.
        snapshot: the processes of now.
        host: the machine's name in the store.
        mask: hides secrets in what engines said.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Change]], None],
        snapshot: Snapshot,
        host: Callable[[], str],
        mask: Callable[[str], str],
    ) -> None:
        self._commit, self._snapshot, self._host, self._mask = commit, snapshot, host, mask
        self._waiting: deque[dict[str, Any]] = deque()
        self._new = asyncio.Event()
        self.lost = 0
        """Calls that fell out of the queue while the store took none."""

    def call(self, row: CallRow) -> None:
        """Queue a call."""
        self._waiting.append(self._row(row))
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._new.set()

    async def keep_storing(self) -> None:
        """Write what waits, some calls at a time, for as long as the agent runs."""
        while True:
            await self._new.wait()
            await asyncio.sleep(_COLLECT_S)
            try:
                await self.store_waiting()
            except StoreError as error:
                log.warning("calls through the gateway cannot be stored yet: %s", error.message)
                await asyncio.sleep(_AGAIN_S)

    async def store_waiting(self) -> None:
        """Write all that waits.

        Raises:
            StoreError: the store does not take them now; they go on waiting.
        """
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            try:
                await asyncio.to_thread(
                    self._commit, [Append("gateway_calls", pa.Table.from_pylist(batch, schema=_SCHEMA))]
                )
            except StoreError:
                self._waiting.extendleft(reversed(batch))
                raise
        self._new.clear()

    def program(self, program: Program) -> tuple[int | None, str]:
        """Run and title of a process that the gateway saw. The run is known even of one that ended before the sampler saw it."""
        info = self._snapshot.host
        if program.pid is None or program.start_tick is None or info is None:
            return None, ""
        run = run_key(info.host, info.boot_id, program.pid, program.start_tick)
        seen = self._snapshot.runs.get(run)
        if seen is None:
            return run, title_of(program.name, program.cmdline)
        return run, title_of(seen.name, seen.cmdline, seen.member)

    def _row(self, row: CallRow) -> dict[str, Any]:
        run, title = self.program(row.program)
        return {
            "host": self._host(), "ts": row.ts, "call": row.call, "api": row.api, "route": row.route, "run": run, "pid": row.program.pid,
            "uid": row.program.uid, "program": title, "key_name": row.key, "wanted": row.wanted, "backend": row.backend, "model": row.model,
            "stream": row.stream, "attempts": row.attempts, "outcome": row.outcome, "status": row.status, "message": self._mask(row.message),
            "queued_s": row.queued_s, "ttft_s": row.ttft_s, "total_s": row.total_s, "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens, "tokens_origin": row.tokens_origin, "tokens_per_s": row.tokens_per_s,
            "bytes_in": row.bytes_in, "bytes_out": row.bytes_out,
        }  # fmt: skip
