"""Everything about logs that the agent runs: finding, following, reading, storing."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import pyarrow as pa

from logs.core.errors import LogsError, StorageError
from logs.core.reading import FileReading
from logs.core.record import LogRecord
from logs.core.settings import LogSettings, SourceState
from logs.core.supervised_thread import SupervisedThread
from logs.following.discovery import Discovery, Found
from logs.following.follower import TOO_MANY, Follower
from logs.following.holders import Holder
from logs.following.journal import Journal
from logs.following.readings import file_readings
from logs.following.rotation import Generations
from logs.following.surroundings import Surroundings
from logs.following.tail import FileTail
from logs.ingest.jobs import Jobs
from logs.parsing.formats import Registry
from logs.parsing.formats.forced import ForcedFormats
from logs.redaction.line_mask import LineMask, masker_of, suspect_of
from logs.storing.checkpoint import BACKFILLING, ERROR, GONE, LIVE, FileState
from logs.storing.sink import RecordSink, StoredRecords

_BUSY_WAIT_S: Final = 0.005
_NEW_S, _NEW_MOST_S, _NEW_REST = 0.05, 0.3, 30
"""Processes that began a moment ago are looked at after rests from the first to the second, of so many times the CPU time that a look took."""
_STOP_S: Final = 5.0
_LOOK_S: Final = 0.5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _View:
    """What is read and followed, for who asks from another thread: the tuples never change, the numbers in what they hold go on."""

    states: tuple[FileState, ...] = ()
    tails: tuple[FileTail, ...] = ()


class LogService:
    """Finds, follows and stores logs, in threads of its own; see `start`.

    One thread, `logs-tail`, owns the follower: others ask it to do something there (`_on_follower`), or read the view that it leaves for them. So nobody who
    asks how the logs are doing ever waits, neither for the store nor for a file.

    Args:
        sink: takes records; `stored` says what is stored already.
        host: this machine's name; `boot_id` its boot.
        run_of_pid: the run that has this pid, or had it until a moment ago; None when it is not known (yet). Called from the service's threads.
        own_pids: the watch's own processes, whose files are not followed.
        mask: hides secrets in a text.
        now: the clock, µs since the epoch.
        on_records: gets records as they are read (before they are stored); a record that grows (a traceback being written) comes again with the same id.
            Called from the service's threads.
        suspect: an RE2 expression that every text with a secret matches: what does not match it is not given to `mask`, which makes reading much faster;
            not needed when `mask` is the method of a `Masker`, which knows its own.
        written_by: the processes that wrote a file, one after the other, where somebody knows better than the list of open files; None else. Called from
            the service's threads.
        generations: where in its log each generation of a file begins, and what is gone, where somebody knows; None else. Called from the service's threads.
    """

    def __init__(
        self,
        *,
        sink: RecordSink,
        stored: StoredRecords,
        settings: LogSettings,
        host: str,
        boot_id: str,
        run_of_pid: Callable[[int], int | None],
        own_pids: Callable[[], set[int]],
        mask: Callable[[str], str],
        now: Callable[[], int],
        on_records: Callable[[list[LogRecord]], object],
        suspect: str | None = None,
        written_by: Callable[[str], Sequence[Holder] | None] = lambda _path: None,
        generations: Callable[[str], Generations | None] = lambda _path: None,
    ) -> None:
        self._generations = generations
        self._written_by = written_by
        self._sink, self._stored = sink, stored
        self._host = host
        self.boot_id = boot_id
        self._own_pids = own_pids
        self._now = now
        self._on_records = on_records
        self._last_ts: dict[str, int] = {}
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._requests: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._found: deque[list[Found]] = deque(
            maxlen=1
        )  # the newest scan alone counts: older ones know of writers that ended
        self._met: deque[list[Found]] = deque(maxlen=1000)
        """Files of processes that began since a scan."""
        self._scans = 0
        self._threads: list[SupervisedThread] = []
        self._tail_thread: SupervisedThread | None = None
        self._errors: dict[str, str] = {}
        self._mask = LineMask(mask, suspect if suspect is not None else suspect_of(mask))
        self._masker = masker_of(mask)
        self._run_of_pid = run_of_pid
        self.settings = settings
        self._around = self._surroundings(settings)
        self._follower = Follower(self._around, [], self._backfill)
        self._view, self._view_of = _View(), (self._follower, -1)
        self._jobs = Jobs(self._around, self._follower, self._on_follower)
        self._journal: Journal | None = None
        self._discovery = self._new_discovery(settings)

    def start(self) -> None:
        """Go on where the last life ended, and look for new files; returns at once.

        Raises:
            StorageError: the store cannot say how far the files were read.
        """
        pa.array([""])  # the first array makes pyarrow import pandas, which takes a second: not while a line waits
        states = self._stored.files()
        journal = next((state for state in states if _of_journal(state)), None)
        self._follower = Follower(self._around, [state for state in states if state is not journal], self._backfill)
        self._follower.found_by.update(self._stored.sources())
        self._refresh_view()
        self._jobs = Jobs(self._around, self._follower, self._on_follower)
        self._jobs.start()
        if self.settings.journal:
            self._start_journal(journal)
        scan = self._thread("logs-scan", self._scan)
        self._tail_thread = self._thread("logs-tail", self._tail)
        self._threads = [scan, self._tail_thread]
        for thread in self._threads:
            thread.start()

    def _thread(self, name: str, work: Callable[[], None]) -> SupervisedThread:
        return SupervisedThread(name, work, stopping=self._stopping, report=partial(self._report, name))

    def stop(self) -> None:
        """Store what was read and end all threads."""
        deadline = time.monotonic() + 2 * _STOP_S
        self._stopping.set()
        self._due.set()
        if self._journal is not None:
            self._journal.stop(_STOP_S)
        self._jobs.stop(_STOP_S)
        ended = [thread.join(max(0.1, deadline - time.monotonic())) for thread in self._threads]
        if all(ended):  # else a thread still waits for the store: what it reads is read again at the next start
            self._follower.close()
        self._sink.flush(max(0.5, deadline - time.monotonic()))

    def configure(self, settings: LogSettings) -> None:
        """Use other settings from now on: patterns at the next scan, the journal at once; the rest for files found later.

        Raises:
            LogsError: the service is ending.
        """
        self._on_follower(lambda: self._apply(settings))
        if self._journal is not None and not settings.journal:
            self._journal.stop(_STOP_S)
            self._journal = None
        elif self._journal is None and settings.journal and self._threads:
            self._start_journal(next((s for s in self._stored.files() if _of_journal(s)), None))

    def _apply(self, settings: LogSettings) -> None:
        """On the follower's thread."""
        self.settings = settings
        self._around = self._surroundings(settings)
        self._follower.around = self._jobs.around = self._around
        self._discovery = self._new_discovery(settings)
        self._follower.reread_formats()
        for key, tail in list(self._follower.tails.items()):
            if self._discovery.excludes(tail.path):
                self._follower.release(key)

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
        view = self._view
        groups: dict[str, list[FileState]] = {}
        for state in view.states:
            groups.setdefault(state.source, []).append(state)
        tails = {tail.state.file_id: tail for tail in view.tails}
        result = [self._source(name, states, tails) for name, states in groups.items()]
        result.append(self._journal_source())
        return sorted(result, key=lambda source: source.source)

    def sources_by_path(self) -> dict[str, str]:
        """The name of the source of each file that is known, by its path now. It never waits: for the event loop, too."""
        view = self._view
        return {state.path: state.source for state in (*view.states, *(tail.state for tail in view.tails))}

    def readings(self, source: str) -> list[FileReading]:
        """How the files of a source are read. Looks into the files.

        Raises:
            LogsError: there is no such source, or it has no files.
        """
        view = self._view
        states = [state for state in view.states if state.source == source]
        if not states:
            raise LogsError(
                f"there is no source {source!r} with files", hint="`watchkeeper logs sources` lists all sources."
            )
        tails = [tail for tail in view.tails if tail.state.source == source]
        return file_readings(self._around, states, tails, self._follower.names.base)

    def files_of_run(self, run: int) -> list[dict[str, Any]]:
        """The log files that a run holds open, and those that hold records of it: `{"path", "source", "size", "stored_to", "state"}`.

        Raises:
            StorageError: the store cannot be asked.
        """
        view = self._view
        tails = {tail.state.file_id: tail for tail in view.tails}
        written = set(self._stored.files_of_run(run))
        written.update(number for number, tail in tails.items() if run in tail.writers.runs)
        states = {state.file_id: state for state in view.states}
        return [_file_of_run(states[number], tails.get(number)) for number in sorted(written & states.keys())]

    def health(self) -> dict[str, Any]:
        """`{"sources", "files", "records", "backfilling", "missed_bytes", "waiting", "errors"}` for the status; `waiting` says why records cannot be stored now, and is empty else.

        It never waits: for the event loop, too.
        """
        view, journal, waiting = self._view, self._journal, self._sink.error
        errors = [waiting] if waiting else []
        for found in (self._errors, self._around.forced.errors, self._follower.errors, self._jobs.errors):
            errors.extend(found.copy().values())
        if journal is not None and journal.error:
            errors.append(journal.error)
        states = view.states
        return {
            "sources": len({state.source for state in states}) + int(journal is not None and journal.present),
            "files": len(view.tails),
            "records": sum(state.records for state in states) + (journal.state.records if journal is not None else 0),
            "backfilling": len(self._jobs.backfilling) + sum(self._behind(tail) > 0 for tail in view.tails),
            "missed_bytes": sum(state.missed_bytes for state in states),
            "waiting": waiting or "",
            "errors": errors[:20],
        }

    def flush(self, timeout_s: float) -> bool:
        """Wait until what has been read is stored; False when it takes longer."""
        return self._sink.flush(timeout_s)

    def awaits(self, file_id: int, pos: int) -> bool:
        """Whether a record there may have been shown but is not stored yet."""
        state = self._follower.states.get(file_id)
        return state is not None and pos >= state.stored_to

    def _scan(self) -> None:
        while not self._stopping.is_set():
            self._scans += 1
            self._found.append(list(self._discovery.scan().values()))
            if self._threads:
                self._threads[0].well()
            self._meet(time.monotonic() + self.settings.scan_s)

    def _meet(self, until: float) -> None:
        """Until the next scan, look at processes as they begin."""
        rest = _NEW_S
        while (left := until - time.monotonic()) > 0 and not self._stopping.wait(min(left, rest)):
            began = time.thread_time()
            if found := self._discovery.look_at_new():
                self._met.append(found)
            rest = min(max(_NEW_S, _NEW_REST * (time.thread_time() - began)), _NEW_MOST_S)

    # --- on the thread that owns the follower

    def _on_follower(self, work: Callable[[], T]) -> T:
        """Do something with the follower on its own thread, and answer what it answers; at once where that thread does not run.

        Raises:
            LogsError: the service is ending.
        """
        owner = self._tail_thread
        if owner is None or owner.current:
            return work()
        done: Future[T] = Future()
        self._requests.append((work, done))
        self._due.set()
        while True:
            try:
                return done.result(_LOOK_S)
            except TimeoutError:
                if self._stopping.is_set() and done.cancel():
                    raise LogsError("The service that reads logs is ending.", hint="Ask again later.") from None

    def _answer_requests(self) -> None:
        while self._requests:
            work, done = self._requests.popleft()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(work())
            except Exception as error:  # noqa: BLE001 - it goes to whoever asked
                done.set_exception(error)

    def _tail(self) -> None:
        resumed = False
        next_round = 0.0
        while not self._stopping.is_set():
            self._due.clear()
            self._answer_requests()
            began = time.monotonic()
            if began >= next_round:
                resumed = resumed or self._guarded("resume", self._follower.resume)
                self._adopt_found()
                busy = self._poll()
                spent = time.monotonic() - began
                hurried = busy and spent > self.settings.poll_s / 2
                next_round = (
                    began + spent + (_BUSY_WAIT_S if hurried else max(_BUSY_WAIT_S, self.settings.poll_s - spent))
                )
                if self._tail_thread is not None:
                    self._tail_thread.well()
            self._refresh_view()
            self._due.wait(max(0.0, next_round - time.monotonic()))

    def _adopt_found(self) -> None:
        """Follow what a scan found. A file that the store does not answer about is reported; the next scan finds it again."""
        if not self._found and not self._met:
            return
        refused = ""
        met = [one for _ in range(len(self._met)) for one in self._met.popleft()]
        scanned: Sequence[Found] = []
        if self._found:
            scanned = self._found.pop()
            self._follower.errors.pop(TOO_MANY, None)  # a scan has all files: what it says of their number is new
        for number, one in enumerate((*met, *scanned)):
            try:
                self._follower.adopt(one, more=number < len(met))
            except StorageError as error:
                refused = f"{one.path} is not followed yet: {error.message}"
        self._report("adopt", refused)
        for errors in (self._follower.errors, self._jobs.errors):
            for path in [path for path in errors.copy() if path.startswith("/") and not os.path.lexists(path)]:
                errors.pop(path, None)  # nobody can do anything about a file that is gone

    def _poll(self) -> int:
        busy = 0

        def poll() -> None:
            nonlocal busy
            busy = self._follower.poll()

        self._guarded("poll", poll)
        return busy

    def _guarded(self, what: str, work: Callable[[], None]) -> bool:
        """Do it; a store that does not answer is reported until the same work succeeds."""
        try:
            work()
        except StorageError as error:
            self._report(what, error.message)
            return False
        self._report(what, "")
        return True

    def _report(self, what: str, error: str) -> None:
        """Keep an error for the status; an empty one says that it has passed."""
        if error:
            self._errors[what] = error
        else:
            self._errors.pop(what, None)

    def _refresh_view(self) -> None:
        follower = self._follower
        if self._view_of != (follower, follower.version):
            self._view_of = (follower, follower.version)
            self._view = _View(tuple(follower.states.values()), tuple(follower.tails.values()))

    def _show(self, records: list[LogRecord]) -> None:
        for record in records:
            self._last_ts[record.source] = max(record.ts, self._last_ts.get(record.source, 0))
        self._on_records(records)

    def _backfill(self, state: FileState, writers: Any) -> None:
        self._jobs.backfill(state, writers)

    def _surroundings(self, settings: LogSettings) -> Surroundings:
        registry = Registry(settings.own_formats)
        return Surroundings(
            host=self._host, settings=settings, sink=self._sink, stored=self._stored, now=self._now, mask=self._mask, run_of_pid=self._run_of_pid,
            show=self._show, registry=registry, forced=ForcedFormats(settings.formats, registry), masker=self._masker,
            written_by=self._written_by, generations=self._generations,
        )  # fmt: skip

    def _new_discovery(self, settings: LogSettings) -> Discovery:
        return Discovery(
            globs=settings.globs,
            excluded=settings.exclude,
            own_pids=self._own_pids,
            discover=settings.discover,
            named=settings.named,
            run_of_pid=self._run_of_pid,
            big_bytes=settings.big_file_bytes,
        )

    def _start_journal(self, remembered: FileState | None) -> None:
        self._journal = Journal(
            sink=self._sink, host=self._host, now=self._now, mask=self._mask, run_of_pid=self._run_of_pid, show=self._show, remembered=remembered,
        )  # fmt: skip
        self._journal.start()

    def _source(self, name: str, states: list[FileState], tails: dict[int, FileTail]) -> SourceState:
        newest = max(states, key=lambda state: (state.file_id in tails, state.generation, state.first_seen))
        tail = tails.get(newest.file_id)
        size = tail.size if tail is not None else newest.size
        stored_to = _stored_to(tail) if tail is not None else newest.stored_to
        waiting = sum(state.waiting for state in states if state.state == BACKFILLING) + (
            self._behind(tail) if tail else 0
        )
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
            last_ts=self._last_ts.get(name), missed_bytes=sum(s.missed_bytes for s in states), emptied_bytes=sum(s.emptied_bytes for s in states),
            rotated_bytes=sum(s.rotated_bytes for s in states), gaps=sum(s.gaps for s in states), truncations=sum(s.truncations for s in states),
        )  # fmt: skip

    def _behind(self, tail: FileTail) -> int:
        """Bytes that a followed file has and that were not read yet, where they are more than a moment's work; 0 else."""
        behind = tail.size - tail.position
        return behind if behind > self.settings.big_file_bytes else 0

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
            last_ts=self._last_ts.get("journal"), missed_bytes=0, emptied_bytes=0, rotated_bytes=0, gaps=0, truncations=0,
        )  # fmt: skip


def _stored_to(tail: FileTail) -> int:
    """How far the file is stored; the open record counts when it is."""
    return tail.position if tail.quiet else tail.state.stored_to


def _file_of_run(state: FileState, tail: FileTail | None) -> dict[str, Any]:
    """A file as the page of a run shows it; one that is not followed any more as it was last seen."""
    if tail is None:
        return {
            "path": state.path,
            "source": state.source,
            "size": state.size,
            "stored_to": state.stored_to,
            "state": state.state,
        }
    return {
        "path": tail.path,
        "source": state.source,
        "size": tail.size,
        "stored_to": _stored_to(tail),
        "state": state.state,
    }


def _of_journal(state: FileState) -> bool:
    """Whether the state is the journal's, whose cursor stands where a file has its place."""
    return state.path == "journal" and not state.inode
