"""Records that are elements of XML or rows of an HTML table: java.util.logging's and Log4j's own layouts."""

import html
import re
from collections.abc import Sequence
from typing import Final

from logs.core import levels
from logs.core.timestamps import TimeReader
from logs.parsing.formats.base import Header

_BEGINS: Final = re.compile(
    r"\s*<(?:(?:record|(?:\w+:)?[Ee]vent|logEvent)(?:\s[^>]*)?>|tr(?:\s[^>]*)?>\s*$|/(?:log|table|[Ee]vents)>)"
)
"""An element of a record alone, or what closes them all; a row with cells in its first line goes on with the row before."""
_ATTRIBUTE: Final = re.compile(r"([\w:.\-]+)=\"([^\"]*)\"")
_ELEMENT: Final = re.compile(r"<(?:\w+:)?(\w+)((?:\s[^<>]*)?)>((?:<!\[CDATA\[.*?\]\]>|[^<])*)</(?:\w+:)?\1>", re.DOTALL)
_CELL: Final = re.compile(r"<td([^>]*)>(.*?)</td>", re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")
_CDATA: Final = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_COUNT: Final = re.compile(r"\d{1,9}$")
"""Milliseconds since the program started."""
_TIMES: Final = ("millis", "timemillis", "timestamp", "date", "time")
_MESSAGES: Final = ("message", "msg")
_LOGGERS: Final = ("logger", "loggername", "category")


class MarkupFormat:
    """Elements with a level, a time and a message, as attributes, as elements of their own, or as cells that a title names."""

    name = "xml"
    starts = "< \t"
    dated = True
    wraps = False
    follows = re.compile("")

    def read(self, line: str, times: TimeReader) -> Header | None:  # noqa: ARG002 - the protocol's
        """See `Format.read`; what the element says is known at its end."""
        return Header(None, levels.UNKNOWN, None, None, "", line) if _BEGINS.match(line) else None

    def finish(self, lines: Sequence[str], header: Header, times: TimeReader) -> Header:
        """The header of the whole element; as it was where it names neither a level nor a message."""
        text = "\n".join(lines)
        said = _said(text)
        message = next((said[name] for name in _MESSAGES if name in said), None)
        level = levels.of_word(said.get("level", ""))
        if message is None and not level:
            return header
        stamps = [said[name] for name in _TIMES if said.get(name, "")[:1].isdigit()]
        counted = next((int(text) * 1000 for text in stamps if _COUNT.match(text)), None)
        found = (times.any(text) for text in stamps if len(text) > 9)
        ts = next((ts for ts in found if ts is not None), counted)
        return header._replace(
            ts=ts,
            counted=ts is not None and ts == counted,
            level=level,
            logger=next((said[name] for name in _LOGGERS if name in said), None),
            message=message or text,
            whole=True,
        )


def _said(text: str) -> dict[str, str]:
    """What an element says, by lower-case names; the first of a name counts."""
    said: dict[str, str] = {}
    opening, _, inside = text.partition(">")
    for name, value in _ATTRIBUTE.findall(opening):
        said.setdefault(name.lower(), html.unescape(value))
    for name, _, value in _ELEMENT.findall(inside):
        said.setdefault(name.lower(), _plain(value))
    for number, (attributes, value) in enumerate(_CELL.findall(inside)):
        named: dict[str, str] = dict(_ATTRIBUTE.findall(attributes))
        title = named.get("title", named.get("class", "")).lower().rpartition(" ")[2]
        if title or not number:  # only the first cell of Log4j's has no title
            said.setdefault(title or "time", _plain(_TAG.sub("", value)))
    return said


def _plain(text: str) -> str:
    return html.unescape(_CDATA.sub(r"\1", text)).strip()
