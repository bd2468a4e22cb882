"""Headers put together by chance: any time, level, names and numbers, in any order, with any brackets and separators. Each file must be read whole."""

import json
import os
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from logs.parsing.parse import parse_file

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _form(text: str) -> Callable[[datetime], str]:
    """A time written so; `{ms}`, `{us}`, `{month}`, `{day}` are what `strftime` has in other languages or not at all."""

    def written(at: datetime) -> str:
        fields = {
            "ms": f"{at.microsecond // 1000:03d}",
            "us": f"{at.microsecond:06d}",
            "month": _MONTHS[at.month - 1],
            "day": _DAYS[at.weekday()],
        }
        return at.strftime(text).format(**fields)

    return written


TIMES: Final[dict[str, tuple[Callable[[datetime], str], float]]] = {
    form: (_form(form), unit)
    for form, unit in (
        ("%Y-%m-%d %H:%M:%S", 1),
        ("%Y-%m-%d %H:%M:%S,{ms}", 0.001),
        ("%Y-%m-%d %H:%M:%S.{us}", 0.000001),
        ("%Y-%m-%dT%H:%M:%S.{ms}Z", 0.001),
        ("%Y-%m-%dT%H:%M:%S.{ms}+0000", 0.001),
        ("%Y-%m-%d %H:%M", 60),
        ("%Y/%m/%d %H:%M:%S", 1),
        ("%Y/%m/%d %H:%M:%S.{us}", 0.000001),
        ("%d.%m.%Y %H:%M:%S", 1),
        ("%d/%m/%Y %H:%M:%S", 1),
        ("%m/%d/%Y %I:%M:%S %p", 1),
        ("%y/%m/%d %H:%M:%S", 1),
        ("%Y%m%d %H%M%S", 1),
        ("%Y%m%dT%H%M%S.{ms}", 0.001),
        ("{month} %d %H:%M:%S", 1),
        ("%m-%d %H:%M:%S.{ms}", 0.001),
        ("{day} {month} %d %H:%M:%S %Y", 1),
        ("%d-{month}-%Y %H:%M:%S.{ms}", 0.001),
        ("%d {month} %Y %H:%M:%S,{ms}", 0.001),
        ("%d/{month}/%Y:%H:%M:%S +0000", 1),
    )
} | {
    "epoch": (lambda at: str(int(at.timestamp())), 1),
    "epoch.ms": (lambda at: f"{at.timestamp():.3f}", 0.001),
    "epoch ms": (lambda at: str(int(at.timestamp() * 1000)), 0.001),
}
LEVELS: Final = ("debug", "info", "warn", "error", "fatal")
STYLES: Final = (
    ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    ("debug", "info", "warning", "error", "critical"),
    ("Debug", "Info", "Warning", "Error", "Fatal"),
    ("DEBG", "INFO", "WARN", "EROR", "CRIT"),
    ("DBG", "INF", "WRN", "ERR", "FTL"),
    ("D", "I", "W", "E", "F"),
    ("DEBUG   ", "INFO    ", "WARNING ", "ERROR   ", "CRITICAL"),
    ("DEBUG", " INFO", " WARN", "ERROR", "FATAL"),
)
OTHERS: Final = {
    "logger": ("app.db", "app.web", "worker", "app.db.pool"),
    "thread": ("MainThread", "Thread-3", "pool-1-thread-2", "worker-7"),
    "pid": ("4711",),
    "thread id": ("140097770916736",),
    "host": ("node07",),
    "place": ("db.py:42", "web.py:117", "main.go:9"),
    "function": ("connect", "handle_request", "run"),
    "request": ("req-8f3a12", "req-1b22c3", "-"),
    "class": ("com.acme.Db", "com.acme.web.Handler", "Main"),
    "rank": ("rank0", "rank1"),
}
WRAPS: Final = (("[", "]"), ("", ""), ("(", ")"), ("<", ">"), ("|", "|"), ("", ":"), ("{", "}"))
SEPARATORS: Final = (" ", " ", " - ", " | ", "|", "\t", " : ", ", ", ";")
TRACE: Final = (
    'Traceback (most recent call last):\n  File "/srv/w.py", line 12, in run\n    go()\nValueError: bad payload'
)
EVENTS: Final = (
    (1, "service started on port 8080"),
    (0, "cache miss for key user:42"),
    (2, "disk usage at 91 percent"),
    (3, "failed to open file data.bin: no such file"),
    (1, "0 errors, 0 warnings found"),
    (1, "No FATAL problems were found"),
    (1, "größe 12 µm – 完了"),
    (1, "request finished user_id=42 duration_ms=17.5"),
    (1, "report:\n  second line"),
    (3, f"worker crashed\n{TRACE}"),
    (4, "giving up"),
    (1, "done"),
)


