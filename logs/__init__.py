"""What the machine's programs write: found, followed, taken apart, stored and searched.

`LogService` runs in the agent; `search` asks the store; `parse_file` reads a file without one.
"""

from logs import search
from logs.errors import LogsError
from logs.filters import LogFilter, parse_time
from logs.formats import Registry
from logs.parse import parse_file
from logs.record import LogRecord, record_detail, record_json
from logs.service import LogService, SourceState
from logs.settings import LogSettings

__all__ = [
    "LogFilter",
    "LogRecord",
    "LogService",
    "LogSettings",
    "LogsError",
    "Registry",
    "SourceState",
    "parse_file",
    "parse_time",
    "record_detail",
    "record_json",
    "search",
]
