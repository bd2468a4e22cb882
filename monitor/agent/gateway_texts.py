"""Prompts and answers of calls through the gateway, where keeping them is switched on: masked, bounded, and gone for good when they are deleted.

They have a file of their own (SQLite, mode 0600) instead of tables in the store: no query of charts or of a person reaches them, and what is deleted is overwritten.
"""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ai.core.errors import InputError
from ai.gateway.link.messages import Texts
from monitor.api_models.gateway import GatewayText, GatewayTextHead, GatewayTextsKept
from monitor.config.sections import GatewaySettings

log = logging.getLogger("watchkeeper.gateway")
TEXT_CHARS: Final = 65_536
"""Characters that are kept of a prompt, and of an answer."""
_MOST_WAITING: Final = 500
_COLLECT_S: Final = 0.5
_LOOK_S: Final = 600.0
"""What is too old goes at least so often, also where nothing new comes."""
_DAY_US: Final = 86_400 * 1_000_000
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS texts (call TEXT PRIMARY KEY, ts INTEGER NOT NULL, prompt TEXT NOT NULL, answer TEXT NOT NULL, "
    "prompt_cut INTEGER NOT NULL, answer_cut INTEGER NOT NULL, size INTEGER NOT NULL)"
)


class GatewayTexts:
    """Keeps them. All but `take` and `keep_storing` block, and may be called from any thread.

    Args:
        path: the file.
        settings: those in force: whether, how long and how much.
        mask: hides secrets.
        now: microseconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        settings: Callable[[], GatewaySettings],
        mask: Callable[[str], str],
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._path, self._settings, self._mask, self._now = path, settings, mask, now
        self._waiting: deque[Texts] = deque()
        self._new = asyncio.Event()
        self._lock = threading.Lock()
        self._changing = threading.Lock()  # what is being written when all is deleted would come back
        self.lost = 0
        """Texts that could not be kept."""

    def take(self, texts: Texts) -> None:
        """Queue those of a call. What comes after keeping was switched off is dropped."""
        if not self._settings().keep_texts:
            return
        self._waiting.append(texts)
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._new.set()

    def wake(self) -> None:
        """Look at the limits soon, because the settings changed."""
        self._new.set()

    async def keep_storing(self) -> None:
        """Write what waits, and delete what is too old or too much, for as long as the agent runs."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._new.wait()
                await asyncio.sleep(_COLLECT_S)
            except TimeoutError:
                pass
            self._new.clear()
            try:
                await asyncio.to_thread(self.store_waiting)
            except (OSError, sqlite3.Error) as error:
                log.warning("prompts and answers cannot be kept: %s", error)

    def store_waiting(self) -> None:
        """Mask and write what waits, then apply the limits.

        Raises:
            OSError, sqlite3.Error: the file cannot be used; what waited is counted as lost.
        """
        with self._changing:
            self._store([self._waiting.popleft() for _ in range(len(self._waiting))])

    def _store(self, batch: list[Texts]) -> None:
        if not batch and not self._path.exists():
            return
        rows = [
            (t.call, t.ts, prompt := self._mask(t.prompt), answer := self._mask(t.answer), t.prompt_cut, t.answer_cut,
             len(prompt.encode("utf-8", "replace")) + len(answer.encode("utf-8", "replace")))
            for t in batch
        ]  # fmt: skip
        try:
            with self._open() as file:
                file.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                self._limit(file)
        except (OSError, sqlite3.Error):
            self.lost += len(batch)
            raise

    def kept(self) -> GatewayTextsKept:
        """How many there are, and what bounds them."""
        wanted = self._settings()
        calls, size, oldest = 0, 0, None
        if self._path.exists():
            with self._open() as file:
                calls, size, oldest = file.execute(
                    "SELECT count(*), coalesce(sum(size), 0), min(ts) FROM texts"
                ).fetchone()
        return GatewayTextsKept(
            keeps=wanted.keep_texts, days=wanted.texts_days, limit=wanted.texts_mb * 2**20, calls=calls, size=size,
            oldest=oldest, lost=self.lost,
        )  # fmt: skip

    def heads(self, limit: int) -> list[GatewayTextHead]:
        """The calls whose texts are kept, newest first."""
        if not self._path.exists():
            return []
        with self._open() as file:
            rows = file.execute("SELECT call, ts, size FROM texts ORDER BY ts DESC LIMIT ?", (limit,)).fetchall()
        return [GatewayTextHead(call=call, ts=ts, size=size) for call, ts, size in rows]

    def read(self, call: str) -> GatewayText:
        """Prompt and answer of a call.

        Raises:
            InputError: none are kept of it.
        """
        row = None
        if self._path.exists():
            with self._open() as file:
                row = file.execute("SELECT * FROM texts WHERE call = ?", (call,)).fetchone()
        if row is None:
            raise InputError(f"Nothing is kept of call {call[:40]!r}.", hint="It may have been deleted, or be too old.")
        return GatewayText(
            call=row[0], ts=row[1], prompt=row[2], answer=row[3], prompt_cut=bool(row[4]), answer_cut=bool(row[5])
        )

    def delete(self, call: str | None) -> int:
        """Delete those of a call, or all; returns of how many calls there were some."""
        with self._changing:
            if call is None:
                self._waiting.clear()
            if not self._path.exists():
                return 0
            with self._open() as file:
                if call is None:
                    return file.execute("DELETE FROM texts").rowcount
                return file.execute("DELETE FROM texts WHERE call = ?", (call,)).rowcount

    def _limit(self, file: sqlite3.Connection) -> None:
        """Delete what is too old, then the oldest until the rest fits."""
        wanted = self._settings()
        file.execute("DELETE FROM texts WHERE ts < ?", (self._now() - wanted.texts_days * _DAY_US,))
        file.execute(
            "DELETE FROM texts WHERE call IN (SELECT call FROM (SELECT call, sum(size) OVER (ORDER BY ts DESC, call) AS newer FROM texts) WHERE newer > ?)",
            (wanted.texts_mb * 2**20,),
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file, for one thread at a time; what is done with it is one transaction."""
        with self._lock:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self._path, timeout=5.0)) as file:
                file.execute("PRAGMA auto_vacuum = FULL")
                file.execute("PRAGMA secure_delete = ON")
                file.execute(_TABLE)
                with file:
                    yield file
