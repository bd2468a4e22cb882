"""Lines of access logs: one that tells a request and its status has both as fields, with the client and what else stands at its place, whatever server wrote it.

The values stay in the line, and are taken out of it where they are asked for: the store takes the same expressions. So reading such a log in costs what it did.
"""

import functools
import re
from typing import Any, Final, NamedTuple

import re2

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
OTHERS: Final = (
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "PURGE",
)
NAMES: Final = (
    "client",
    "user",
    "method",
    "path",
    "query",
    "protocol",
    "status",
    "bytes",
    "duration",
    "referer",
    "agent",
)
"""The fields, in the order in which they are shown."""
HINT: Final = rf'(?:^|[ "])(?:{"|".join((*METHODS, *OTHERS))}) '
"""What each such line has."""
_NUMBERS: Final = frozenset({"status", "bytes"})
_ANY: Final = "|".join((*METHODS, *OTHERS))
_METHOD: Final = rf"(?P<method>{_ANY})"
_PLAIN: Final = rf"(?P<method>{'|'.join(METHODS)})"
_SIX: Final = r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*"
_PORT: Final = r"\]?(?::[0-9]+)?"
_CLIENT: Final = rf"\[?(?P<client>{_SIX}|[A-Za-z0-9][\w.\-]*){_PORT}"
_ADDRESS: Final = rf"\[?(?P<client>{_SIX}|[A-Za-z0-9][\w\-]*(?:\.[\w\-]+)+|localhost){_PORT}"
_USER: Final = r"(?:-|(?P<user>[^ \n]+))"
_TARGET: Final = r'(?P<path>(?:[^ "?\\\n]|\\[^\n])+)(?:\?(?P<query>(?:[^ "\\\n]|\\[^\n])*))?'
_BARE: Final = r'(?P<path>/[^ "?\n]*)(?:\?(?P<query>[^ "\n]*))?'
_PROTOCOL: Final = r"(?: (?P<protocol>(?:HTTP/)?[0-9][0-9.]*))?"
_STATUS: Final = r"(?P<status>[1-5][0-9][0-9])"
_QUOTED: Final = r'(?:[^"\\\n]|\\[^\n])*'
_ASKED: Final = rf'"(?:{_ANY}) {_QUOTED}" (?:[1-5][0-9][0-9]|-)'
_END: Final = r"(?:[ ,;\n]|$)"
_LAST: Final = r'([^ "=,;\n\-]+)[ ",;\n]?$'
"""A value at the end of what an expression finds: to find that and take the value out of it costs half of what a group in it does."""


class _Shape(NamedTuple):
    """One way to write such a line, or some of its fields: an expression for RE2; `unit` is that of its duration, `last` the field with which it ends."""

    pattern: str
    unit: str = ""
    last: str = ""


_SHAPES: Final = (
    # Apache, nginx and whoever writes as they do: Django, Werkzeug, gunicorn, Uvicorn, Hypercorn, Daphne, aiohttp
    _Shape(rf'"{_METHOD} {_TARGET}{_PROTOCOL}" (?:{_STATUS}|-){_END}', last="status"),
    _Shape(rf"(?:^|[ (|]){_CLIENT} [^ \n]+ {_USER} \[[^\]\n]*\] {_ASKED}"),
    _Shape(rf"(?:^|[ (|]){_ADDRESS} (?:(?:{_USER} )?\[[^\]\n]*\] |- ){_ASKED}"),
    _Shape(rf"{_ASKED} (?P<bytes>[0-9]+){_END}", last="bytes"),
    _Shape(rf'{_ASKED} (?:[0-9]+|-) "(?:-|(?P<referer>{_QUOTED}))" "(?:-|(?P<agent>{_QUOTED}))"'),
    # how long it took stands behind that with a unit, under a name, or as a fraction of seconds: a whole number alone may be anything
    _Shape(
        rf'{_ASKED}(?: (?:[^ "\n]|"{_QUOTED}")+)*? "?(?:(?:rt|request_time|duration|took|time)=)?"?'
        r'(?P<duration>[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|μs|ms|s)|[0-9]+\.[0-9]{3,6})(?:[" ,\n]|$)',
        last="duration",
    ),
    # Go's chi
    _Shape(
        rf'"{_METHOD} (?:https?://[^ /"\n]*)?{_TARGET}{_PROTOCOL}" from {_CLIENT} - {_STATUS} (?P<bytes>[0-9]+)B in (?P<duration>[0-9][^ \n]*)'
    ),
    # Go's gin, which Ollama uses
    _Shape(rf'\[GIN\] [^|\n]*\| +{_STATUS} \| +(?P<duration>[0-9][^ |\n]*) \| +{_CLIENT} \| +{_METHOD} +"{_TARGET}"'),
    # uWSGI
    _Shape(
        rf"\] {_CLIENT} \([^)\n]*\) (?:\{{[^}}\n]*\}} )?\[[^\]\n]*\] {_PLAIN} {_BARE} => generated (?P<bytes>[0-9]+) bytes in (?P<duration>[0-9]+) msecs \((?P<protocol>HTTP/[0-9.]+) {_STATUS}\)",
        "ms",
    ),
    # Tornado, and Jupyter on it
    _Shape(
        rf"(?:^|[ \]]){_STATUS} {_PLAIN} {_BARE} \((?:(?P<user>[^@() \n]+)@)?{_CLIENT}\) (?P<duration>[0-9][0-9.]*ms)"
    ),
    # IIS, as it is set up at first
    _Shape(
        rf"^[^ \n]+ [^ \n]+ [^ \n]+ {_PLAIN} (?P<path>/[^ \n]*) (?:-|(?P<query>[^ \n]+)) [0-9]+ {_USER} {_CLIENT} (?:-|(?P<agent>[^ \n]+)) (?:-|(?P<referer>[^ \n]+)) {_STATUS} [0-9]+ [0-9]+ (?P<duration>[0-9]+)$",
        "ms",
    ),
)


