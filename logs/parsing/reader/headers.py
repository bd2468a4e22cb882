"""What headers say about the records that they begin."""

import re
from collections.abc import Sequence

from logs.core import levels
from logs.parsing.formats import ANY
from logs.parsing.formats.base import Format, Header, RegexFormat

_ASKED = re.compile(r"\"[A-Z]{3,16} [^\"]{1,2000}\" [1-5]\d\d ")


def heads_each(fmt: Format) -> bool:
    """Whether the format's header stands before each line of a message of several."""
    return isinstance(fmt, RegexFormat) and fmt.heads_each


def begins_alone(fmt: Format, header: Header) -> bool:
    """Whether a line in a format that is not the file's begins a record: it says its time or its level, and is not just any text that looks like it: a
    time alone is a part of what was written about it.
    """
    told = header.ts is not None and (fmt.name not in ANY or len(header.message.strip()) > 1)
    return told or bool(header.level) or fmt.follows is not None or fmt.wraps


def foreign(fmt: Format, header: Header, primary: Format | None, learned: Sequence[Format]) -> bool:
    """Whether a line with a level at most has no header of the file's records: it is part of what a record says will follow."""
    own = primary is None or fmt is primary or fmt in learned
    return header.ts is None and not own and not fmt.wraps


def calm(header: Header) -> bool:
    """Whether nothing went wrong here, or only a request did: its line is written behind whatever that caused."""
    return levels.UNKNOWN < header.level < levels.WARN or _ASKED.match(header.message) is not None


def unwrapped(header: Header, fmt: Format, inner: Header, *, stamped: bool = False) -> Header:
    """The header of a wrapped line with what the line itself says. A pid in it is one of another name space; a line without a time keeps its text, but behind a stamp."""
    level, logger = inner.level or header.level, inner.logger or header.logger
    if header.ts is None:
        header = header._replace(ts=inner.ts, counted=inner.counted)
    if inner.whole:
        fields = inner.fields if header.fields is None else header.fields
        return header._replace(level=level, logger=logger, prefix="", message=inner.message, fields=fields, whole=True)
    if (fmt.dated or stamped) and not header.whole:
        return header._replace(level=level, logger=logger, prefix=header.prefix + inner.prefix, message=inner.message)
    if fmt.dated:
        return header._replace(level=level, logger=logger, message=inner.message)
    return header._replace(level=level, logger=logger)
