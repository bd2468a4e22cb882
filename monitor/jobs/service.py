"""The thread that reads spool files, counts, commits, and closes the jobs of workers that have ended."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.api_models.jobs import JobNews
from monitor.core.endpoint import start_tick_of
from monitor.core.errors import StoreError
from monitor.core.paths import DataFiles
from monitor.core.this_process import boot_id, pid_namespace
from monitor.jobs.counters import FinishedJob, JobRecord, RunCounter
from monitor.jobs.lines import NAME_CHARS, Line, number_of, parse, words_of
from monitor.jobs.patterns import PREFIX, LogBlock, LogPatterns
from monitor.jobs.records import Batch, JobRecords
from monitor.jobs.spool import SUFFIX, Block, Spool, SpoolFile
from monitor.metrics.messages import run_key
from monitor.store.interface import Change, Store
from monitor.store.lives import UNSEEN, ToldLife

log = logging.getLogger("watchkeeper.jobs")
POLL_S: Final = 1.0
AGAIN_S: Final = 2.0
END_WAIT_S: Final = 4.0
LONGEST_WAIT_S: Final = 30.0
"""How long the end of a worker is waited for: of one that the store does not know, and of one whose end it will have."""
"""How long after the end of a worker its exit code may still become known."""
MOST_NAMED: Final = 50
SILENT_US: Final = 86_400_000_000
"""A worker without a lock and without a pid counts as ended after a day without an event."""


def job_service(
    data_dir: Path,
    store: Store,
    commit: Callable[[Sequence[Change]], None],
    *,
    store_ends: Callable[[], None] = lambda: None,
    host: str,
    run_of_pid: Callable[[int], int | None],
    mask: Callable[[str], str],
    patterns: Callable[[], Sequence[str]],
    now: Callable[[], int],
    on_news: Callable[[JobNews], object] = lambda _: None,
    told: Callable[[Sequence[ToldLife]], None] = lambda _: None,
) -> "JobService":
    """The service of a data directory; see `JobService` and `JobRecords`."""
    records = JobRecords(store, commit, host, mask, store_ends)
    found = LogPatterns(store, host, patterns, now)
    spool = Spool(DataFiles(data_dir).jobs)
    return JobService(spool, records, found, host=host, run_of_pid=run_of_pid, now=now, on_news=on_news, told=told)


class JobService:
    """Counts the jobs of one spool folder.

    Args:
        spool: the folder.
        records: what is stored.
        patterns: finds jobs in log records.
        host: the machine's name in the store.
        run_of_pid: the run that has a pid now.
        now: µs since the epoch.
        clock: monotonic seconds.
        on_news: is told, at most once a round, that jobs changed; from the service's thread.
        told: gets processes of workers of whose end nobody knows; from the service's thread.
    """

    def __init__(
        self,
        spool: Spool,
        records: JobRecords,
        patterns: LogPatterns,
        *,
        host: str,
        run_of_pid: Callable[[int], int | None],
        now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        on_news: Callable[[JobNews], object] = lambda _: None,
        told: Callable[[Sequence[ToldLife]], None] = lambda _: None,
    ) -> None:
        self._spool, self._records, self._patterns, self._host = spool, records, patterns, host
        self._run_of_pid, self._now, self._clock, self._on_news = run_of_pid, now, clock, on_news
        self._told = told
        self._changed: set[str] = set()
        self._over = self._failed = 0
        self._files: dict[str, SpoolFile] | None = None
        self._runs: dict[str, RunCounter] = {}
        self._gone: dict[str, float] = {}
        """Runs whose worker has gone, and since when that is known."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self.trouble = ""
        """Why jobs cannot be read or stored now, as a sentence."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Stop after the batch that is being committed; returns whether that was in time. What is not committed is read again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        pause = POLL_S
        while not self._stopping.wait(pause):
            try:
                self.round()
            except Exception as error:
                if isinstance(error, (StoreError, OSError)):
                    log.warning("jobs wait: %s", error)
                else:
                    log.exception("reading jobs failed; trying again in %g s", AGAIN_S)
                self.trouble = f"jobs cannot be read now: {error}"
                self._files, self._runs = None, {}  # what was counted and not committed is forgotten and read again
                pause = AGAIN_S
            else:
                self.trouble, pause = "", POLL_S
            self._tell()

    def _tell(self) -> None:
        """Say what the round changed, if anything."""
        if self._changed:
            in_flight = sum(run.in_flight for run in self._runs.values())
            workers = sorted(self._changed)[:MOST_NAMED]
            self._on_news(JobNews(over=self._over, failed=self._failed, in_flight=in_flight, workers=workers))
        self._changed, self._over, self._failed = set(), 0, 0

    def round(self) -> None:
        """Read what is new, and close the runs that have ended.

        Raises:
            StoreError, OSError: try again later; nothing is lost or counted twice.
        """
        if self._files is None:
            self._spool.make()
            self._files = {file.name: file for file in self._records.files()}
            self._runs = {run.worker_run: run for run in self._records.living()}
        names = self._spool.names()
        for name in names:
            self._read(name)
            if self._stopping.is_set():
                return
        for block in self._patterns.blocks(self._known):
            self._commit(self._count_records(block))
            if self._stopping.is_set():
                return
        self._close(names)

    # --- reading

    def _read(self, name: str, *, rest: bool = False) -> None:
        for block in self._spool.blocks(self._known(name), rest=rest):
            self._commit(self._count(block))
            if self._stopping.is_set():
                return

    def _count(self, block: Block) -> Batch:
        batch, now = Batch(), self._now()
        before = self._known(block.after.name)
        same = before.generation == block.after.generation
        file = replace(block.after, worker_run=before.worker_run if same else None)
        for position, data in block.lines:
            line = parse(data)
            if line is None:
                self._run_of(file, None, now, batch).damaged += 1
                continue
            if line.e == "start" and line.run:
                file = replace(file, worker_run=line.run)
            run = self._run_of(file, line, now, batch)
            alone = line.n is None
            counted = run.apply(line, position if line.n is None else line.n, now, ids=alone)
            if line.e == "start":
                self._find_process(run)
            if isinstance(counted, FinishedJob):
                batch.finished.append((run, counted))
            elif isinstance(counted, JobRecord):
                batch.records.append((run, counted))
        if block.damaged:
            self._run_of(file, None, now, batch).damaged += block.damaged
        batch.files.append(file)
        return batch

    def _count_records(self, block: LogBlock) -> Batch:
        """Count what was found in log records: a run for each file and worker, as a number is a position in the file."""
        batch, now = Batch(files=[block.after]), self._now()
        for one in block.found:
            run = self._counter(f"{PREFIX}{block.file_id} {one.worker}", one.worker, now, batch)
            run.process = one.process if one.process is not None else run.process
            counted = run.apply(one.line, one.position, now, ids=True)
            if isinstance(counted, FinishedJob):
                batch.finished.append((run, counted))
        return batch

    def _known(self, name: str) -> SpoolFile:
        """A file as far as it is committed."""
        return (self._files or {}).get(name) or SpoolFile(name)

    def _run_of(self, file: SpoolFile, line: Line | None, now: int, batch: Batch) -> RunCounter:
        """The run that an event belongs to: the one it names, that of its file, or what the file holds of its worker."""
        stem = file.name.removesuffix(SUFFIX)
        worker = ((line.worker if line is not None else None) or stem)[:NAME_CHARS]
        named = (line.run if line is not None else None) or file.worker_run
        return self._counter(named or f"file {stem} {file.generation} {worker}", worker, now, batch)

    def _counter(self, name: str, worker: str, now: int, batch: Batch) -> RunCounter:
        """The counter of a run, which the batch will store."""
        run = self._runs.get(name)
        if run is None:
            run = self._records.run(name) or RunCounter(name, worker, started=now, last_event=now)
            self._runs[name] = run
        batch.runs[name] = run
        return run

    def _find_process(self, run: RunCounter) -> None:
        """Which run of which process the worker is."""
        if run.pid is not None and run.tick is not None and run.boot is not None:
            run.process = run_key(self._host, run.boot, run.pid, run.tick)
        elif run.pid is not None:
            run.process = self._run_of_pid(run.pid)

    def _commit(self, batch: Batch) -> None:
        self._records.commit(batch)
        self._changed.update(run.worker for run in batch.runs.values())
        self._over += len(batch.finished)
        self._failed += sum(job.outcome != "done" for _, job in batch.finished)
        if self._files is not None:
            self._files.update({file.name: file for file in batch.files})
            for name in batch.gone:
                self._files.pop(name, None)

    # --- ends

    def _close(self, names: list[str]) -> None:
        """Delete what was read and is over, and end the runs whose worker has gone."""
        free = {name for name in names if not self._spool.alive(name)}
        for name in sorted(set(self._spool.names()).difference(names)):
            self._read(name)  # a worker opens its next file before it leaves the one before
            names.append(name)
        by_run: dict[str, list[str]] = {}
        for file in (self._files or {}).values():
            if file.worker_run is not None:
                by_run.setdefault(file.worker_run, []).append(file.name)
        for worker_run, files in by_run.items():
            if worker_run not in self._runs:  # it was closed, and then the agent was killed
                self._remove(files)
        for run in list(self._runs.values()):
            files = by_run.get(run.worker_run, [])
            held = [name for name in files if name in names and name not in free]
            if (bool(held) or self._lost_files(run, files, names)) if run.locked else self._lives(run):
                self._gone.pop(run.worker_run, None)
                if run.locked:
                    self._leave([name for name in files if name not in held])
            else:
                self._end(run, files)

    def _lost_files(self, run: RunCounter, files: list[str], names: list[str]) -> bool:
        """Whether somebody deleted the files of a worker that goes on: it notices with its next event."""
        there = run.stopped is None and run.pid is not None and run.tick is not None and run.boot == boot_id()
        return there and not set(files) & set(names) and start_tick_of(run.pid or 0) == run.tick

    def _lives(self, run: RunCounter) -> bool:
        """Whether a worker without a lock still runs, as far as its pid or its last event can tell."""
        if run.stopped is not None:
            return False
        if run.pid is not None and run.process is not None:
            return self._run_of_pid(run.pid) == run.process
        if run.process is not None and run.in_flight:  # known by its log records alone
            return self._records.ending(run.process) is None
        return self._now() - run.last_event < SILENT_US

    def _end(self, run: RunCounter, files: list[str]) -> None:
        """Read the rest of a run whose worker has gone, and close its jobs once it is known how it ended."""
        since = self._gone.setdefault(run.worker_run, self._clock())
        for name in files:
            self._read(name, rest=True)
        ending = None if run.process is None else self._records.ending(run.process)
        waits = run.process is not None and ending is None and (run.in_flight or run.stopped is None)
        if waits and self._clock() - since < (LONGEST_WAIT_S if self._records.is_open(run.process) else END_WAIT_S):
            return
        ended = run.stopped or (ending.at if ending is not None else None) or max(run.last_event, run.started)
        if run.stop_error:
            reason = f"the worker stopped: {run.stop_error}"
        elif ending is not None and ending.words is not None:
            reason = f"the worker ended: {ending.words}"
        elif run.stopped is not None:
            reason = "the worker stopped"
        else:
            reason = "the worker ended; its exit code is unknown"
        if ending is None and (life := self._life(run, files, ended)) is not None:
            self._told([life])
        jobs = run.interrupt(ended, reason, known=ending is not None or run.stopped is not None)
        self._commit(Batch(finished=[(run, job) for job in jobs], runs={run.worker_run: run}))
        del self._runs[run.worker_run]
        self._gone.pop(run.worker_run, None)
        self._remove(files)

    def _life(self, run: RunCounter, files: list[str], ended: int) -> ToldLife | None:
        """The process of a run as the worker described it; None while it goes on, and for one that counts its processes by itself, as a container does."""
        if run.pid is None or run.tick is None or run.boot is None:
            return None
        if run.boot == boot_id() and start_tick_of(run.pid) == run.tick:
            return None
        lines = [line for name in files if (line := parse(self._spool.first(name))) is not None and line.e == "start"]
        said = next((line for line in lines if line.run == run.worker_run), None)
        if said is not None and said.pidns not in {None, pid_namespace()}:
            return None
        return ToldLife(
            boot_id=run.boot,
            pid=run.pid,
            start_tick=run.tick,
            words=() if said is None else words_of(said),
            cwd=said.cwd if said is not None and isinstance(said.cwd, str) else None,
            started=None,
            ended=ended,
            exit_code=None,
            exit_signal=None,
            source=UNSEEN,
            member=None if said is None else number_of(said),
        )

    def _leave(self, files: list[str]) -> None:
        """Delete files that a worker has left for its next ones."""
        for name in files:
            self._read(name, rest=True)
        self._remove([name for name in files if self._spool.is_read(self._known(name))])

    def _remove(self, files: list[str]) -> None:
        for name in files:
            self._spool.remove(name)
        if files:
            self._commit(Batch(gone=files))