class Layout(NamedTuple):
    """A header: the form of its time, the words of its levels, its parts in order, each with its brackets, what is between them and before the message."""

    time: str
    style: tuple[str, ...]
    parts: tuple[tuple[str, tuple[str, str]], ...]
    between: str
    last: str


def layout(chance: random.Random) -> Layout:
    """A header of one to five parts; the time comes first in half of them."""
    rest = ["level", *chance.sample(list(OTHERS), chance.choice((0, 1, 1, 2, 2, 3)))]
    chance.shuffle(rest)
    parts = ["time", *rest] if chance.random() < 0.5 else chance.sample(["time", *rest], len(rest) + 1)
    common = chance.choice(WRAPS) if chance.random() < 0.4 else None
    between = chance.choice(SEPARATORS)
    wrapped = tuple((part, common or chance.choice(WRAPS)) for part in parts)
    return Layout(chance.choice(list(TIMES)), chance.choice(STYLES), wrapped, between, chance.choice((between, " ", ": ", " - ")))  # fmt: skip


def line(header: Layout, at: datetime, level: int, message: str, chance: random.Random) -> str:
    """The line of an event."""
    texts = {"time": TIMES[header.time][0](at), "level": header.style[level]}
    parts = (f"{a}{texts.get(part) or chance.choice(OTHERS[part])}{b}" for part, (a, b) in header.parts)
    return header.between.join(parts) + header.last + message


def write_log(
    path: Path, header: Layout, events: Sequence[tuple[int, str]], chance: random.Random
) -> tuple[list[str], list[tuple[int, int, float, str, str]]]:
    """Write a log of these levels and messages. Its records as they were written, and of each the line that it begins at, how many it has, its
    time, its level and the first line of its message.
    """
    at = datetime(2026, chance.choice((3, 9)), 17, 3, 10, tzinfo=UTC)
    lines: list[str] = []
    truth: list[tuple[int, int, float, str, str]] = []
    place = 1
    for level, message in events:
        at += timedelta(seconds=chance.uniform(0.3, 50))
        text = line(header, at, level, message, chance)
        truth.append((place, text.count("\n") + 1, at.timestamp(), LEVELS[level], message.split("\n")[0]))
        place += text.count("\n") + 1
        lines.append(text)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return lines, truth


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 60))])
def test_headers_in_any_order_are_read_whole(seed: int, tmp_path: Path) -> None:
    """Each event is a record with its lines, its time, its level and its message."""
    chance = random.Random(seed)
    wrong = []
    for number in range(20):
        header = layout(chance)
        path = tmp_path / f"{number}.log"
        lines, truth = write_log(path, header, EVENTS, chance)
        found = list(parse_file(path))
        got = [(record["line_no"], record["lines"], record["level"]) for record in found]
        if got != [(begin, many, level) for begin, many, _, level, _ in truth]:
            wrong.append((header, lines[3], got))
            continue
        for record, (_, _, moment, _, message) in zip(found, truth, strict=True):
            read = datetime.fromisoformat(record["ts"]).timestamp() if record["ts"] else 0
            if abs(read - moment) > TIMES[header.time][1] + 0.002 or message not in record["body"]:
                wrong.append((header, record, message))
    assert not wrong


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 20))])
def test_a_letter_that_all_lines_have_is_no_level(seed: int, tmp_path: Path) -> None:
    """`T|time|INFO|…` and `time E WARN …`: another column tells the lines apart."""
    chance = random.Random(seed)
    wrong = []
    for number in range(20):
        header = layout(chance)
        style = chance.choice([style for style in STYLES if len(style[0]) > 1])
        letter, wrap = chance.choice("TEDI"), chance.choice(WRAPS)
        place = chance.randrange(len(header.parts) + 1)
        parts = (*header.parts[:place], (letter, wrap), *header.parts[place:])
        at = datetime(2026, 3, 17, 3, 10, tzinfo=UTC)
        lines = []
        for level, message in EVENTS:
            at += timedelta(seconds=chance.uniform(0.3, 50))
            texts = {"time": TIMES[header.time][0](at), "level": style[level], letter: letter}
            shown = (f"{a}{texts.get(part) or chance.choice(OTHERS[part])}{b}" for part, (a, b) in parts)
            lines.append(header.between.join(shown) + header.last + message)
        path = tmp_path / f"{number}.log"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        os.utime(path, (at.timestamp(), at.timestamp()))
        if [record["level"] for record in parse_file(path)] != [LEVELS[level] for level, _ in EVENTS]:
            wrong.append(lines[3])
    assert not wrong


