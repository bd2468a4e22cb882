"""What the machine's programs write: found, followed, taken apart, stored and searched.

`LogService` runs in the agent; `search` asks the store; `parse_file` reads a file without one. Each is imported when it is first used: a worker that only parses
does without the store.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from logs import search
    from logs.errors import LogsError
    from logs.filters import LogFilter, parse_time
    from logs.formats import Registry
    from logs.formats.forced import check_forced
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
    "check_forced",
    "parse_file",
    "parse_time",
    "record_detail",
    "record_json",
    "search",
]
_WHERE: Final = {
    "LogFilter": "filters",
    "LogRecord": "record",
    "LogService": "service",
    "LogSettings": "settings",
    "LogsError": "errors",
    "Registry": "formats",
    "SourceState": "service",
    "check_forced": "formats.forced",
    "parse_file": "parse",
    "parse_time": "filters",
    "record_detail": "record",
    "record_json": "record",
}


def __getattr__(name: str) -> Any:
    """The public names, from the modules that hold them."""
    if name == "search":
        return import_module("logs.search")
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"logs.{where}"), name)
    return value
