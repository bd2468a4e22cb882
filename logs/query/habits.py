"""What people type who know another query language: said at its place with what to type here, where it would only be searched as text and find nothing."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from logs.query.quantities import quantity

_NAME: Final = r"[A-Za-z_@][\w.@/\-]*"
_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|/(?:[^\\]|\\.)+?/i?(?=[\s)]|$)|[()]|[^\s()"]+', re.DOTALL)
_WHOLE_NAME: Final = re.compile(_NAME)
_SIGNS: Final = {"=": "=", "==": "=", ":": ":", "!=": "!=", "<>": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_MISTYPED: Final = re.compile(rf"(-?)({_NAME}?)([=<>!~:]{{1,3}})(|[^=<>!~:].*)", re.DOTALL)
_MEANT: Final = {
    "=>": ">=", ">==": ">=", ":=>": ">=", "=<": "<=", "<==": "<=", ":=<": "<=", "==": "=", "===": "=", ":=": "=", "=:": "=", "::": ":", "<>": "!=", "><": "!=",
    "!==": "!=", "=!": "!=", "!:": "!=", ":!": "!=", ":!=": "!=", ">>": ">", "<<": "<", "~": ":", "=~": ":", "~=": ":", "!~": "!=",
}  # fmt: skip
"""What people type, or mistype, for signs."""
_VALID: Final = frozenset({":", "=", "!=", ">", ">=", "<", "<="})
_COMPARED: Final = (_VALID | {":>", ":>=", ":<", ":<="}, _VALID)
"""Signs that mean something: behind a field, and behind `level`."""
_ORDERED: Final = frozenset({"level", "pid"})
_IN_MESSAGES: Final = frozenset({"=", "==", ":"})
"""Signs that stand between blanks in ordinary messages, which people paste: `loss = 0.5`."""
_TILDES: Final = frozenset({"~", "=~", "!~"})
_LINES: Final = {"|=": "{}", "!=": "-{}", "|~": "/{}/", "!~": "-/{}/"}
"""Line filters of LogQL, and the same here."""
_KNOWN: Final = frozenset(
    {"level", "source", "logger", "message", "msg", "raw", "run", "pid", "pattern", "since", "until"}
)
_AGE: Final = re.compile(r"\d{1,6}(?:s|m|min|h|d|w)")
_DATE: Final = r"\d{4}-\d\d-\d\d(?:[T ]?\d\d:\d\d(?::\d\d)?)?"
_DATES: Final = re.compile(rf"({_DATE})?\.\.({_DATE})?")
_TIME_NAMES: Final = r"(?:@?timestamp|time|date|datetime|ts|after|before|from|to)"
_TIMED: Final = re.compile(rf"({_TIME_NAMES})(:|>=?|<=?)({_DATE}|now\b.*|today|yesterday)", re.IGNORECASE)
_UNTIL: Final = frozenset({"before", "to"})
_DOTS: Final = re.compile(rf"({_NAME}):(\d+)\.\.(\d+)")
_SPAN: Final = re.compile(rf"({_NAME}):[\[{{](\S+)")
_GROUPED: Final = re.compile(rf"({_NAME})(?:=|:)")
_STARRED: Final = re.compile(r"\*?([A-Za-z]\w{2,})\*|\*([A-Za-z]\w{2,})")
_BARRED: Final = re.compile(rf"({_NAME}):([\w\-]+(?:\|[\w\-]+)+)")
_AFTER_BAR: Final = frozenset(
    [
        "count",
        "count()",
        "stats",
        "wc",
        "head",
        "tail",
        "sort",
        "uniq",
        "where",
        "table",
        "limit",
        "fields",
        "json",
        "logfmt",
        "line_format",
        "grep",
        "top",
    ]
)
_EARLY: Final = re.compile(rf"'[^'\"]+'$|({_NAME}(?::|=))'[^'\"]+'")


class Habit(NamedTuple):
    """Something of another language, from `start` to `end`, and what to type here."""

    start: int
    end: int
    message: str
    hint: str


class _Piece(NamedTuple):
    start: int
    text: str


def habit_in(text: str) -> Habit | None:
    """The first thing in a query that is of another language and means nothing here; None where there is none.

    >>> habit_in("status >= 500").hint.split(",")[0]
    'Write status>=500'
    """
    pieces = [_Piece(match.start(), match[0]) for match in _PART.finditer(text)]
    quoted = _EARLY.match(text.strip())
    if quoted is not None:
        start = text.index("'")
        words = text.strip()[quoted.end(1) if quoted[1] else 0 :].strip("'")
        right = f'{quoted[1] or ""}"{words}"'
        return Habit(start, len(text.rstrip()), "single quotes hold nothing together.", f"Write {right}.")
    for number in range(len(pieces)):
        for rule in _RULES:
            found = rule(pieces, number)
            if found is not None:
                return found
    return None


def _or_quote(right: str) -> str:
    return f"Write {right}, or put the text in quotes to search for it as it stands."


def _habit(pieces: list[_Piece], first: int, last: int, message: str, right: str) -> Habit:
    end = pieces[last].start + len(pieces[last].text)
    return Habit(pieces[first].start, end, message, _or_quote(right))


def _texts(pieces: list[_Piece], number: int, count: int) -> list[str]:
    return [piece.text for piece in pieces[number : number + count]]


def _spaced(pieces: list[_Piece], number: int) -> Habit | None:
    """`status >= 500`, `level: error`."""
    match _texts(pieces, number, 3):
        case [name, sign, value] if _WHOLE_NAME.fullmatch(name) and value not in {"(", ")"}:
            if sign in _TILDES:
                expression = value.strip('"/')
                right = f"{'-' if sign == '!~' else ''}{name}:/{expression}/"
                return _habit(pieces, number, number + 2, f"{sign} is no sign here.", right)
            if sign in _SIGNS and (name in _KNOWN or sign not in _IN_MESSAGES):
                right = f"{name}{_SIGNS[sign]}{value}"
                return _habit(pieces, number, number + 2, f"blanks around {sign} make it a word to search.", right)
        case [head, value, *_] if _open(head) and value not in {"(", ")"} and _apart(pieces, number):
            return _habit(pieces, number, number + 1, f"{head} and its value stand apart.", f"{head}{value}")
    return None


def _mistyped(pieces: list[_Piece], number: int) -> Habit | None:
    """`level=>warn`, `took=<5ms`, `status==500`, `level:>=warn`, `user=~bob`."""
    piece = pieces[number]
    found = _MISTYPED.fullmatch(piece.text)
    if found is None:
        return None
    minus, name, sign, value = found.groups()
    last = number
    if not value and number + 1 < len(pieces) and not _apart(pieces, number):
        last, value = number + 1, pieces[number + 1].text
    if not value or value in {"(", ")"} or sign in _COMPARED[name == "level"]:
        if value or name not in _KNOWN or sign not in {">", ">=", "<", "<="}:
            return None
        return Habit(piece.start, piece.start + len(piece.text), f"a value is missing behind {name}{sign}", f"Write one, such as {_example(name, sign)}.")  # fmt: skip
    home = value.startswith("/") and not value.endswith("/")
    if sign in {"=~", "!~"} and name not in _KNOWN and not home:
        bare = value.strip('"/')
        minus = "" if (sign == "!~") == bool(minus) else "-"
        return _habit(pieces, number, last, f"{sign} is no sign here.", f"{minus}{name}:/{bare}/")
    if name not in _KNOWN and (quantity(value) is None or sign not in _MEANT or sign in {"::", "~"}):
        return None  # text of a program, such as `a==b` or `fe80::1`
    meant = _MEANT.get(sign, sign.removeprefix(":"))
    if name in _KNOWN and name not in _ORDERED:
        meant = "!=" if "!" in sign or sign in {"<>", "><"} else ":"
    return _habit(pieces, number, last, f"{sign} is no sign here.", f"{minus}{name}{meant}{value}")


def _example(name: str, sign: str) -> str:
    return f"level{sign}warn" if name == "level" else f"{name}:2h" if name in {"since", "until"} else f"{name}:x"


def _open(head: str) -> bool:
    """Whether this is a name that the language knows, with a sign and no value."""
    return head[-1:] in {":", "=", "<", ">"} and head.rstrip(":=<>") in _KNOWN


def _apart(pieces: list[_Piece], number: int) -> bool:
    return pieces[number].start + len(pieces[number].text) < pieces[number + 1].start


def _line_filter(pieces: list[_Piece], number: int) -> Habit | None:
    """`|= "x"`, `{app="web"} |~ "x"`."""
    match _texts(pieces, number, 2):
        case [sign, value] if sign in _LINES:
            bare = value.strip('"')
            inner = bare if "/" in _LINES[sign] else value
            return _habit(pieces, number, number + 1, f"{sign} is no sign here.", _LINES[sign].format(inner))
        case [word, *_] if number == 0 and (match := re.match(rf"\{{({_NAME})=~?$", word)):
            right = f"{match[1]}={pieces[1].text if len(pieces) > 1 else 'VALUE'}"
            return _habit(pieces, 0, 0, "labels need no braces.", right)
    return None


def _piped(pieces: list[_Piece], number: int) -> Habit | None:
    """`error | wc -l`, `grep -i error`, `select * from logs`."""
    match _texts(pieces, number, 2):
        case ["|", command] if command in _AFTER_BAR and number:
            return _habit(
                pieces,
                number,
                number + 1,
                "a query has no commands behind a bar.",
                "the terms alone: the list shows their count and its patterns",
            )
        case ["grep" | "egrep" | "rg" | "zgrep", option] if number == 0 and option.startswith("-"):
            return _habit(
                pieces,
                0,
                1,
                "options of grep mean nothing here.",
                "the text alone: case does not count, -text leaves out, /expression/ matches",
            )
        case [word, "*"] if number == 0 and word.lower() == "select":
            return _habit(pieces, 0, 1, "a query is no SQL.", "the terms alone, or ask `watchkeeper query`")
    return None


def _timed(pieces: list[_Piece], number: int) -> Habit | None:
    """`since 1h`, `2026-11-30..`, `timestamp>now-1h`."""
    text = pieces[number].text
    match _texts(pieces, number, 2):
        case ["since" | "last" | "until" as word, age] if _AGE.fullmatch(age):
            return _habit(
                pieces, number, number + 1, "a time needs its name.", f"{'until' if word == 'until' else 'since'}:{age}"
            )
    dates = _DATES.fullmatch(text)
    if dates is not None and (dates[1] or dates[2]):
        right = " ".join([f"{name}:{date}" for name, date in (("since", dates[1]), ("until", dates[2])) if date])
        return _habit(pieces, number, number, "a range of times needs names.", right)
    timed = _TIMED.fullmatch(text)
    if timed is not None:
        name = "until" if timed[1].lower() in _UNTIL or timed[2].startswith("<") else "since"
        value = timed[3].removeprefix("now-") if timed[3].startswith("now-") else timed[3]
        return _habit(pieces, number, number, f"{timed[1]} is not the time of a record.", f"{name}:{value}")
    return None


def _several(pieces: list[_Piece], number: int) -> Habit | None:
    """`status:[500 TO 599]`, `status:(500 OR 502)`, `level:warn|error`, `level in (warn, error)`."""
    text = pieces[number].text
    span = _SPAN.fullmatch(text)
    following = _texts(pieces, number + 1, 2)
    if span is not None and following[:1] == ["TO"] and len(following) == 2:
        name, least, most = span[1], span[2], following[1].rstrip("]}")
        time = name.lower().lstrip("@") in {"timestamp", "time", "date", "ts"}
        least, most = (value.removeprefix("now-") for value in (least, most))
        right = f"since:{least} until:{most}" if time else f"{name}>={least} {name}<={most}"
        return _habit(pieces, number, number + 2, "a range is written with two comparisons.", right)
    dots = _DOTS.fullmatch(text)
    if dots is not None:
        right = f"{dots[1]}>={dots[2]} {dots[1]}<={dots[3]}"
        return _habit(pieces, number, number, "a range is written with two comparisons.", right)
    barred = _BARRED.fullmatch(text)
    if barred is not None:
        right = f"{barred[1]}:{barred[2].replace('|', ',')}"
        return _habit(pieces, number, number, "one of several values is written with commas.", right)
    grouped, sql = _GROUPED.fullmatch(text), following[:2] in (["in", "("], ["IN", "("])
    if (following[:1] == ["("] and grouped is not None) or (sql and _WHOLE_NAME.fullmatch(text)):
        name = grouped[1] if grouped is not None else text
        inner = []
        for piece in pieces[number + (1 if grouped is not None else 2) + 1 :]:
            if piece.text == ")":
                break
            inner.append(piece.text.strip(",'"))
        values = [part for part in inner if part not in {"OR", "AND", "or", ","}]
        if not values or (sql and "," not in "".join(p.text for p in pieces[number:])):
            return None
        sign = ":" if "AND" not in inner else "="
        right = f"{name}{sign}{','.join(values)}"
        return _habit(pieces, number, number, "one of several values is written with commas.", right)
    return None


def _decorated(pieces: list[_Piece], number: int) -> Habit | None:
    """`timeout*`, `+foo`, `!foo`, `"a b"~2`."""
    text = pieces[number].text
    starred = _STARRED.fullmatch(text)
    if starred is not None:
        word = starred[1] or starred[2]
        return _habit(pieces, number, number, "text is found inside of words: it needs no star.", word)
    signed = re.fullmatch(r"([+!])([A-Za-z]\w*)", text)
    if signed is not None:
        right = signed[2] if signed[1] == "+" else f"-{signed[2]}"
        return _habit(pieces, number, number, f"{signed[1]} is no sign here.", right)
    if number and re.fullmatch(r"[~^]\d+(?:\.\d+)?", text) and pieces[number - 1].text.startswith('"'):
        return _habit(pieces, number, number, f"{text[0]} means nothing here.", pieces[number - 1].text)
    return None


_RULES: Final[tuple[Callable[[list[_Piece], int], Habit | None], ...]] = (
    _line_filter,
    _piped,
    _timed,
    _several,
    _spaced,
    _mistyped,
    _decorated,
)
