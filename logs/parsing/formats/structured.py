"""Structured formats: JSON lines of many dialects, Docker's JSON, the journal's export, logfmt."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from logs.core import levels
from logs.core.timestamps import ISO, TimeReader, epoch_us
from logs.parsing.formats.base import Format, Header, pid_number

_TIME_KEYS: Final = (
    "ts", "time", "timestamp", "@timestamp", "datetime", "date", "t", "@t", "asctime", "eventTime", "event_time", "Timestamp", "TimeStamp", "Time", "_time",
    "created", "EdgeStartTimestamp", "_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP", "timeUnixNano", "time_unix_nano", "observedTimeUnixNano",
    "date_time", "log_time", "logged_at", "timestamp_ms", "receiveTimestamp", "StartTime", "start_time", "instant",
)  # fmt: skip
_TIME_NAMES: Final = frozenset(_TIME_KEYS)
_LEVEL_KEYS: Final = (
    "level", "lvl", "severity", "levelname", "level_name", "log.level", "loglevel", "log_level", "Level", "LogLevel", "logLevel", "@l", "@level", "LEVEL", "Severity",
    "SeverityText", "severityText", "severity_text", "SeverityNumber", "severityNumber", "severity_number", "s", "PRIORITY", "priority", "levelno", "level_number",
    "level_value", "error_severity",
)  # fmt: skip
_COUNTED: Final = frozenset({"level", "lvl", "Level", "severity", "loglevel", "log_level", "logLevel"})
"""Where Node's loggers write their numbers."""
_OTEL: Final = frozenset({"SeverityNumber", "severityNumber", "severity_number"})
_STATUS_KEYS: Final = (
    "EdgeResponseStatus",
    "status",
    "status_code",
    "statusCode",
    "response_code",
    "http_status",
    "http.response.status_code",
)
_MESSAGE_KEYS: Final = (
    "msg", "message", "event", "Message", "MESSAGE", "@m", "@message", "body", "Body", "text", "log", "short_message", "textPayload", "@mt", "description", "M", "m",
)  # fmt: skip
_MESSAGE_NAMES: Final = frozenset({*_MESSAGE_KEYS, "content"})
_LOGGER_KEYS: Final = (
    "logger", "name", "logger_name", "loggerName", "log.logger", "module", "@module", "component", "c", "Category", "SourceContext", "target", "channel",
    "SYSLOG_IDENTIFIER", "_COMM", "app", "service",
)  # fmt: skip
_PID_KEYS: Final = ("pid", "process", "process_id", "processId", "_PID", "_pid", "SYSLOG_PID", "process.pid")
_TRACE_KEYS: Final = ("traceback", "stack_trace", "stacktrace", "stackTrace", "stack", "exc_info", "exception")
"""Under which a record has the stack of what went wrong."""
_TOLD: Final = re.compile(
    r"(?:.*[a-z0-9_.\-@])?(?:level|lvl|lev|severity|sev|prio|priority)(?:_?(?:name|text|string|str|label))?|type|kind|at|l|lv",
    re.IGNORECASE,
)
"""What else a level may be called: `_logLevel`, `log-level`, `app.severity`, `levelName`."""
_SAID: Final = tuple(
    re.compile(rf"(?:.*[^A-Za-z]|.*[a-z](?=[A-Z]))?(?:{names})", re.IGNORECASE)
    for names in ("msg|message|text|contents?|body|description", "desc|summary|title|payload|data|details?")
)
"""What else a message may be called: `logMessage`, `content`; less surely, `title` or `data`."""
_TYPED: Final = frozenset({"type", "kind", "at", "l", "lv"})
"""Names that may say what sort of a thing a record tells of: a level's word there is one where it means nothing else."""
_SURE: Final = re.compile(r"trace|debug|info|warn|warning|error|critical|fatal", re.IGNORECASE)
_SHORT: Final = re.compile(r"[TDIWEFC]|dbg|debg|inf|information|wrn|err|eror|ftl|crit|notice", re.IGNORECASE)
"""Levels under a letter, beside a time and a message."""
_TIMED: Final = re.compile(
    r"(?!(?:.*[^a-z])?(?:expir|start|begin|end|due|next|last|valid|until|not_?(?:before|after)|updat|modif|birth|deadline|uptime|run_?time))"
    r"(?:.*[^A-Za-z]|.*[a-z](?=[A-Z]))?(?:when|at|t|(?:time|date|stamp|datetime|timestamp|ts|epoch)_?(?:ms|us|ns|s|utc|local|iso|millis|micros|nanos|unix)?)",
    re.IGNORECASE,
)
"""What else a time may be called: `logTime`, `when`, `ts_ms`, but none of another moment than the record's."""
_MOMENT: Final = re.compile(ISO, re.ASCII)
_FIRST_FEW: Final = 4
_SHORTEST: Final = 8
"""Characters that a time has at least: `epoch=7` is none."""
_SINCE_2001: Final = 1_000_000_000
_NESTED: Final = ("record", "@fields", "fields", "log", "jsonPayload")
_BESIDE_TIMES: Final = frozenset({"level", "lvl", "severity", "levelname", "msg", "message"})
_decoder = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_COMPOSE = re.compile(r"[\w.\-]+ +\| ")
_PAIR = re.compile(r"""([A-Za-z_@][\w.@/\-]*)=(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'(?=\s|$)|([^\s"]*))(?=\s|$)""")
_BROKEN_PAIR = re.compile(
    r'\s*"([\w@.\-/]+)"\s*:\s*(?:"(.*?)(?:"\s*(?:,(?=\s*"[\w@.\-/]+"\s*:)|\}?\s*$)|$)|(-?\d+(?:\.\d+)?)\s*(?:,|\}?\s*$))'
)
_LISTED = re.compile(
    r"""[A-Za-z_@][\w.@/\-]*=(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^"',]*),\s+[A-Za-z_@][\w.@/\-]*="""
)
_LISTED_PAIR = re.compile(
    r"""([A-Za-z_@][\w.@/\-]*)=(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'(?=,?(?:\s|$))|((?:[^\s",]|,(?!\s|$))*))(?=,?(?:\s|$))"""
)
"""Pairs with commas between them: `level=info, msg="…", id=7`."""
_UNQUOTED = re.compile(r"=[^\s\"']+ +[^\s=\"']+(?: |$)")
"""A value with a word behind it that is no pair."""
_LOOSE = re.compile(r"(?:^| )([A-Za-z_@][\w.@/\-]*)=([^\s\"']\S*(?: +(?![A-Za-z_@][\w.@/\-]*=)\S+)+)")
"""A value that should be in quotes, up to the next name."""
_DAY = re.compile(r"[A-Z][a-z]{2},?|(?=\d+\D)[\d./\-]{6,10}")
"""The beginning of a time that is put down with blanks: a day."""
_TIME_AHEAD = re.compile(rf"(?P<ts>{ISO}) +(?=[A-Za-z_@][\w.@/\-]*=)")
_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")
_PLAIN_PID = re.compile(r"\d{1,8}$")


