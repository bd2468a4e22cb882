"""Formats whose records have several lines, and formats that wrap the lines of other programs."""

import re
from collections.abc import Sequence
from typing import Any, Final

from logs.core import levels
from logs.core.timestamps import CTIME_LOOSE, ISO, TimeReader
from logs.parsing.formats.base import Format, Header, RegexFormat
from logs.parsing.formats.markup import MarkupFormat
from logs.parsing.formats.structured import json_header, json_object

_JUL_LEVEL: Final = re.compile(r"(SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): ")


_APT: Final = r"\d{4}-\d\d-\d\d  \d\d:\d\d:\d\d"


def _apt(times: TimeReader, text: str) -> int | None:
    return times.iso(text.replace("  ", " "))


def block_formats() -> list[Format]:
    """Each begins with a line that no other format reads."""
    return [
        ExportFormat(),
        IndentedJsonFormat(),
        MarkupFormat(),
        W3cHeadFormat("w3c", r"(?=#(?:Software: |Version: |Fields: |separator ))", None, follows=r"#[\w\-]+[: \t]"),
        RegexFormat("julia", r"[\[┌╭] (?P<level>Info|Warning|Error|Debug|Fatal): ", None, follows=r"[│└╰]"),
        RegexFormat("w3c", r"(?P<ts>\d\d:\d\d:\d\d) (?=[\d.:a-f]+ )", TimeReader.clock_of_noted_day),
        JulFormat(
            "jul",
            rf"(?P<ts>[A-Z][a-z]{{2}} \d{{1,2}}, \d{{4}} \d{{1,2}}:\d\d:\d\d [AP]M) (?!(?:{levels.WORD}|[A-Z]) )(?P<logger>[\w.$]+) ",
            TimeReader.named_day,
            follows=_JUL_LEVEL.pattern,
        ),
        RegexFormat(
            "apt",
            rf"(?=Start-Date: (?P<ts>{_APT}))",
            _apt,
            follows=r"(?!Start-Date: )[A-Z][A-Za-z\-]+: ",
        ),
        RegexFormat(
            "apt",
            rf"(?=Log started: (?P<ts>{_APT}))",
            _apt,
            follows=r"(?!Log started: ).",
        ),
        RegexFormat("mysql-slow", rf"# Time: (?P<ts>{ISO})", TimeReader.iso, follows=r"(?!# Time: )."),
        RegexFormat(
            "dump",
            rf"=+ (?:Start|End) of [\w ]{{1,60}} at (?P<ts>{CTIME_LOOSE}) =+",
            TimeReader.ctime,
            follows=r"(?!=+ (?:Start|End) of ).",
        ),
    ]


def wrapping_formats() -> list[Format]:
    """What container engines write around a program's lines; Docker's JSON is in `structured`."""
    return [
        WrappingFormat(
            "cri", rf"(?P<ts>{ISO}) (?P<lane>stdout|stderr) (?P<flag>[FP])(?::\S*)? ", TimeReader.iso, default=None
        ),
        WrappingFormat(
            "compose", rf"(?P<lane>(?!{levels.WORD} +\|)[\w.\-]+) +\| (?P<ts>{ISO}) ", TimeReader.iso, default=None
        ),
        WrappingFormat("compose", r"(?P<lane>(?![\dTZ._\-]+ )[\w.\-]+[-_]\d+) +\| ", None, default=None),
    ]


def labelling_formats() -> list[Format]:
    """What is put before the lines of programs that run side by side; asked last, as their lines may have known headers with such a label."""
    return [
        WrappingFormat("ray", r"\((?P<lane>\w+)\) (?=\[\d{4}-\d\d-)", None, default=None),
        WrappingFormat("ray", r"\((?P<lane>(?:[\w.]+ )?pid=(?P<pid>\d+))(?:, ip=[\w.:]+)?\) ", None, default=None),
    ]


class WrappingFormat(RegexFormat):
    """A regular expression before a line of another program; the groups `lane` and `flag` (`P`: the line goes on) besides those of `RegexFormat`."""

    wraps = True

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        header = super().read(line, times)
        match = self.regex.match(line)
        if header is None or match is None:
            return None
        groups = match.groupdict()
        return header._replace(lane=groups["lane"], logger=groups["lane"], partial=groups.get("flag") == "P")


