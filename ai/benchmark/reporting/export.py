"""A report as JSON, as CSV of its measurements, as a line of the log."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Final

from ai.shapes.report import BenchmarkReport, SampleRow

LOG_NAME: Final = "ai_backend_benchmark.log"
_LOG_LIMIT: Final = 5 * 1024 * 1024
_LOG_FILES: Final = 5
_COLUMNS: Final = tuple(SampleRow.model_fields)


def to_json(report: BenchmarkReport) -> str:
    """The whole report; `from_json` reads it back."""
    return report.model_dump_json(indent=2)


def from_json(text: str | bytes) -> BenchmarkReport:
    """A report from its JSON.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return BenchmarkReport.model_validate_json(text)


def to_csv(report: BenchmarkReport) -> str:
    """One line a measurement, used or not. Cells that a spreadsheet would take for a formula get a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["benchmark", *_COLUMNS])
    for sample in report.samples:
        row = sample.model_dump()
        row["flags"] = "; ".join(sample.flags)
        writer.writerow([report.id, *(_cell(row[name]) for name in _COLUMNS)])
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return "" if value is None else value


def log_line(report: BenchmarkReport) -> str:
    """The report without its measurements, in one line of JSON."""
    short = report.model_dump(mode="json", exclude={"samples"})
    for contender in short["contenders"]:
        if contender["quality"]:
            contender["quality"].pop("per_item")
    for comparison in short["comparisons"]:
        comparison.pop("log_ratios")
    return json.dumps(short, ensure_ascii=False, separators=(",", ":"))


def append_log(report: BenchmarkReport, folder: Path, *, limit: int = _LOG_LIMIT, keep: int = _LOG_FILES) -> Path:
    """Add the report's line to `ai_backend_benchmark.log` in a folder; a full file becomes `.1`, the oldest goes.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOG_NAME
    line = (log_line(report) + "\n").encode()
    if path.exists() and path.stat().st_size + len(line) > limit:
        for number in range(keep - 1, 0, -1):
            older = path.with_name(f"{LOG_NAME}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{LOG_NAME}.{number + 1}"))
        path.replace(path.with_name(f"{LOG_NAME}.1"))
        path.with_name(f"{LOG_NAME}.{keep + 1}").unlink(missing_ok=True)
        path.with_name(f"{LOG_NAME}.{keep}").unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
    return path
