"""A real log service with a real writer of its own over a store, without the rest of the agent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from logs.core.record import LogRecord
from logs.core.settings import LogSettings
from logs.following.tail import FileTail
from logs.service import LogService
from monitor.store.interface import Store
from monitor.store.log_records import LogRecords
from monitor.store.record_lanes import ROWS_A_COMMIT
from monitor.store.writer import StoreWriter


def now_us() -> int:
    """The clock, µs since the epoch."""
    return time.time_ns() // 1000


class CountedRecords(LogRecords):
    """The real sink, which counts who waits for it."""

    flushes_begun = flushes_ended = 0

    def flush(self, timeout_s: float) -> bool:
        """As the real one."""
        self.flushes_begun += 1
        try:
            return super().flush(timeout_s)
        finally:
            self.flushes_ended += 1


class LogWatch(LogService):
    """Starts and ends with its writer; `stop` leaves the store open.

    Args:
        store: where records go.
        settings: of the service; the store's own folder is never followed.
        linger_s: how long live records wait for others to be stored together.
        rows_a_commit: as many are written at once while more wait.
    """

    def __init__(
        self,
        store: Store,
        settings: LogSettings,
        *,
        host: str = "h",
        linger_s: float = 0.05,
        rows_a_commit: int = ROWS_A_COMMIT,
        run_of_pid: Callable[[int], int | None] = lambda _pid: None,
        mask: Callable[[str], str] = str,
        now: Callable[[], int] = now_us,
        on_records: Callable[[list[LogRecord]], None] = lambda _records: None,
    ) -> None:
        folder = Path(store.info().path).resolve().parent
        self.writer = StoreWriter(store, data_dir=folder, linger_s=linger_s, rows_a_commit=rows_a_commit)
        self.records = records = CountedRecords(store, self.writer, host, now)
        super().__init__(
            sink=records,
            stored=records,
            settings=replace(settings, exclude=(*settings.exclude, f"{folder}/*")),
            host=host,
            boot_id="b",
            run_of_pid=run_of_pid,
            own_pids=set,
            mask=mask,
            now=now,
            on_records=on_records,
        )

    def start(self) -> None:
        """Begin to write and to read."""
        self.writer.start()
        super().start()

    def stop(self) -> None:
        """Store what was read, and end."""
        super().stop()
        assert self.writer.stop(), "the writer ends in time"

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """While this is held, no file is looked at."""
        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            over.wait(60)

        holder = threading.Thread(target=self._on_follower, args=(hold,), daemon=True)
        holder.start()
        assert held.wait(60)
        try:
            yield
        finally:
            over.set()
            holder.join(60)

    def end_bulk(self) -> None:
        """From now on nothing is backfilled and nothing ingested."""
        self._jobs.stop(5)

    @property
    def scans(self) -> int:
        """How often files were looked for."""
        return self._scans

    @property
    def rounds(self) -> int:
        """How often all files were looked at."""
        return self._follower.rounds

    @property
    def tails(self) -> list[FileTail]:
        """The files that are followed."""
        return list(self._view.tails)
