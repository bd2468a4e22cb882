"""The systemd journal, through `journalctl --follow`; where there is none, a quiet state that says so."""

import glob
import hashlib
import os
import re
import selectors
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import Any, Final

from logs.core.record import LogRecord
from logs.core.supervised_thread import SupervisedThread
from logs.core.timestamps import SECOND, TimeReader
from logs.parsing.formats.structured import json_header, json_object
from logs.parsing.rows import Owner, Rows
from logs.storing.checkpoint import LIVE, FileState
from logs.storing.delivery import Delivery
from logs.storing.sink import RecordSink

_PLACES: Final = ("/var/log/journal/*/*.journal", "/run/log/journal/*/*.journal")
_SEQUENCE: Final = re.compile(r"s=([0-9a-f]+);i=([0-9a-f]+)")
_FIRST_LINES: Final = 2000
_BACK_OFF_S: Final = (2.0, 5.0, 15.0, 60.0, 300.0)
_BATCH: Final = 2000


class Journal:
    """Follows the journal in a thread of its own. The cursor is the checkpoint, so no entry is stored twice.

    Args:
        remembered: the stored state, None the first time.
        command: how the journal is read, without `--after-cursor`; None: journalctl, if it is there and journal files are.
    """

    def __init__(
        self,
        *,
        sink: RecordSink,
        host: str,
        now: Callable[[], int],
        mask: Callable[[str], str],
        run_of_pid: Callable[[int], int | None],
        show: Callable[[list[LogRecord]], object],
        remembered: FileState | None,
        command: list[str] | None = None,
    ) -> None:
        self._sink, self._host, self._now, self._mask, self._run_of_pid, self._show = (
            sink,
            host,
            now,
            mask,
            run_of_pid,
            show,
        )
        self._command = command if command is not None else journal_command()
        self._stop = threading.Event()
        self._thread: SupervisedThread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._times = TimeReader(now)
        self.error: str | None = None
        file_id = (
            int.from_bytes(
                hashlib.blake2b(f"{host}\0journal".encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big"
            )
            >> 1
        )
        self.state = remembered or FileState(
            file_id, "journal", "journal", 0, 0, format="journal", first_seen=now(), updated=now()
        )
        self._cursor = self.state.marker_hash

    @property
    def present(self) -> bool:
        """Whether there is a journal on this machine."""
        return self._command is not None

    def start(self) -> None:
        """Begin to follow, where there is something to follow."""
        if self._command is not None:
            self._thread = SupervisedThread("logs-journal", self._run, stopping=self._stop, report=self._report)
            self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """End the child and the thread."""
        self._stop.set()
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
        if self._thread is not None:
            self._thread.join(deadline_s)

    def _report(self, error: str) -> None:
        self.error = error or None

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = self._now()
            try:
                self._follow()
            except (OSError, subprocess.SubprocessError) as error:
                self.error = f"The journal cannot be read: {error}."
            failures = 0 if self._now() - began > 60 * SECOND else failures + 1
            self._stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1])

    def _follow(self) -> None:
        where = [f"--after-cursor={self._cursor}"] if self._cursor else [f"--lines={_FIRST_LINES}"]
        with subprocess.Popen(
            [*(self._command or []), *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as child:
            self._child = child
            try:
                self._read(child)
            finally:
                child.kill()
                errors = child.stderr.read(4096) if child.stderr else b""
                self._child = None
            if errors and not self._stop.is_set():
                self.error = f"journalctl: {errors.decode('utf-8', 'replace').strip().splitlines()[-1]}"

    def _read(self, child: "subprocess.Popen[bytes]") -> None:
        if child.stdout is None:
            return
        os.set_blocking(child.stdout.fileno(), False)
        held = b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while not self._stop.is_set():
                if not self._sink.wait_for_room(1.0):
                    continue
                if not selector.select(1.0):
                    if child.poll() is None:
                        self._well()
                    continue
                data = child.stdout.read(1 << 20)
                if data == b"":
                    return
                held += data or b""
                end = held.rfind(b"\n") + 1
                if end:
                    self._take(held[:end].split(b"\n"))
                    held = held[end:]

    def _take(self, lines: list[bytes]) -> None:
        rows, runs = Rows(), list[int | None]()
        for line in lines:
            entry = json_object(line.decode("utf-8", "replace"))
            if entry is not None:
                self._add(entry, rows, runs)
            if len(rows) >= _BATCH:
                self._deliver(rows, runs)
                rows, runs = Rows(), []
        if rows:
            self._deliver(rows, runs)

    def _add(self, entry: dict[str, Any], rows: Rows, runs: list[int | None]) -> None:
        cursor = str(entry.get("__CURSOR", ""))
        sequence = _SEQUENCE.search(cursor)
        header = json_header(entry, "", self._times)
        if sequence is None or header.ts is None:
            return
        self._cursor = cursor
        place = int(hashlib.blake2b(sequence.group(1).encode(), digest_size=2).hexdigest(), 16) << 46
        message = self._mask(header.message.replace("\0", "\ufffd"))
        rows.pos.append(place + int(sequence.group(2), 16))
        rows.end.append(rows.pos[-1] + 1)
        rows.line_no.append(0)
        rows.ts.append(header.ts)
        rows.ts_from.append("line")
        rows.level.append(header.level)
        rows.logger.append(header.logger)
        rows.pid.append(header.pid)
        rows.prefix.append("")
        rows.message.append(message)
        rows.raw.append(None)
        rows.lines.append(message.count("\n") + 1)
        rows.fields.append(self._mask(header.fields) if header.fields else None)
        rows.format.append("journal")
        runs.append(self._run_of_pid(header.pid) if header.pid and self._now() - header.ts < 60 * SECOND else None)

    def _deliver(self, rows: Rows, runs: list[int | None]) -> None:
        owner = Owner(self.state.file_id, "journal", runs=runs, numbered=False)
        self._show(list(rows.records(owner)))
        changes = {"marker_hash": self._cursor, "state": LIVE, "size": 0}
        self._sink.put(
            Delivery(
                self.state, rows.table(owner, self._host, self._now()), changes=changes, counts={"records": len(rows)}
            )
        )
        self._well()

    def _well(self) -> None:
        self.error = None
        if self._thread is not None:
            self._thread.well()


def journal_command() -> list[str] | None:
    """How to read the journal; None when there is none."""
    program = shutil.which("journalctl")
    if program is None or not any(glob.glob(place) for place in _PLACES):  # noqa: PTH207 - absolute patterns
        return None
    return [program, "--output=json", "--follow", "--all", "--no-pager", "--quiet"]