TIME_NAMES: Final = ("time", "ts", "timestamp", "@timestamp", "date", "datetime", "t", "asctime", "eventTime", "created_at", "logged_at", "Timestamp", "when", "_time", "log.timestamp", "event_time", "unixtime")  # fmt: skip
LEVEL_NAMES: Final = ("level", "lvl", "severity", "levelname", "log.level", "loglevel", "Level", "severity_text", "log_level", "levelName")  # fmt: skip
MESSAGE_NAMES: Final = ("msg", "message", "event", "log", "text", "body", "Message", "@message", "description", "data", "content")  # fmt: skip
LOGGER_NAMES: Final = ("logger", "name", "module", "component", "caller", "source", "service", "category", "target", "scope")  # fmt: skip
VALUES: Final[dict[str, tuple[Callable[[datetime], object], float]]] = {
    **{name: TIMES[name] for name in ("%Y-%m-%dT%H:%M:%S.{ms}Z", "%Y-%m-%d %H:%M:%S,{ms}", "%Y/%m/%d %H:%M:%S", "epoch", "epoch.ms", "epoch ms")},
    "s": (lambda at: int(at.timestamp()), 1),
    "ms": (lambda at: int(at.timestamp() * 1e3), 0.001),
    "µs": (lambda at: int(at.timestamp() * 1e6), 0.001),
    "ns": (lambda at: int(at.timestamp() * 1e6) * 1000, 0.001),
}  # fmt: skip
NUMBERS: Final = (
    ("level", (20, 30, 40, 50, 60), {"v": 0, "hostname": "vm"}),
    ("levelno", (10, 20, 30, 40, 50), {}),
    ("severity", (7, 6, 4, 3, 2), {}),
    ("severityNumber", (5, 9, 13, 17, 21), {}),
)
EXTRA: Final = (("user_id", 42), ("duration_ms", 17.5), ("path", "/api/items"), ("pid", 4711), ("ok", True), ("trace_id", "4bf92f3577b34da6"), ("ctx", {"a": 1, "error": None}))  # fmt: skip


def _pair(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{name}={text}" if re.fullmatch(r'[^\s"=]+', text) else f"{name}={json.dumps(text, ensure_ascii=False)}"


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 40))])
def test_named_values_are_read_whatever_their_names(seed: int, tmp_path: Path) -> None:
    """JSON and pairs with the names and forms that programs choose for time, level and message, in any order among others."""
    chance = random.Random(seed)
    wrong = []
    for number in range(30):
        as_json = chance.random() < 0.7
        named, message_name, form = chance.choice(TIME_NAMES), chance.choice(MESSAGE_NAMES), chance.choice(list(VALUES))
        level_name, words, beside = chance.choice(((chance.choice(LEVEL_NAMES), chance.choice(STYLES[:6]), {}), chance.choice(NUMBERS)))  # fmt: skip
        extra = [*beside.items(), *chance.sample(EXTRA, chance.randrange(4))]
        if chance.random() < 0.6:
            extra.append((chance.choice(LOGGER_NAMES), "app.db"))
        order = chance.sample(range(3 + len(extra)), 3 + len(extra))
        at = datetime(2026, chance.choice((3, 11)), 17, 3, 10, tzinfo=UTC)
        lines, truth = [], []
        for level, text in EVENTS:
            at += timedelta(seconds=chance.uniform(0.3, 50))
            items = [(named, VALUES[form][0](at)), (level_name, words[level]), (message_name, text), *extra]
            items = [items[place] for place in order]
            lines.append(json.dumps(dict(items), ensure_ascii=False) if as_json else " ".join(_pair(*item) for item in items))  # fmt: skip
            truth.append((at.timestamp(), LEVELS[level], text))
        path = tmp_path / f"{number}.log"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        os.utime(path, (at.timestamp(), at.timestamp()))
        found = list(parse_file(path))
        read = [datetime.fromisoformat(record["ts"]).timestamp() if record["ts"] else 0 for record in found]
        if (
            [record["level"] for record in found] != [level for _, level, _ in truth]
            or any(abs(one - moment) > VALUES[form][1] + 0.002 for one, (moment, _, _) in zip(read, truth, strict=True))
            or any(text not in record["body"] for record, (_, _, text) in zip(found, truth, strict=True))
        ):
            wrong.append((named, form, level_name, words, message_name, lines[3], found[3]))
    assert not wrong


