"""What a benchmark measured so far, on disk while it runs: whatever ends the program, its samples come into the history.

A file `benchmark_ID.journal` holds a line of JSON for each measurement and each step. The benchmark that writes it holds a
lock on it, which the kernel frees when the process ends; a file without a lock is of a benchmark that was interrupted.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil
from pydantic import TypeAdapter, ValidationError

from ai.benchmark.reporting.report import Gathered, build_report
from ai.shapes.report import BenchmarkReport, SampleRow

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there, which says the same
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("watchkeeper.ai")
_GATHERED: Final = TypeAdapter(Gathered)
_LARGEST: Final = 64 * 1024**2
"""Bytes of a journal that are read back; a benchmark writes some hundred kilobytes."""


class Journal:
    """The journal of one benchmark. A disk that takes nothing ends the journal, with a warning, and never the benchmark.

    Args:
        folder: where the file is kept.
        benchmark: the benchmark's id.
        note: what a reader must know of the comparison; stands first in the report.
    """

    def __init__(self, folder: Path, benchmark: str, note: str = "") -> None:
        self._path = folder / f"benchmark_{benchmark}.journal"
        self._file: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            begun = self._path.with_suffix(".begun")  # nobody takes it for a journal before it is locked
            self._file = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            _lock(self._file)
            begun.rename(self._path)
        except OSError as error:
            self._give_up(error)
        self._write({"benchmark": benchmark, "note": note})

    def sample(self, row: SampleRow) -> None:
        """A measurement."""
        self._write({"sample": row.model_dump(mode="json", exclude_defaults=True)})

    def step(self, gathered: Gathered) -> None:
        """Everything but the measurements, as it is now."""
        self._write({"gathered": _GATHERED.dump_python(replace(gathered, samples=(), verdicts={}), mode="json")})

    def whole(self, report: BenchmarkReport) -> None:
        """The report of a benchmark that ended, but could not be kept."""
        self._write({"report": report.model_dump(mode="json")})

    def ended(self, why: str) -> None:
        """Why the benchmark ends before it is done, as a sentence."""
        self._write({"ended": why})

    def close(self, *, remove: bool) -> None:
        """Let go of the file; `remove` once the benchmark is in the history."""
        if self._file is None:
            return
        if remove:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            os.write(self._file, json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.warning("what the benchmark measures is only kept once it has ended: %s", error)
        if self._file is not None:
            os.close(self._file)
            self._file = None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A benchmark that ended before it was kept. `report` None: nothing was known of it yet."""

    path: Path
    report: BenchmarkReport | None

    def forget(self) -> None:
        """Remove its journal."""
        self.path.unlink(missing_ok=True)


def interrupted(folder: Path) -> Iterator[Interrupted]:
    """The benchmarks of a folder that no process runs any more, each with the report that its journal allows.

    Raises:
        OSError: the folder or a journal cannot be read.
    """
    for path in sorted(folder.glob("benchmark_*.journal")):
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # its benchmark ended just now
        try:
            _lock(file)
        except BlockingIOError:
            os.close(file)
            continue  # it runs
        try:
            with open(file, "rb", closefd=False) as stream:
                lines = _lines(stream.read(_LARGEST))
            written_us = os.fstat(file).st_mtime_ns // 1000
            yield Interrupted(path, _report(lines, written_us))
        finally:
            os.close(file)


def _lines(text: bytes) -> list[dict[str, Any]]:
    """The whole lines; what a kill tore off is left out."""
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _report(lines: list[dict[str, Any]], written_us: int) -> BenchmarkReport | None:
    def last(key: str) -> Any:
        return next((line[key] for line in reversed(lines) if key in line), None)

    try:
        if (whole := last("report")) is not None:
            return BenchmarkReport.model_validate(whole)
        gathered, benchmark = last("gathered"), last("benchmark")
        if gathered is None or benchmark is None:
            return None
        run = _GATHERED.validate_python({
            **gathered, "id": benchmark, "state": "interrupted", "stopped": last("ended") or _why(written_us),
            "samples": [line["sample"] for line in lines if "sample" in line],
        })  # fmt: skip
    except ValidationError as error:
        log.warning("the journal of a benchmark cannot be read: %s", error)
        return None
    note = last("note")
    notes = [*([note] if note else []), *run.notes]
    return build_report(replace(run, notes=notes)).model_copy(update={"ended": written_us})


def _why(written_us: int) -> str:
    """Why a benchmark ended of which nobody wrote the end."""
    when = datetime.fromtimestamp(written_us / 1e6).astimezone().strftime("%H:%M:%S")
    if psutil.boot_time() * 1e6 > written_us:
        return f"the machine was restarted after {when}"
    return f"Watchkeeper was killed, or ended without a word, after {when}"


def _lock(file: int) -> None:
    """Hold the file for as long as this process lives.

    Raises:
        BlockingIOError: another process holds it.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
