"""The store's side of ad-hoc SQL: starts the processes, gives them questions, and ends what takes too long or too much."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Final, Literal, cast

import psutil

from monitor.core.errors import QueryError, StoreError
from monitor.core.paths import ROOT
from monitor.store.adhoc_sql.guard import too_much_memory
from monitor.store.adhoc_sql.memory_watch import MemoryWatch
from monitor.store.interface import Stop

Form = Literal["json", "arrow"]
IDLE_S: Final = 60.0
"""A process that waited so long for the next question is ended."""
SEND_S: Final = 60.0
"""Whoever asked has so long to take the answer."""
_CHUNK: Final = 256 * 1024
_SHARED: Final = sys.platform != "win32"
"""Whether a second process can read a file that the engine has open for writing: on Windows the engine shares it with nobody."""
_SPARE_BYTES: Final = 256_000_000
"""The watch on the process's memory is the second fence; it leaves this much to the first one, the kernel's limit."""


class SqlProcess:
    """One process for ad-hoc SQL."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "monitor.store.adhoc_sql"]
        keep = {"PATH", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT"}
        env = {key: value for key, value in os.environ.items() if key in keep}
        env["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # its own pool reserves 130 MB at once
        self._child = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._input, self._output = cast("IO[bytes]", self._child.stdin), cast("IO[bytes]", self._child.stdout)
        threading.Thread(target=self._child.wait, name="sql-reaper", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can take a question."""
        return self._child.poll() is None

    def resident_bytes(self) -> int:
        """Its memory, bytes; 0 after its end."""
        try:
            return int(psutil.Process(self._child.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """The head of its answer; None when it ended instead."""
        try:
            self._input.write(json.dumps(question).encode() + b"\n")
            self._input.flush()
            head: dict[str, Any] = json.loads(self._output.readline() or b"null")
        except (OSError, ValueError):
            return None
        return head

    def body(self, size: int) -> Iterator[bytes]:
        """The bytes behind the head. They end early when the process ends."""
        while size > 0:
            data = self._output.read(min(size, _CHUNK))
            if not data:
                return
            size -= len(data)
            yield data

    def kill(self) -> None:
        """End it at once. Callable from any thread."""
        self._child.kill()

    def end(self) -> None:
        """End it, and release its pipes."""
        self._child.kill()
        self._child.wait()
        self._output.close()
        with contextlib.suppress(BrokenPipeError):  # what it did not read goes nowhere
            self._input.close()

    def signal(self) -> str:
        """The signal that ended it; empty without one."""
        code = self._child.wait()
        return signal.Signals(-code).name if code < 0 else ""


class _Reasons:
    """Ends a process, and knows what asked for it first."""

    def __init__(self, process: SqlProcess) -> None:
        self._process = process
        self.first = ""

    def by(self, reason: str) -> Callable[[], None]:
        """What ends the process for `reason`."""

        def end() -> None:
            self.first = self.first or reason
            self._process.kill()

        return end


class SqlAnswer:
    """An answer on its way. Read it with `chunks` once, or `close` it.

    Attributes:
        size: bytes.
    """

    def __init__(self, size: int, chunks: Iterator[bytes], close: Callable[[], None]) -> None:
        self.size = size
        self._chunks, self._close = chunks, close

    def chunks(self) -> Iterator[bytes]:
        """The bytes.

        Raises:
            QueryError: the process ended meanwhile.
        """
        got = 0
        try:
            for data in self._chunks:
                got += len(data)
                yield data
            if got < self.size:
                raise QueryError("the answer was cut off", hint="ask again")
        finally:
            self.close()

    def close(self) -> None:
        """Release the process. Idempotent."""
        self._close()


class SqlProcesses:
    """Runs ad-hoc SQL on one database file, each query in a process. One process is kept for the next query.

    Args:
        path: the database file.
        memory_mb: what a query may allocate, MiB.
        still: within this context, a process can read the file. It takes a deadline in seconds and what ends that process.
    """

    def __init__(
        self,
        path: Path,
        memory_mb: int,
        still: Callable[[float, Callable[[], None]], AbstractContextManager[None]],
    ) -> None:
        self._path, self._memory_mb, self._still = path, memory_mb, still
        self._lock = threading.Lock()
        self._spare: SqlProcess | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    def ask(self, sql: str, limit: int, form: Form, deadline_s: float, stop: Stop | None = None) -> SqlAnswer:
        """The answer to `sql`, at most `limit` rows.

        Raises:
            QueryError: it is not one SELECT, wrong, too slow, takes too much, or nobody waits for it any more.
            StoreError: the store cannot be read now, or not by a second process on this system.
        """
        if not _SHARED:
            raise StoreError(
                "SQL queries do not work on Windows, where no second process can read the store's file",
                hint="use the pages, or `watchkeeper logs search`",
            )
        question = {"path": str(self._path), "sql": sql, "limit": limit, "form": form, "memory_mb": self._memory_mb}
        for again in (True, False):
            answer = self._try(question, deadline_s, stop or Stop(), again=again)
            if answer is not None:
                return answer
        raise StoreError("the store was reorganised while the query ran", hint="ask again")

    def close(self) -> None:
        """End the process that waits for the next query. Idempotent."""
        with self._lock:
            self._closed = True
        self._end_spare()

    def _try(self, question: Mapping[str, Any], deadline_s: float, stop: Stop, *, again: bool) -> SqlAnswer | None:
        """One run; None when the store ended it for reasons of its own."""
        if stop.said:
            raise _not_wanted()
        process = self._take()
        ended = _Reasons(process)
        watch = MemoryWatch(self._memory_mb * 1024 * 1024 + _SPARE_BYTES, taken=process.resident_bytes)
        timer = threading.Timer(deadline_s, ended.by("deadline"))
        timer.daemon = True
        head = None
        try:
            with (
                self._still(deadline_s, ended.by("store")),
                stop.ends(ended.by("stop")),
                watch.ends(ended.by("memory")),
            ):
                timer.start()
                head = process.ask(question)
        finally:
            timer.cancel()
            if head is None:
                process.end()
        if head is not None and "error" in head:
            self._give_back(process, usable=not head["last"])
            raise _error(head["error"])
        if head is not None:
            return self._answer(process, head)
        if again and ended.first == "store":
            return None
        raise self._why(ended.first, process, deadline_s)

    def _why(self, reason: str, process: SqlProcess, deadline_s: float) -> StoreError:
        """The error for a query whose process ended without an answer."""
        if reason == "stop":
            return _not_wanted()
        if reason == "deadline":
            text = f"the query took longer than {deadline_s:g} s and was stopped"
            return QueryError(text, hint="narrow the time range")
        if reason == "store":
            return StoreError("the store was reorganised while the query ran", hint="ask again in a minute")
        if reason == "memory":
            return too_much_memory(self._memory_mb)
        if name := process.signal():
            return QueryError(
                f"the query's process ended ({name}): it took too much memory, or is nested too deeply",
                hint="ask for fewer rows or shorter values, or write a simpler query",
            )
        return StoreError("the query's process failed", hint="agent.log says more")

    def _answer(self, process: SqlProcess, head: Mapping[str, Any]) -> SqlAnswer:
        """The answer behind `head`. Whoever does not take it in time loses it."""
        timer = threading.Timer(SEND_S, process.kill)
        timer.daemon = True
        timer.start()
        state = {"left": int(head["size"]), "done": False}

        def chunks() -> Iterator[bytes]:
            for data in process.body(state["left"]):
                state["left"] -= len(data)
                yield data

        def close() -> None:
            if not state["done"]:
                state["done"] = True
                timer.cancel()
                self._give_back(process, usable=state["left"] == 0 and not head["last"])

        return SqlAnswer(int(head["size"]), chunks(), close)

    def _take(self) -> SqlProcess:
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            process, self._spare = self._spare, None
            if self._timer is not None:
                self._timer.cancel()
        if process is not None and process.alive:
            return process
        if process is not None:
            process.end()
        try:
            return SqlProcess()
        except OSError as error:
            raise StoreError(f"no process for the query could be started: {error}", hint="try again later") from error

    def _give_back(self, process: SqlProcess, *, usable: bool) -> None:
        """Keep the process for the next query, or end it."""
        with self._lock:
            if usable and self._spare is None and not self._closed and process.alive:
                self._spare = process
                self._timer = threading.Timer(IDLE_S, self._end_spare)
                self._timer.daemon = True
                self._timer.start()
                return
        process.end()

    def _end_spare(self) -> None:
        with self._lock:
            process, self._spare = self._spare, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if process is not None:
            process.end()


def _not_wanted() -> QueryError:
    return QueryError("the query was stopped: nobody waits for its answer", hint="ask again")


def _error(found: Mapping[str, str]) -> StoreError:
    kind = QueryError if found["kind"] == "query" else StoreError
    return kind(found["message"], hint=found["hint"])