def structured_formats() -> list[Format]:
    """Docker before JSON, JSON before logfmt."""
    return [DockerFormat(), JsonFormat(), LogfmtFormat()]


class JsonFormat:
    """One JSON object a line, whatever its keys are called."""

    name = "json"
    starts = None
    dated = True
    wraps = False
    follows = None

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`. The message is the message field; the whole line is kept beside it."""
        start = 0
        if line[:1] != "{":
            compose = _COMPOSE.match(line)
            start = compose.end() if compose else len(line) - len(line.lstrip())
            if line[start : start + 1] != "{":
                return None
        record = json_object(line[start:])
        if record is None:
            return _broken(line, start, times)
        return json_header(_otel_record(record) if "resourceLogs" in record else record, line, times)


class DockerFormat:
    """Docker's json-file driver: objects with `log`, `stream` and `time`."""

    name = "docker"
    starts = "{"
    dated = True
    wraps = True
    follows = None

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
        text = record["log"]
        message = text.rstrip("\r\n")
        fields = {key: value for key, value in record.items() if key not in {"log", "time"}}
        return Header(
            ts, levels.in_text(message), None, None, "", message, _encode(fields).decode(),
            whole=True, lane=str(record.get("stream", "")), partial=not text.endswith("\n"),
        )  # fmt: skip


class LogfmtFormat:
    """Pairs such as `time=… level=info msg="…" key=value`, also behind a time: Go's slog text (Ollama), Grafana, Heroku and many more."""

    name = "logfmt"
    starts = None
    dated = True
    wraps = False
    follows = None

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`."""
        if "=" not in line[:96]:
            return None
        ahead = _TIME_AHEAD.match(line) if line[:1].isdigit() else None
        begin = ahead.end() if ahead else 0
        if not (line[begin : begin + 1].isalpha() or line[begin : begin + 1] in {"_", "@"}):
            return None
        listed = _LISTED.match(line, begin) is not None
        pairs = (_LISTED_PAIR if listed else _PAIR).findall(line, begin)
        if len(pairs) < 2 or not line.startswith(pairs[0][0] + "=", begin):
            return None
        record: dict[str, Any] = {
            key: (double.replace('\\"', '"').replace("\\n", "\n") or single or bare)
            for key, double, single, bare in pairs
        }
        # who quotes anything quotes what has blanks
        if '"' not in line and line.count(" ", begin) >= len(pairs) and _UNQUOTED.search(line, begin):
            _go_on(record, line, begin, "," if listed else "")
        known = record.keys() & {"level", "lvl", "severity"} or (
            record.keys() & {"msg", "message", "event"} and record.keys() & {"time", "ts", "t", "timestamp"}
        )
        if not known and not any(
            len(value) >= _SHORTEST and (key in _TIME_NAMES or _names_time(key)) for key, value in record.items()
        ):
            return None
        header = json_header(record, line, times)
        if not known and (header.ts is None or not (header.level or header.whole)):
            return None
        return header._replace(ts=times.iso(ahead["ts"])) if ahead and header.ts is None else header


def _go_on(record: dict[str, Any], line: str, begin: int, between: str) -> None:
    """Take the rest of a message, or of a time whose day a blank ends, that should be in quotes: `msg=listening on port 80 id=7`."""
    for match in _LOOSE.finditer(line, begin):
        key, value = match[1], match[2].removesuffix(between)
        first = value.split(" ", 1)[0].removesuffix(between)
        if record.get(key) == first and (key in _MESSAGE_KEYS or (key in _TIME_KEYS and _DAY.fullmatch(first))):
            record[key] = value


@lru_cache(4096)  # a file has few names, each in every line
def _names_time(name: str) -> bool:
    return _TIMED.fullmatch(name) is not None


@lru_cache(4096)
def _names_level(name: str) -> bool:
    return _TOLD.fullmatch(name) is not None


@lru_cache(4096)
def _names_message(name: str, place: int) -> bool:
    return _SAID[place].fullmatch(name) is not None


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, or None."""
    try:
        value = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _broken(line: str, start: int, times: TimeReader) -> Header | None:
    """The record of an object whose message was put between quotes as it was: it has quotes itself, or goes on in the next line."""
    record: dict[str, Any] = {}
    at, last = start + 1, None
    while (match := _BROKEN_PAIR.match(line, at)) is not None:
        name, quoted, bare = match.groups()
        record[name] = float(bare) if bare else quoted.replace('\\"', '"').replace("\\n", "\n")
        at, last = match.end(), match
    if last is None or len(record) < 2 or line[-1] == "," or line[at:].strip(" }"):
        return None
    header = json_header(record, line, times)
    if header.ts is None or not header.level:
        return None
    if line[-1] == "}":
        return header
    begin = last.start(2)
    return header._replace(prefix=line[:begin], message=line[begin:], whole=False)


