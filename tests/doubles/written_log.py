"""A log file that was last written at a known moment, and its records."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import logs

WRITTEN = datetime(2026, 3, 21, 10, 15, 0, tzinfo=UTC)


def parsed(tmp_path: Path, text: str | bytes, written: datetime = WRITTEN) -> list[dict[str, Any]]:
    """The records of a file with this content, last written at `written`."""
    path = tmp_path / "a.log"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (written.timestamp(), written.timestamp()))
    return list(logs.parse_file(path))
