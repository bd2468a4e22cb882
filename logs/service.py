"""Everything about logs that the agent runs: finding, following, reading, storing."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa

from logs import checkpoint
from logs.checkpoint import BACKFILLING, ERROR, GONE, LIVE, FileState
from logs.committer import Committer
from logs.discovery import Discovery, Found
from logs.errors import LogsError
from logs.follower import Follower, Surroundings
from logs.formats import Registry
from logs.formats.forced import ForcedFormats
from logs.jobs import Jobs
from logs.journal import Journal
from logs.lasting import Lasting
from logs.record import LogRecord
from logs.secrets import LineMask, masker_of, suspect_of
from logs.settings import LogSettings
from logs.tail import FileTail
from monitor.errors import StoreError
from monitor.store.interface import Change, Store

_BUSY_WAIT_S: Final = 0.005
_STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source: where it comes from and how far it is read. Times are µs, sizes bytes; `progress` is 0 to 1, None when all is read."""

    source: str
    kind: str
    path: str | None
    files: int
    size: int | None
    stored_to: int | None
    records: int
    state: str
    progress: float | None
    format: str | None
    found_by: str | None
    error: str | None
    last_ts: int | None
    missed_bytes: int
    truncations: int

    def json(self) -> dict[str, Any]:
        """As the API gives it."""
        return {name: getattr(self, name) for name in self.__slots__}


