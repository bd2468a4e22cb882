"""What the machine's programs write: found, followed, taken apart, stored and searched.

`LogService` runs in the agent; `search` asks the store; `parse_file` reads a file without one, `FilePatterns`
says what its records have in common. Each is imported when it is first used: a worker that only parses
does without the store.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from logs.core.errors import LogsError
    from logs.core.format_spec import FormatSpec
    from logs.core.record import LogRecord, record_detail, record_json
    from logs.core.settings import LogSettings, SourceState
    from logs.core.timestamps import TimeReader
    from logs.following.holders import Holder
    from logs.following.rotation import Generations
    from logs.parsing.draft import draft_format, line_shown, preview_format
    from logs.parsing.formats import Registry
    from logs.parsing.formats.forced import DETECT, ORDERS, check_forced, corrected, files_of_format
    from logs.parsing.formats.user import check_samples, format_toml, read_format
    from logs.parsing.own_formats import OwnFormats
    from logs.parsing.parse import parse_file, parse_text
    from logs.parsing.reading import header_alone, reading_of_file
    from logs.patterns.files import FilePatterns
    from logs.patterns.miner import PatternMiner
    from logs.query import search
    from logs.query.filters import LogFilter
    from logs.query.times import parse_past, parse_range, parse_time
    from logs.service import LogService

__all__ = [
    "DETECT",
    "ORDERS",
    "FilePatterns",
    "FormatSpec",
    "Generations",
    "Holder",
    "LogFilter",
    "LogRecord",
    "LogService",
    "LogSettings",
    "LogsError",
    "OwnFormats",
    "PatternMiner",
    "Registry",
    "SourceState",
    "TimeReader",
    "check_forced",
    "check_samples",
    "corrected",
    "draft_format",
    "files_of_format",
    "format_toml",
    "header_alone",
    "line_shown",
    "parse_file",
    "parse_past",
    "parse_range",
    "parse_text",
    "parse_time",
    "preview_format",
    "read_format",
    "reading_of_file",
    "record_detail",
    "record_json",
    "search",
]
_WHERE: Final = {
    "DETECT": "parsing.formats.forced",
    "ORDERS": "parsing.formats.forced",
    "FilePatterns": "patterns.files",
    "FormatSpec": "core.format_spec",
    "Generations": "following.rotation",
    "Holder": "following.holders",
    "LogFilter": "query.filters",
    "LogRecord": "core.record",
    "LogService": "service",
    "LogSettings": "core.settings",
    "LogsError": "core.errors",
    "OwnFormats": "parsing.own_formats",
    "PatternMiner": "patterns.miner",
    "Registry": "parsing.formats",
    "SourceState": "core.settings",
    "TimeReader": "core.timestamps",
    "check_forced": "parsing.formats.forced",
    "check_samples": "parsing.formats.user",
    "corrected": "parsing.formats.forced",
    "draft_format": "parsing.draft",
    "files_of_format": "parsing.formats.forced",
    "format_toml": "parsing.formats.user",
    "header_alone": "parsing.reading",
    "line_shown": "parsing.draft",
    "parse_file": "parsing.parse",
    "parse_past": "query.times",
    "parse_range": "query.times",
    "parse_text": "parsing.parse",
    "parse_time": "query.times",
    "preview_format": "parsing.draft",
    "read_format": "parsing.formats.user",
    "reading_of_file": "parsing.reading",
    "record_detail": "core.record",
    "record_json": "core.record",
}


def __getattr__(name: str) -> Any:
    """The public names, from the modules that hold them."""
    if name == "search":
        return import_module("logs.query.search")
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"logs.{where}"), name)
    return value