class ExportFormat:
    """`journalctl -o export`: one field a line, a blank line behind each entry."""

    name = "export"
    starts = "_"
    dated = True
    wraps = False
    follows = re.compile(r"[A-Z_][A-Z0-9_]*=|$")

    def read(self, line: str, times: TimeReader) -> Header | None:  # noqa: ARG002 - the protocol's
        """See `Format.read`; what the entry says is known at its end."""
        return Header(None, levels.UNKNOWN, None, None, "", line) if line.startswith("__CURSOR=") else None

    def finish(self, lines: Sequence[str], header: Header, times: TimeReader) -> Header:
        """The header of the whole entry."""
        record: dict[str, Any] = dict(line.split("=", 1) for line in lines if "=" in line)
        return json_header(record, header.message, times)


class IndentedJsonFormat:
    """An object over several lines: JSON, or as Node prints one."""

    name = "json"
    starts = "{"
    dated = True
    wraps = False
    follows = re.compile(r"\s|\}|$")

    def read(self, line: str, times: TimeReader) -> Header | None:  # noqa: ARG002 - the protocol's
        """See `Format.read`; what the object says is known at its end."""
        return Header(None, levels.UNKNOWN, None, None, "", line) if line.rstrip() == "{" else None

    def finish(self, lines: Sequence[str], header: Header, times: TimeReader) -> Header:
        """The header of the whole object; as it was where the lines are none."""
        record = json_object("\n".join(lines)) or _inspected(lines)
        return header if record is None else json_header(record, header.message, times)

    def speaks(self, lines: Sequence[str], first: int, times: TimeReader) -> bool:
        """Whether the object that begins at line `first` has a time or a level. One without is what another record prints."""
        last = first + 1
        while last < len(lines) and self.follows.match(lines[last]) and lines[last - 1].rstrip() != "}":
            last += 1
        header = self.finish(lines[first:last], Header(None, levels.UNKNOWN, None, None, "", ""), times)
        return header.ts is not None or bool(header.level)


_PROPERTY: Final = re.compile(r"  (?:(\w+)|'([^']*)'|\"([^\"]*)\"): (.*?),?$")
_QUOTED: Final = re.compile(r"(['\"`])(.*)\1$")


def _inspected(lines: Sequence[str]) -> dict[str, Any] | None:
    """The properties of an object as Node prints it for people: names without quotes, texts in single ones."""
    record: dict[str, Any] = {}
    for line in lines:
        match = _PROPERTY.match(line)
        if match is None:
            continue
        quoted = _QUOTED.match(match[4])
        number = re.fullmatch(r"-?\d+(?:\.\d+)?", match[4])
        value = quoted[2] if quoted else float(match[4]) if number else match[4]
        record[match[1] or match[2] or match[3]] = int(value) if number and "." not in match[4] else value
    return record or None


class W3cHeadFormat(RegexFormat):
    """The lines that say what follows in a W3C extended log; its date is the day of lines that have a clock only, where these are read after it."""

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`; a date is remembered, also where only a sample of lines is looked at."""
        if line.startswith("#Date: "):
            times.note_day(line.removeprefix("#Date: "))
        return super().read(line, times)

    def finish(self, lines: Sequence[str], header: Header, times: TimeReader) -> Header:
        """The header with the date of the block."""
        date = next((line.removeprefix("#Date: ") for line in lines if line.startswith("#Date: ")), None)
        ts = times.note_day(date) if date is not None else None
        return header._replace(ts=ts)


class JulFormat(RegexFormat):
    """java.util.logging: time and place on the first line, level and message on the second."""

    def finish(self, lines: Sequence[str], header: Header, times: TimeReader) -> Header:  # noqa: ARG002 - as above
        """The header with the second line's level."""
        match = _JUL_LEVEL.match(lines[1]) if len(lines) > 1 else None
        return header if match is None else header._replace(level=levels.of_word(match.group(1)))


FINISHED: Final = (ExportFormat, IndentedJsonFormat, JulFormat, MarkupFormat, W3cHeadFormat)
"""Formats whose headers are known only when the record's last line is."""