class LogService:
    """Finds, follows and stores logs, in threads of its own; see `start`.

    Args:
        store: answers questions; safe from any thread.
        commit: stores all changes in one transaction, or raises `StoreFull` having stored none.
        host: this machine's name; `boot_id` its boot.
        run_of_pid: the run that has this pid now, None when it is not known (yet).
        own_pids: the watch's own processes, whose files are not followed.
        mask: hides secrets in a text.
        now: the clock, µs since the epoch.
        on_records: gets records as they are read (before they are stored); a record that grows (a traceback being written) comes again with the same id.
            Called from the service's threads.
        suspect: an RE2 expression that every text with a secret matches: what does not match it is not given to `mask`, which makes reading much faster;
            not needed when `mask` is the method of a `Masker`, which knows its own.
    """

    def __init__(
        self,
        *,
        store: Store,
        commit: Callable[[Sequence[Change]], None],
        settings: LogSettings,
        host: str,
        boot_id: str,
        run_of_pid: Callable[[int], int | None],
        own_pids: Callable[[], set[int]],
        mask: Callable[[str], str],
        now: Callable[[], int],
        on_records: Callable[[list[LogRecord]], None],
        suspect: str | None = None,
    ) -> None:
        self._store = store
        self._host = host
        self.boot_id = boot_id
        self._own_pids = own_pids
        self._now = now
        self._on_records = on_records
        self._last_ts: dict[str, int] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._found: list[Found] = []
        self._threads: list[Lasting] = []
        self._errors: dict[str, str] = {}
        self._mask = LineMask(mask, suspect if suspect is not None else suspect_of(mask))
        self._masker = masker_of(mask)
        self._run_of_pid = run_of_pid
        self.settings = settings
        self._committer = Committer(commit, host, settings.commit_s, now)
        self._registry = Registry()
        self._around = self._surroundings(settings)
        self._follower = Follower(self._around, [], self._backfill)
        self._jobs = Jobs(self._around, self._follower, self._lock)
        self._journal: Journal | None = None
        self._discovery = self._new_discovery(settings)

    def start(self) -> None:
        """Go on where the last life ended, and look for new files; returns at once.

        Raises:
            StoreError: the store cannot say how far the files were read.
        """
        pa.array([""])  # the first array makes pyarrow import pandas, which takes a second: not while a line waits
        states = checkpoint.load(self._store, self._host)
        journal = next((state for state in states if state.path == "journal" and not state.inode), None)
        self._follower = Follower(self._around, [state for state in states if state is not journal], self._backfill)
        for row in self._store.query("log_sources", host=self._host).to_pylist():
            self._follower.found_by[row["source"]] = row["found_by"] or "open"
        self._jobs = Jobs(self._around, self._follower, self._lock)
        self._committer.start()
        self._jobs.start()
        if self.settings.journal:
            self._start_journal(journal)
        for name, work in (("logs-scan", self._scan), ("logs-tail", self._tail)):
            thread = Lasting(name, work, stopping=self._stopping, tell=partial(self._errors.__setitem__, name))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Store what was read and end all threads."""
        deadline = time.monotonic() + 2 * _STOP_S
        self._stopping.set()
        if self._journal is not None:
            self._journal.stop(_STOP_S)
        self._jobs.stop(_STOP_S)
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        with self._lock:
            self._follower.close()
        self._committer.stop(max(0.5, deadline - time.monotonic()))

    def configure(self, settings: LogSettings) -> None:
        """Use other settings from now on: patterns at the next scan, the journal at once; the rest for files found later."""
        with self._lock:
            self.settings = settings
            self._around = self._surroundings(settings)
            self._follower.around = self._around
            self._discovery = self._new_discovery(settings)
            self._follower.reread_formats()
            for key, tail in list(self._follower.tails.items()):
                if self._discovery.excludes(tail.path):
                    self._follower.release(key)
        if self._journal is not None and not settings.journal:
            self._journal.stop(_STOP_S)
            self._journal = None
        elif self._journal is None and settings.journal and self._threads:
            self._start_journal(
                next((s for s in checkpoint.load(self._store, self._host) if s.path == "journal" and not s.inode), None)
            )

    def ingest(self, paths: Sequence[str], format: str | None = None) -> str:  # noqa: A002 - the API's word
        """Read whole files into the store, as fast as it goes; returns the job's id at once.

        Raises:
            LogsError: a path is no readable file, or the format is unknown.
        """
        return self._jobs.ingest(paths, format)

    def ingest_state(self, job: str) -> dict[str, Any]:
        """`{"state": "running|done|failed", "lines", "records", "bytes", "seconds", "progress", "error"}` of a job.

        Raises:
            LogsError: there is no such job.
        """
        return self._jobs.state(job)

    def job(self, name: str) -> dict[str, Any] | None:
        """Like `ingest_state`, None when there is no such job."""
        try:
            return self._jobs.state(name)
        except LogsError:
            return None

    def sources(self) -> list[SourceState]:
        """All sources, by name."""
        with self._lock:
            groups: dict[str, list[FileState]] = {}
            for state in self._follower.states.values():
                groups.setdefault(state.source, []).append(state)
            tails = {tail.state.file_id: tail for tail in self._follower.tails.values()}
            result = [self._source(name, states, tails) for name, states in groups.items()]
        result.append(self._journal_source())
        return sorted(result, key=lambda source: source.source)

    def files_of_run(self, run: int) -> list[dict[str, Any]]:
        """The log files that a run holds open, or wrote while it was watched."""
        with self._lock:
            return [
                {
                    "path": tail.path,
                    "source": tail.state.source,
                    "size": _size_of(tail),
                    "stored_to": _stored_to(tail),
                    "state": tail.state.state,
                }
                for tail in self._follower.tails.values()
                if run in tail.writers.runs
            ]

    def health(self) -> dict[str, Any]:
        """`{"sources", "files", "records", "backfilling", "missed_bytes", "waiting", "errors"}` for the status; `waiting` says why records cannot be stored now, and is empty else."""
        with self._lock:
            states = list(self._follower.states.values())
            for by_path in (self._follower.errors, self._jobs.errors):
                for path in [path for path in list(by_path) if path.startswith("/") and not os.path.lexists(path)]:
                    by_path.pop(path, None)  # what is gone needs nobody's care
            errors = [
                *self._errors.values(),
                *self._around.forced.errors.values(),
                *self._follower.errors.values(),
                *self._jobs.errors.values(),
            ]
            files = len(self._follower.tails)
        journal = self._journal
        if journal is not None and journal.error:
            errors.append(journal.error)
        if self._committer.error:
            errors.insert(0, self._committer.error)
        return {
            "sources": len({state.source for state in states}) + int(journal is not None and journal.present),
            "files": files,
            "records": sum(state.records for state in states) + (journal.state.records if journal is not None else 0),
            "backfilling": len(self._jobs.backfilling),
            "missed_bytes": sum(state.missed_bytes for state in states),
            "waiting": self._committer.error or "",
            "errors": errors[:20],
        }

    def flush(self, timeout_s: float) -> bool:
        """Wait until what has been read is stored; False when it takes longer."""
        return self._committer.flush(timeout_s)

    def awaits(self, file_id: int, pos: int) -> bool:
        """Whether a record there may have been shown but is not stored yet."""
        with self._lock:
            state = self._follower.states.get(file_id)
            return state is not None and pos >= state.stored_to

    def _scan(self) -> None:
        while not self._stopping.is_set():
            found = list(self._discovery.scan().values())
            with self._lock:
                self._found = found
            self._stopping.wait(self.settings.scan_s)

    def _tail(self) -> None:
        with self._lock:
            self._guarded(self._follower.resume)
        while not self._stopping.is_set():
            began = time.monotonic()
            with self._lock:
                found, self._found = self._found, []
                for one in found:
                    self._guarded(lambda one=one: self._follower.adopt(one))  # type: ignore[misc] # bound at once
                busy = self._follower.poll() if self._guarded(lambda: None) else 0
            spent = time.monotonic() - began
            self._stopping.wait(
                _BUSY_WAIT_S
                if busy and spent > self.settings.poll_s / 2
                else max(_BUSY_WAIT_S, self.settings.poll_s - spent)
            )

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do it; a store that does not answer is said and tried again at the next scan."""
        try:
            work()
        except StoreError as error:
            self._errors["store"] = error.message
            return False
        self._errors.pop("store", None)
        return True

    def _show(self, records: list[LogRecord]) -> None:
        for record in records:
            self._last_ts[record.source] = max(record.ts, self._last_ts.get(record.source, 0))
        self._on_records(records)

    def _backfill(self, state: FileState, writers: Any) -> None:
        self._jobs.backfill(state, writers)

    def _surroundings(self, settings: LogSettings) -> Surroundings:
        def positions(file_id: int, position: int) -> list[int]:
            found: list[int] = (
                self._store.query("log_tail_rows", file_id=file_id, pos=position).column("pos").to_pylist()
            )
            return found

        def unnumbered(file_id: int) -> list[int]:
            found: list[int] = self._store.query("log_unnumbered", file_id=file_id).column("pos").to_pylist()
            return found

        return Surroundings(
            host=self._host, settings=settings, committer=self._committer, now=self._now, mask=self._mask, run_of_pid=self._run_of_pid, show=self._show,
            rows_behind=lambda file_id, position: bool(positions(file_id, position)), positions_behind=positions, unnumbered=unnumbered, registry=self._registry,
            forced=ForcedFormats(settings.formats, self._registry),
            masker=self._masker,
        )  # fmt: skip

    def _new_discovery(self, settings: LogSettings) -> Discovery:
        own = os.path.dirname(os.path.realpath(self._store.info().path))  # noqa: PTH120 - a text from the store
        return Discovery(
            globs=settings.globs,
            excluded=(*settings.exclude, own + "/*"),
            own_pids=self._own_pids,
            discover=settings.discover,
        )

    def _start_journal(self, remembered: FileState | None) -> None:
        self._journal = Journal(
            committer=self._committer, host=self._host, now=self._now, mask=self._mask, run_of_pid=self._run_of_pid, show=self._show, remembered=remembered,
        )  # fmt: skip
        self._journal.start()

    def _source(self, name: str, states: list[FileState], tails: dict[int, FileTail]) -> SourceState:
        newest = max(states, key=lambda state: (state.file_id in tails, state.generation, state.first_seen))
        tail = tails.get(newest.file_id)
        size = _size_of(tail) if tail is not None else newest.size
        stored_to = _stored_to(tail) if tail is not None else newest.stored_to
        waiting = sum(state.waiting for state in states if state.state == BACKFILLING)
        error = (
            next((self._follower.errors[s.path] for s in states if s.path in self._follower.errors), None)
            or newest.error
        )
        state = (
            ERROR
            if error
            else (
                BACKFILLING
                if waiting
                else (LIVE if tail is not None else (newest.state if newest.state != LIVE else GONE))
            )
        )
        return SourceState(
            source=name, kind="ingested" if self._follower.found_by.get(name) == "ingest" else "file", path=tail.path if tail is not None else newest.path,
            files=len({(s.dev, s.inode) for s in states}), size=size, stored_to=stored_to, records=sum(s.records for s in states), state=state,
            progress=round(1 - waiting / max(1, size), 4) if waiting else None, format=newest.format, found_by=self._follower.found_by.get(name), error=error,
            last_ts=self._last_ts.get(name), missed_bytes=sum(s.missed_bytes for s in states), truncations=sum(s.truncations for s in states),
        )  # fmt: skip

    def _journal_source(self) -> SourceState:
        journal = self._journal
        present = journal is not None and journal.present
        state = (ERROR if journal.error else LIVE) if journal is not None and present else "absent"
        error = (
            None
            if present
            else ("There is no systemd journal here." if journal is not None else "Switched off in the settings.")
        )
        return SourceState(
            source="journal", kind="journal", path=None, files=0, size=None, stored_to=None, records=journal.state.records if journal is not None else 0,
            state=state, progress=None, format="journal", found_by="journalctl", error=journal.error if journal is not None and journal.error else error,
            last_ts=self._last_ts.get("journal"), missed_bytes=0, truncations=0,
        )  # fmt: skip


def _stored_to(tail: FileTail) -> int:
    """How far the file is stored; the open record counts when it is."""
    return tail.position if tail.quiet else tail.state.stored_to


def _size_of(tail: FileTail) -> int:
    try:
        return os.fstat(tail.fd).st_size
    except OSError:
        return tail.state.size
