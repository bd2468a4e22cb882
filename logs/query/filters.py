"""Log filters: read from a request, asked of the store, and tried on live records, with the same answer."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logs.core import levels
from logs.core.errors import LogsError
from logs.core.record import LogRecord
from logs.query import tree
from logs.query.expressions import compiled
from logs.query.language import MOST_TEXT, Options, parse_query
from logs.query.matching import Names, Paths, Test, test_of
from logs.query.times import parse_range
from logs.query.tree import Node

ParamValue = str | int | float | bool | bytes | None | Sequence[str] | Sequence[int] | Node
"""What a parameter of a named query may be."""
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})
FILTER_KEYS: Final = (
    *("q", "regex", "raw", "case", "query", "level", "levels", "source", "pid", "run", "since", "until", "zone"),
)
"""The parameters of a filter."""
_MAX_RUN: Final = 1 << 63


def _unknown(_run: int) -> None:
    """Nobody knows which process a run is."""


def _nowhere(_source: str) -> tuple[str, ...]:
    """Nobody knows where the files of a source are."""
    return ()


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which records: all conditions hold. `text` is a substring, or an RE2 expression when `regex`; `query` is a parsed query; `runs` are any of several."""

    text: str = ""
    regex: bool = False
    raw: bool = False
    case: bool = False
    query: Node | None = None
    least: int = 0
    levels: frozenset[int] = frozenset()
    sources: tuple[str, ...] = ()
    pid: int | None = None
    run: int | None = None
    runs: tuple[int, ...] = ()
    since: int | None = None
    until: int | None = None
    names: Names = field(default=_unknown, repr=False, compare=False)
    paths: Paths = field(default=_nowhere, repr=False, compare=False)
    _where: Node | None = field(default=None, init=False, repr=False, compare=False)
    _test: Test | None = field(default=None, init=False, repr=False, compare=False)
    _streams: bool = field(default=True, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = [*self._texts(), *([self.query] if self.query is not None else [])]
        where = None if not parts else parts[0] if len(parts) == 1 else tree.And(tuple(parts))
        object.__setattr__(self, "_where", where)
        object.__setattr__(self, "_streams", where is None or not tree.needs_store(where))
        object.__setattr__(self, "_test", None if where is None else test_of(where, self.names, self.paths))

    @classmethod
    def parse(
        cls, params: Mapping[str, str], now: int, names: Names = _unknown, paths: Paths = _nowhere
    ) -> "LogFilter":
        """Read a request's parameters; others than the filter's own are left alone.

        A substring is matched without regard to case unless `case=1`, a regular expression with regard to it unless `case=0`. `query` is
        in the query language (`logs.query.language`); `raw` and `case` apply to its words, `zone` names the zone of its times.

        Raises:
            LogsError: an expression, a time, a level or a number is wrong.
        """
        given = {key: value for key, value in params.items() if key in FILTER_KEYS and value is not None}
        text = given.get("q", "")
        if len(text) > MOST_TEXT:
            raise LogsError(
                f"The text to search is longer than {MOST_TEXT} characters.", hint="Search for a part of it."
            )
        regex, raw, zone = _flag(given, "regex"), _flag(given, "raw"), _zone(given.get("zone", ""))
        since, until = parse_range(given.get("since"), given.get("until"), now, zone)
        asked = parse_query(
            given.get("query", ""), Options(now, zone, _flag(given, "case"), "raw" if raw else "message")
        )
        rest, first, last = _without_times(asked)
        runs = _runs(given)
        return cls(
            text=text.replace("\0", "\ufffd"),
            regex=regex,
            raw=raw,
            case=_flag(given, "case") if given.get("case", "") != "" else regex,
            query=rest,
            least=_level(given["level"]) if given.get("level") else 0,
            levels=frozenset(_level(word, unknown=True) for word in given.get("levels", "").split(",") if word.strip()),
            sources=tuple(name.strip() for name in given.get("source", "").split(",") if name.strip()),
            pid=_number(given, "pid", 1 << 31),
            run=runs[0] if len(runs) == 1 else None,
            runs=runs if len(runs) > 1 else (),
            since=max((at for at in (since, *first) if at is not None), default=None),
            until=min((at for at in (until, *last) if at is not None), default=None),
            names=names,
            paths=paths,
        )

    @property
    def streams(self) -> bool:
        """Whether live records can be tried: not where the query asks for a pattern, which a record gets when it is stored."""
        return self._streams

    def matches(self, record: LogRecord) -> bool:
        """Whether a live record passes; as the store would say. None does where the filter does not stream."""
        if not self._streams:
            return False
        if record.level < self.least or (self.levels and record.level not in self.levels):
            return False
        if (self.since is not None and record.ts < self.since) or (self.until is not None and record.ts >= self.until):
            return False
        if (self.pid is not None and record.pid != self.pid) or not self._is_of(record.run):
            return False
        if self.sources and not any(fnmatch.fnmatchcase(record.source, glob) for glob in self._globs()):
            return False
        return self._test is None or self._test(record)

    @property
    def where(self) -> Node | None:
        """What is asked of texts and fields, as a query; None without."""
        return self._where

    def _is_of(self, run: int | None) -> bool:
        """Whether a record of this run passes."""
        return (self.run is None or run == self.run) and (not self.runs or run in self.runs)

    def params(self) -> dict[str, ParamValue]:
        """The parameters of the log queries; those that do not apply are absent."""
        values: dict[str, ParamValue] = {}
        if self._where is not None:
            values["where"] = self._where
        if self.least:
            values["least"] = self.least
        if self.levels:
            values["levels"] = sorted(self.levels)
        if len(self.sources) == 1 and "*" not in self.sources[0]:
            values["source"] = self.sources[0]
        elif self.sources:
            values["sources"] = self._globs()
        if self.runs:
            values["runs"] = list(self.runs)
        numbers = {"pid": self.pid, "run": self.run, "since": self.since, "until": self.until}
        return values | {name: number for name, number in numbers.items() if number is not None}

    def marks(self) -> list[dict[str, Any]]:
        """What to mark in the records that are found: `{"text", "regex", "case"}`."""
        found = [] if self._where is None else list(_wanted(self._where))
        return [
            {"text": node.text, "regex": False, "case": node.case}
            if isinstance(node, tree.Text)
            else {"text": node.pattern, "regex": True, "case": node.case}
            for node in dict.fromkeys(found)
        ]

    def _texts(self) -> Iterator[Node]:
        place: tree.Place = "raw" if self.raw else "message"
        if self.text and self.regex:
            compiled(self.text, case=self.case)
            yield tree.Regex(self.text, place, self.case)
        elif self.text:
            yield tree.Text(self.text, place, self.case)

    def _globs(self) -> list[str]:
        """The source patterns with `*` alone special."""
        return [name.replace("[", "[[]").replace("?", "[?]") for name in self.sources]


def _without_times(node: Node | None) -> tuple[Node | None, list[int], list[int]]:
    """The query without the times that hold for all of it, and those: they bound how far the store looks."""
    parts = node.parts if isinstance(node, tree.And) else () if node is None else (node,)
    since = [part.at for part in parts if isinstance(part, tree.Time) and part.name == "since"]
    until = [part.at for part in parts if isinstance(part, tree.Time) and part.name == "until"]
    rest = tuple(part for part in parts if not isinstance(part, tree.Time))
    return (tree.And(rest) if len(rest) > 1 else rest[0] if rest else None), since, until


def _wanted(node: Node) -> Iterator[tree.Text | tree.Regex]:
    """The texts that a record may be found for."""
    if isinstance(node, tree.Text | tree.Regex):
        yield node
    elif isinstance(node, tree.And | tree.Or):
        for part in node.parts:
            yield from _wanted(part)


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LogsError(
            f"There is no time zone {name[:60]!r}.",
            hint="Zones are named as in Europe/Berlin; leave it out for the agent's own.",
        ) from error


def _flag(params: Mapping[str, str], name: str) -> bool:
    value = str(params.get(name, "")).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise LogsError(f"{name}={value!r} is neither 0 nor 1.", hint=f"Write {name}=1 or leave it out.")


def _level(word: str, *, unknown: bool = False) -> int:
    name = word.strip().lower()
    if unknown and name in {"unknown", "none", "null"}:
        return levels.UNKNOWN
    number = levels.BY_NAME.get(name)
    if number is None:
        raise LogsError(f"There is no level {word!r}.", hint="Levels are trace, debug, info, warn, error, fatal.")
    return number


def _runs(params: Mapping[str, str]) -> tuple[int, ...]:
    """The runs of a list, each once."""
    numbers = [_number({"run": word.strip()}, "run", _MAX_RUN) for word in params.get("run", "").split(",")]
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def _number(params: Mapping[str, str], name: str, limit: int) -> int | None:
    value = params.get(name, "")
    if value == "":
        return None
    if not str(value).isdecimal() or int(value) >= limit:
        raise LogsError(f"{name}={value!r} is no {name}.", hint=f"Give {name} as a number.")
    return int(value)