class Part(NamedTuple):
    """Where one way to write such a line has a value: the first group of an RE2 expression, and what is to be put behind it; `within`: in what this expression finds."""

    pattern: str
    unit: str
    within: str = ""


@functools.cache
def parts(name: str) -> tuple[Part, ...]:
    """How to take a field out of a line: what finds something first is it. `line` is the whole one, as far as the record shows it."""
    unit = name == "duration"
    return tuple(
        Part(_LAST, shape.unit if unit else "", _only(shape.pattern, ""))
        if shape.last == name
        else Part(_only(shape.pattern, name), shape.unit if unit else "")
        for shape in _SHAPES
        if f"(?P<{name}>" in shape.pattern
    )


def value(name: str, line: str) -> str | None:
    """A field of a line; None where it is no line of an access log, or has none."""
    body = line.encode("utf-8", "replace")
    if _compiled(HINT).search(body) is None:
        return None
    for part in parts(name):
        around = _compiled(part.within).search(body) if part.within else None
        if part.within and around is None:
            continue
        found = _compiled(part.pattern).search(body if around is None else around.group(0))
        if found is not None and found.group(1):
            return f"{found.group(1).decode('utf-8', 'replace')}{part.unit}"
    return None


def fields(line: str) -> dict[str, Any]:
    """All fields of a line; none where it is no line of an access log.

    >>> fields('10.0.0.7 - - [02/Dec/2026:10:00:00 +0000] "GET /api?id=1 HTTP/1.1" 503 12')
    {'client': '10.0.0.7', 'method': 'GET', 'path': '/api', 'query': 'id=1', 'protocol': 'HTTP/1.1', 'status': 503, 'bytes': 12}
    """
    body = line.encode("utf-8", "replace")
    if _compiled(HINT).search(body) is None:
        return {}
    said: dict[str, str] = {}
    for shape in _SHAPES:
        names, pattern = _whole(shape.pattern)
        match = pattern.search(body)
        for name, text in zip(names, match.groups(), strict=True) if match is not None else ():
            if text:
                unit = shape.unit if name == "duration" else ""
                said.setdefault(name, f"{text.decode('utf-8', 'replace')}{unit}")
    return {name: int(said[name]) if name in _NUMBERS else said[name] for name in NAMES if name in said}


@functools.cache
def _whole(pattern: str) -> tuple[list[str], Any]:
    """The names of the groups of an expression, and that compiled."""
    return re.findall(r"\(\?P<(\w+)>", pattern), _compiled(pattern)


def _only(pattern: str, name: str) -> str:
    """The expression with the group of a name, and no other."""
    return re.sub(r"\(\?P<(\w+)>", lambda found: "(" if found[1] == name else "(?:", pattern)


@functools.cache
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = 8 << 20
    return re2.compile(pattern.encode(), options)
