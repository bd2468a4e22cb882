"""Worker processes that parse pieces of big files: as many as there are cores, started when the first piece comes."""

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from logs.core.errors import LogsError
from logs.ingest.chunk import Answer, Chunk, ChunkParser
from logs.ingest.worker import LENGTHS, read_message
from logs.redaction.line_mask import mask_of

_ROOT: Final = Path(__file__).resolve().parents[2]
_DEADLINE_S: Final = 120.0
_ATTEMPTS: Final = 2
_MOST: Final = 4
_END_S: Final = 30.0
_PIPE: Final = 1 << 20
Parsed = tuple[pa.Table, Answer]


class WorkerDied(Exception):
    """The process ended, or did not answer in time, in the middle of a piece."""


class Pool:
    """Parses pieces in processes of their own. Safe from any thread.

    A piece whose worker dies goes to a new one, and when that dies too it is parsed here: no piece is lost.

    Args:
        patterns: further patterns of secrets, see `masking.Masker`.
        size: how many processes; None: one a core, at most four (the store takes no more).
    """

    def __init__(self, patterns: Sequence[str], size: int | None = None) -> None:
        self.size = size if size is not None else min(_MOST, _cores())
        self._patterns = list(patterns)
        self._idle: deque[_Worker] = deque()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="logs-pool")
        self.deaths = 0

    def submit(self, chunk: Chunk, data: bytes) -> "Future[Parsed]":
        """Parse a piece, some time; the result raises LogsError when the pool was closed first."""
        return self._threads.submit(self._parse, chunk, data)

    def pids(self) -> list[int]:
        """The processes that run."""
        with self._lock:
            return [worker.pid for worker in self._all]

    def close(self) -> None:
        """End all processes, in the middle of their work too; idempotent."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in workers:
            worker.end()
        self._all.clear()
        self._idle.clear()

    def _parse(self, chunk: Chunk, data: bytes) -> Parsed:
        description = msgspec.json.encode(chunk)
        for _ in range(_ATTEMPTS):
            worker = self._worker()
            try:
                answer, rows = worker.ask(description, data)
            except WorkerDied:
                self._bury(worker)
                continue
            with self._lock:
                self._idle.append(worker)
            if answer.error is not None:
                raise LogsError(f"A piece of {chunk.source} could not be parsed: {answer.error}", hint="Report this.")
            return rows, answer
        return ChunkParser(mask_of(self._patterns)).parse(chunk, data)

    def _worker(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise LogsError("The reading was stopped.", hint="Ingest the file again: it goes on where it stopped.")
            if self._idle:
                return self._idle.pop()
            worker = _Worker(self._patterns)
            self._all.add(worker)
            return worker

    def _bury(self, worker: "_Worker") -> None:
        worker.kill()
        worker.end()
        with self._lock:
            self._all.discard(worker)
            self.deaths += 1


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """One process; used by one thread at a time."""

    def __init__(self, patterns: list[str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "logs.ingest.worker"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=_PIPE,
            stderr=subprocess.DEVNULL,  # the agent's own may be a log file that is followed
        )
        self._first: bytes | None = msgspec.json.encode(patterns)

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask(self, description: bytes, data: bytes) -> tuple[Answer, pa.Table]:
        """Have a piece parsed.

        Raises:
            WorkerDied: it ended, or was ended because it took too long.
        """
        child = self._child
        if child.stdin is None or child.stdout is None:  # pragma: no cover - both are pipes
            raise WorkerDied
        timer = threading.Timer(_DEADLINE_S, child.kill)
        timer.daemon = True
        timer.start()
        try:
            if self._first is not None:
                child.stdin.write(LENGTHS.pack(len(self._first), 0) + self._first)
                self._first = None
            child.stdin.write(LENGTHS.pack(len(description), len(data)) + description)
            child.stdin.write(data)
            child.stdin.flush()
            found = read_message(child.stdout)
        except (OSError, ValueError) as error:
            raise WorkerDied from error
        finally:
            timer.cancel()
        if found is None:
            raise WorkerDied
        answer = msgspec.json.decode(found[0], type=Answer)
        return answer, pa.ipc.open_stream(found[1]).read_all() if found[1] else pa.table({})

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()

    def end(self) -> None:
        """Reap it and close its pipes."""
        child = self._child
        child.wait(_END_S)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written has no reader any more
                    pipe.close()
