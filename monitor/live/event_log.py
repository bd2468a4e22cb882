"""`process_events.log`: events of processes as JSON lines, for other programs, rotated like the other log files."""

import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from monitor.api_models.events import ProcessEvent
from monitor.core.log_file import open_log

log = logging.getLogger("watchkeeper.agent")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class EventLog:
    """Appends to one file. Use it on one thread.

    Args:
        path: of the file; only its owner can read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broken = False
        self.lost = 0
        """Events that could not be written."""

    def write(self, events: Sequence[ProcessEvent]) -> None:
        """Append a line for each event. What cannot be written is counted, and the agent's log says why, once."""
        text = "".join(f"{line_of(event)}\n" for event in events).encode("utf-8", "replace")
        try:
            descriptor = open_log(self._path)
            try:
                os.write(descriptor, text)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.lost += len(events)
            if not self._broken:
                log.warning("%s cannot be written: %s", self._path.name, error)
            self._broken = True
        else:
            self._broken = False


def line_of(event: ProcessEvent) -> str:
    """An event as one line of JSON; its time is ISO 8601 in UTC."""
    moment = (_EPOCH + timedelta(microseconds=event.timestamp)).isoformat(timespec="microseconds")
    return json.dumps(
        {**event.model_dump(), "timestamp": moment.replace("+00:00", "Z")}, ensure_ascii=False, default=str
    )