def _otel_record(line: dict[str, Any]) -> dict[str, Any]:
    """The log records that the OpenTelemetry collector puts into one line, as one: the first one's names, all messages, the worst severity."""
    found: list[dict[str, Any]] = []
    scope: Any = None
    try:
        for resource in line["resourceLogs"]:
            for part in resource["scopeLogs"]:
                scope = scope or part.get("scope", {}).get("name")
                found.extend(dict(entry) for entry in part["logRecords"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return line
    if not found:
        return line
    worst = max(found, key=lambda entry: _number(entry.get("severityNumber")))
    texts = [_value(entry.get("body")) for entry in found]
    timed = next((entry for entry in found if _number(entry.get("timeUnixNano")) > 0), found[0])
    return {**found[0], **{key: worst[key] for key in ("severityNumber", "severityText") if key in worst}, "logger": scope,
            "timeUnixNano": timed.get("timeUnixNano"), "body": "\n".join(text for text in texts if text), "resourceLogs": line["resourceLogs"]}  # fmt: skip


def _value(body: Any) -> str:
    """An OpenTelemetry value as text."""
    if isinstance(body, dict):
        inner = next(iter(body.values()), "")
        return inner if isinstance(inner, str) else _encode(inner).decode()
    return body if isinstance(body, str) else ""


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()) else 0


def json_header(record: dict[str, Any], line: str, times: TimeReader) -> Header:
    """A record of named values as a header: the well-known names are taken, all others stay as fields."""
    outer, merged, used = record, record, set[str]()
    ts = _time(record, times, used)
    level = _level(record, used)
    message = _first_text(record, _MESSAGE_KEYS, used)
    if ts is None or message is None or not level:
        for name in _NESTED if ts is not None or message is not None or level else _holders(outer):
            inner = outer.get(name)
            if isinstance(inner, dict):
                ts = ts if ts is not None else _time(inner, times, used)
                level = level or _level(inner, used)
                if message is None or name == "record":
                    message = _first_text(inner, _MESSAGE_KEYS, used) or message
                merged = {**merged, **inner}
    if ts is None:
        ts = _told_time(outer, times, used)
    logger = None if merged.keys().isdisjoint(_LOGGER_KEYS) else _first_text(merged, _LOGGER_KEYS, used)
    pid = None if merged.keys().isdisjoint(_PID_KEYS) else _pid(merged, used)
    if message is None and (ts is not None or level):
        message = _told_text(outer, used)
    if message is None:
        return Header(ts, level, logger, pid, "", line, _fields(outer, used))
    return Header(ts, level, logger, pid, "", message, _fields(outer, used), whole=True)


def _holders(record: dict[str, Any]) -> Sequence[str]:
    """The names of the objects in one that says nothing itself, if they say a time and what belongs to it: `{"meta": {"time": …}, "payload": {"msg": …}}`."""
    inner = {key for value in record.values() if isinstance(value, dict) for key in value}
    told = not inner.isdisjoint(_TIME_KEYS) and not inner.isdisjoint(_BESIDE_TIMES)
    return list(record) if told else _NESTED


def _pid(record: dict[str, Any], used: set[str]) -> int | None:
    for key in _PID_KEYS:
        value = record.get(key)
        if isinstance(value, dict):
            value = value.get("pid", value.get("id"))
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            used.add(key)
            return value
        if isinstance(value, str) and _PLAIN_PID.match(value):
            used.add(key)
            return pid_number(value)
    return None


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


def _told_text(record: dict[str, Any], used: set[str]) -> str | None:
    """The message of a record that calls it by a name of its own; the surer ones first."""
    for place in range(len(_SAID)):
        for key, value in record.items():
            if key not in used and isinstance(value, str) and value and _names_message(key, place):
                used.add(key)
                return value
    return None


def _time(record: dict[str, Any], times: TimeReader, used: set[str]) -> int | None:
    for key in _TIME_KEYS:
        value = record.get(key)
        if value is None or isinstance(value, bool):
            continue
        if isinstance(value, dict):
            if "seconds" in value:
                value = f"{value['seconds']}.{_number(value.get('nanos')):09d}"
            elif "epochSecond" in value:
                value = f"{value['epochSecond']}.{_number(value.get('nanoOfSecond')):09d}"
            else:
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


def _told_time(record: dict[str, Any], times: TimeReader, used: set[str]) -> int | None:
    """The time of a record that calls it by a name of its own, or has it among its first values without saying so."""
    for number, (key, value) in enumerate(record.items()):
        if key in _TIME_KEYS or isinstance(value, bool):
            continue
        named = _names_time(key)
        ts = None
        if isinstance(value, str) and (named or (number < _FIRST_FEW and _MOMENT.fullmatch(value))):
            ts = times.any(value) if value else None
        elif named and isinstance(value, int | float) and value > _SINCE_2001:
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
                number = levels.of_word(_COLOUR.sub("", value))  # winston colours levels before it encodes them
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = _numeric_level(key, value, record)
        if number:
            used.add(key)
            return number
    return _implied_level(record, used)


def _implied_level(record: dict[str, Any], used: set[str]) -> int:
    """The level of a record that has none under a known name: of the status it tells of, of another name, or of what else it has."""
    for key in _STATUS_KEYS:
        status = record.get(key)
        if isinstance(status, int) and 100 <= status < 600:
            return levels.of_status(status)
    told = _told(record)
    if told is not None:
        used.add(told)
        return levels.of_word(record[told])
    failed = record.get("error", "")
    if "msg" in record and ((isinstance(failed, str) and failed) or (failed is None and "logger" in record)):
        return levels.ERROR  # Go's logr gives only ordinary records a level
    if any(isinstance(trace := record.get(key), str) and "\n" in trace for key in _TRACE_KEYS):
        return levels.ERROR
    return levels.INFO if "@t" in record and ("@m" in record or "@mt" in record) else levels.UNKNOWN


def _told(record: dict[str, Any]) -> str | None:
    """What else a record calls its level: a name that ends like one, with a level's word."""
    said = not record.keys().isdisjoint(_MESSAGE_NAMES) and not record.keys().isdisjoint(_TIME_NAMES)
    return next(
        (
            key
            for key, value in record.items()
            if isinstance(value, str)
            and key not in _LEVEL_KEYS
            and _names_level(key)
            and levels.style(value)
            and (
                key.lower() not in _TYPED
                or _SURE.fullmatch(value)
                or (key == "L" and value == value.upper())
                or (said and key.lower() in {"l", "lv"} and _SHORT.fullmatch(value))
            )
        ),
        None,
    )


def _numeric_level(key: str, value: float, record: dict[str, Any]) -> int:
    """The level that a number means, by the company it keeps."""
    if key in _OTEL:
        return levels.of_otel(value)
    if value < 8 and (key.lower() in {"priority", "severity"} or "short_message" in record):
        return levels.of_syslog(int(value))
    if key == "level" and 0 <= value < 8 and "msg" in record and "logger" in record:
        return levels.DEBUG if value else levels.INFO  # Go's logr: how little it matters
    if value < 8:  # Nextcloud counts from 0 (debug) to 4 (fatal); others' small numbers may mean anything
        return (
            (levels.DEBUG, levels.INFO, levels.WARN, levels.ERROR, levels.FATAL)[int(value)]
            if "reqId" in record and 0 <= value < 5
            else levels.UNKNOWN
        )
    node = bool(record.keys() & {"hostname", "v", "pid", "msg"}) or value == 60 or isinstance(record.get("time"), int)
    return levels.of_number(
        value, bunyan=node and key in _COUNTED and not record.keys() & {"levelname", "levelno", "funcName", "lineno"}
    )