def test_the_surest_name_has_the_message(tmp_path: Path) -> None:
    """`content` before `title`, whichever comes first, and a number of a line is none."""
    path = tmp_path / "named.log"
    beside = {"time": "2026-09-17T03:10:00Z", "level": "error", "line": "42", "title": "jobs"}
    path.write_text("".join(json.dumps(beside | more) + "\n" for more in ({"content": "cannot open"}, {})), "utf-8")
    assert [record["body"] for record in parse_file(path)] == ["cannot open", "jobs"]


DATES: Final = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y_%m_%d", "%Y %b %d", "%Y-%b-%d", "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d.%b.%Y", "%b %d %Y", "%B %d, %Y", "%d %B %Y", "%a %b %d %Y", "%a, %d %b %Y", "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%m/%d/%Y", "%y-%m-%d", "%y/%m/%d", "%Y%m%d", "%b-%d-%Y", "%b/%d/%Y", "%d.%m.%y", "%Y %B %d", "%A, %d %B %Y")  # fmt: skip
JOINS: Final = (" ", "T", "_", "/", ":", ", ", " - ", ";", "|", " at ", "  ", ",", "@")
CLOCKS: Final = (("%H:%M:%S", 1), ("%H:%M:%S.{us}", 0.000001), ("%H:%M:%S,{ms}", 0.001), ("%I:%M:%S %p", 1), ("%I:%M:%S.{ms} %p", 0.001), ("%H:%M:%S +0000", 1), ("%H:%M:%S.{ms}Z", 0.001), ("%H.%M.%S", 1), ("%H-%M-%S", 1), ("%H%M%S", 1), ("%Hh%Mm%Ss", 1), ("%H:%M", 60))  # fmt: skip


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 40))])
def test_days_and_clocks_are_read_however_they_are_joined(seed: int, tmp_path: Path) -> None:
    """Any date, any clock and anything between them; the day is another than that on which the file was written."""
    chance = random.Random(seed)
    wrong = []
    for _ in range(30):
        day, join, (clock, unit) = chance.choice(DATES), chance.choice(JOINS), chance.choice(CLOCKS)
        if clock == "%H:%M" and join == ":":
            continue  # `26 Sep 07:02:05` has no year
        written = _form(day + join + clock)
        at = datetime(2026, 9, 26, 7, 2, 5, 123000, tzinfo=UTC)
        times = [at := at + timedelta(seconds=7.31) for _ in range(8)]
        path = tmp_path / "dated.log"
        path.write_text("".join(f"{written(at)} {LEVELS[number % 4].upper()} message {number}\n" for number, at in enumerate(times)))  # fmt: skip
        late = (at + timedelta(days=1)).timestamp()
        os.utime(path, (late, late))
        read = [record["ts"] for record in parse_file(path)]
        if len(read) != 8 or any(ts is None or abs(datetime.fromisoformat(ts).timestamp() - at.timestamp()) > unit + 0.002 for ts, at in zip(read, times, strict=True)):  # fmt: skip
            wrong.append((written(times[0]), read[0]))
    assert not wrong
