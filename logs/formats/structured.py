"""Structured formats: JSON lines of many dialects, Docker's JSON, the journal's export, logfmt."""

import re
from typing import Any, Final

import msgspec

from logs import levels
from logs.formats.base import Format, Header, pid_number
from logs.times import TimeReader, epoch_us

_TIME_KEYS: Final = (
    "ts",
    "time",
    "timestamp",
    "@timestamp",
    "datetime",
    "date",
    "t",
    "asctime",
    "eventTime",
    "Timestamp",
    "created",
    "EdgeStartTimestamp",
    "__REALTIME_TIMESTAMP",
    "timeUnixNano",
)
_LEVEL_KEYS: Final = (
    "level",
    "lvl",
    "severity",
    "levelname",
    "log.level",
    "loglevel",
    "log_level",
    "Level",
    "SeverityText",
    "severityText",
    "s",
    "PRIORITY",
    "priority",
)
_MESSAGE_KEYS: Final = (
    "msg",
    "message",
    "event",
    "Message",
    "MESSAGE",
    "body",
    "Body",
    "text",
    "log",
    "short_message",
    "description",
)
_LOGGER_KEYS: Final = (
    "logger",
    "name",
    "logger_name",
    "log.logger",
    "module",
    "component",
    "c",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "app",
    "service",
)
_PID_KEYS: Final = ("pid", "process", "process_id", "processId", "_PID", "process.pid")
_NESTED: Final = ("record", "@fields", "fields", "log")
_decoder = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_COMPOSE = re.compile(r"[\w.\-]+ +\| ")
_PAIR = re.compile(r'([A-Za-z_@][\w.@/\-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)')
_PLAIN_PID = re.compile(r"\d{1,8}$")


def structured_formats() -> list[Format]:
    """Docker before JSON, JSON before logfmt."""
    return [DockerFormat(), JsonFormat(), LogfmtFormat()]


class JsonFormat:
    """One JSON object a line, whatever its keys are called."""

    name = "json"
    dated = True

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`. The message is the message field; the whole line is kept beside it."""
        start = 0
        if line[:1] != "{":
            compose = _COMPOSE.match(line)
            start = compose.end() if compose else len(line) - len(line.lstrip())
            if line[start : start + 1] != "{":
                return None
        record = json_object(line[start:])
        return None if record is None else json_header(record, line, times)


class DockerFormat:
    """Docker's json-file driver: objects with `log`, `stream` and `time`."""

    name = "docker"
    dated = True

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        if line[:1] != "{" or '"stream"' not in line or '"log"' not in line:
            return None
        record = json_object(line)
        if record is None or not isinstance(record.get("log"), str) or not isinstance(record.get("time"), str):
            return None
        ts = times.any(record["time"])
        if ts is None:
            return None
        message = record["log"].rstrip("\r\n")
        fields = {key: value for key, value in record.items() if key not in {"log", "time"}}
        return Header(ts, levels.in_text(message), None, None, "", message, _encode(fields).decode(), whole=True)


class LogfmtFormat:
    """Pairs such as `time=… level=info msg="…" key=value`: Go's slog text (Ollama), Grafana, Heroku and many more."""

    name = "logfmt"
    dated = True

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        if "=" not in line[:64] or not (line[:1].isalpha() or line[:1] in "_@"):
            return None
        pairs = _PAIR.findall(line)
        if len(pairs) < 2 or not line.startswith(pairs[0][0] + "="):
            return None
        record: dict[str, Any] = {
            key: (quoted.replace('\\"', '"').replace("\\n", "\n") if quoted else bare) for key, quoted, bare in pairs
        }
        if not (
            record.keys() & {"level", "lvl", "severity"}
            or (record.keys() & {"msg", "message"} and record.keys() & {"time", "ts", "t", "timestamp"})
        ):
            return None
        return json_header(record, line, times)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, or None."""
    try:
        value = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def json_header(record: dict[str, Any], line: str, times: TimeReader) -> Header:
    """A record of named values as a header: the well-known names are taken, all others stay as fields."""
    outer, merged, used = record, record, set[str]()
    ts = _time(record, times, used)
    level = _level(record, used)
    message = _first_text(record, _MESSAGE_KEYS, used)
    if ts is None or message is None or not level:
        for name in _NESTED:
            inner = outer.get(name)
            if isinstance(inner, dict):
                ts = ts if ts is not None else _time(inner, times, used)
                level = level or _level(inner, used)
                if message is None or name == "record":
                    message = _first_text(inner, _MESSAGE_KEYS, used) or message
                merged = {**outer, **inner}
    logger = _first_text(merged, _LOGGER_KEYS, used)
    pid = None
    for key in _PID_KEYS:
        value = merged.get(key)
        if isinstance(value, dict):
            value = value.get("pid", value.get("id"))
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            pid = value
            used.add(key)
            break
        if isinstance(value, str) and _PLAIN_PID.match(value):
            pid = pid_number(value)
            used.add(key)
            break
    if message is None:
        return Header(ts, level, logger, pid, "", line, _fields(outer, used))
    return Header(ts, level, logger, pid, "", message, _fields(outer, used), whole=True)


def _fields(record: dict[str, Any], used: set[str]) -> str | None:
    rest = {key: value for key, value in record.items() if key not in used}
    return _encode(rest).decode() if rest else None


def _first_text(record: dict[str, Any], keys: tuple[str, ...], used: set[str]) -> str | None:
    for key in keys:
        value = record.get(key)
        if isinstance(value, dict) and isinstance(value.get("stringValue"), str):
            value = value["stringValue"]
        if isinstance(value, str) and value:
            used.add(key)
            return value
        if isinstance(value, list) and key == "MESSAGE":  # the journal gives bytes that are no text as numbers
            used.add(key)
            return bytes(number & 255 for number in value if isinstance(number, int)).decode("utf-8", "replace")
    return None


def _time(record: dict[str, Any], times: TimeReader, used: set[str]) -> int | None:
    for key in _TIME_KEYS:
        value = record.get(key)
        if value is None or isinstance(value, bool):
            continue
        if isinstance(value, dict):
            value = value.get("$date", value.get("timestamp"))
        ts = None
        if isinstance(value, str):
            ts = times.any(value) if value else None
        elif isinstance(value, int | float):
            ts = epoch_us(str(value)) if isinstance(value, int) else epoch_us(value)
        if ts is not None:
            used.add(key)
            return ts
    return None


def _level(record: dict[str, Any], used: set[str]) -> int:
    for key in _LEVEL_KEYS:
        value = record.get(key)
        if isinstance(value, dict):
            value = value.get("name")
        number = levels.UNKNOWN
        if isinstance(value, str):
            if value.isdigit():
                value = int(value)
            else:
                number = levels.of_word(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if key in {"PRIORITY", "priority"} or "short_message" in record:
                number = levels.of_syslog(int(value))
            elif value >= 8:
                number = levels.of_number(value, bunyan=bool(record.keys() & {"hostname", "v", "pid"}) or value >= 60)
        if number:
            used.add(key)
            return number
    return levels.UNKNOWN
