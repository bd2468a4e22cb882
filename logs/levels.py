"""Levels: the words programs write, and the numbers the store keeps (0 unknown, 5 trace … 50 fatal)."""

import re
from collections.abc import Sequence
from typing import Final

import re2

UNKNOWN: Final = 0
TRACE: Final = 5
DEBUG: Final = 10
INFO: Final = 20
WARN: Final = 30
ERROR: Final = 40
FATAL: Final = 50

NAMES: Final[dict[int, str]] = {
    TRACE: "trace",
    DEBUG: "debug",
    INFO: "info",
    WARN: "warn",
    ERROR: "error",
    FATAL: "fatal",
}
"""Stored number → the word of the API. 0 has none: it is null."""

_WORDS: Final[dict[int, str]] = {
    TRACE: "TRACE TRC TRCE FINER FINEST VERBOSE VRB SPEW T DEBUG2 DEBUG3 DEBUG4 DEBUG5",
    DEBUG: "DEBUG DBG DEBG DEBU FINE CONFIG D DEBUG1",
    INFO: "INFO INF INFORMATION INFORMATIONAL NOTICE NOTE SUCCESS LOG I N STATUS STATEMENT DETAIL HINT CONTEXT QUERY LOCATION SYSTEM STATS PERF",
    WARN: "WARN WARNING WRN WARNI W",
    ERROR: "ERROR ERR ERRO SEVERE FAILURE FAIL FAILED EXCEPTION E",
    FATAL: "FATAL FTL CRITICAL CRIT CRT EMERG EMERGENCY ALERT PANIC DPANIC FATA F C A",
}
NUMBERS: Final[dict[str, int]] = {word: number for number, words in _WORDS.items() for word in words.split()}
"""Upper-case word or letter → stored number."""

BY_NAME: Final[dict[str, int]] = {name: number for number, name in NAMES.items()} | {"warning": WARN, "critical": FATAL}

WORD: Final = (
    r"(?:INFO(?:RMATION(?:AL)?)?|DEBUG\d?|WARN(?:ING)?|ERROR|TRACE|NOTICE|SUCCESS|SEVERE|FATAL|CRITICAL|EMERG(?:ENCY)?|ALERT|PANIC|DPANIC"
    r"|TRC|DBG|INF|WRN|ERR|FTL|CRIT|NOTE|LOG|VERBOSE|FINE(?:R|ST)?"
    r"|[Ii]nfo|[Dd]ebug|[Ww]arn(?:ing)?|[Ee]rror|[Tt]race|[Nn]otice|[Nn]ote|[Ee]rr|[Ff]atal|[Cc]ritical|[Cc]rit|[Ee]merg|[Aa]lert|[Pp]anic|[Ss]uccess|[Ss]evere)"
)
"""Matches one level word as programs write them."""

_SYSLOG = (FATAL, FATAL, FATAL, ERROR, WARN, INFO, INFO, DEBUG)
_LOUD = re.compile(
    r"\b(?:(PANIC|FATAL|CRITICAL)|(ERROR|Traceback \(most recent call last)|(WARN(?:ING)?)|(INFO)|(DEBUG))\b"
)
_FATAL_SIGNS = r"Kernel panic|GPU has fallen off the bus"
_ERROR_SIGNS = r"NVRM: Xid|Xid \(PCI|Out of memory: Killed process|segfault at |\bBUG: |Oops: |I/O error|blocked for more than \d+ seconds|Failed to start "
_WARN_SIGNS = r"[A-Za-z]Warning: |Failed with result "
_NAMED = r"\b(?:level|lvl|severity)=|\"(?:level|lvl|severity|levelname)\":"
_BRACKETED = r"\[(?:trace|debug|info|notice|warn|warning|err|error|crit|critical|fatal)\]"
_SIGNS = re.compile(
    rf"({_FATAL_SIGNS})|({_ERROR_SIGNS})|({_WARN_SIGNS})|(?:(?:{_NAMED}) ?\"?|(?={_BRACKETED})\[)([A-Za-z]{{3,13}})\b"
)
_FIRST = re.compile(
    r"(?:npm |[\w.\-]+: )?(?:(fatal|panic)\b|(error|err!|failed to|exception|[\w.]*[a-z](?:Error|Exception))(?:: | loading |$| code | to )|(warn(?:ing)?)\b:? )",
    re.IGNORECASE,
)
_ANY_SIGN = re2.compile(
    rf"PANIC|FATAL|CRITICAL|ERROR|Traceback|WARN|INFO|DEBUG|{_FATAL_SIGNS}|{_ERROR_SIGNS}|{_WARN_SIGNS}|{_NAMED}|{_BRACKETED}"
    r"|(?i:fatal|panic|error|err!|failed to|exception|warn)".encode()
)
"""Matches every line in which `in_text` finds a level, and few others."""
_LOUD_LEVELS = (FATAL, ERROR, WARN, INFO, DEBUG)
_PYTHON_STEPS = ((50, FATAL), (40, ERROR), (30, WARN), (20, INFO), (10, DEBUG), (1, TRACE))
_BUNYAN_STEPS = ((60, FATAL), (50, ERROR), (40, WARN), (30, INFO), (20, DEBUG), (10, TRACE))
_OTEL_STEPS = ((21, FATAL), (17, ERROR), (13, WARN), (9, INFO), (5, DEBUG), (1, TRACE))
_SHIFT = re.compile(r"[+\-]\d+$")


def of_word(word: str) -> int:
    """The stored number of a level word, in any case; 0 when it is none."""
    number = NUMBERS.get(word)
    if number is None:
        plain = word.strip(" :[]<>|").upper()
        number = NUMBERS.get(plain) or NUMBERS.get(_SHIFT.sub("", plain), UNKNOWN)  # slog writes ERROR+2
    return number


def of_syslog(priority: int) -> int:
    """The level of a syslog severity (0 emergency … 7 debug; a facility above is ignored)."""
    return _SYSLOG[priority & 7]


def of_number(value: float, *, bunyan: bool) -> int:
    """The level of a number in a JSON record: pino and bunyan count 10 (trace) to 60 (fatal), Python's logging 10 (debug) to 50, Monolog and
    logback the same in hundreds and ten-thousands.
    """
    while value >= 100:
        value, bunyan = value / (10 if value < 1000 else 1000), False
    return _step(value, _BUNYAN_STEPS if bunyan else _PYTHON_STEPS)


def of_otel(value: float) -> int:
    """The level of OpenTelemetry's severity number (1 trace … 24 fatal)."""
    return _step(value, _OTEL_STEPS)


def of_status(code: int) -> int:
    """The level of an HTTP status: server errors are errors, client errors warnings."""
    if code >= 500:
        return ERROR
    return WARN if code >= 400 else INFO


def _step(value: float, steps: tuple[tuple[int, int], ...]) -> int:
    return next((number for least, number in steps if value >= least), UNKNOWN)


def in_texts(texts: Sequence[str]) -> list[int]:
    """`in_text` of many lines; only those are looked at that may show one."""
    result = [UNKNOWN] * len(texts)
    data = "\n".join(texts).encode("utf-8", "replace")
    line, counted, match = 0, 0, _ANY_SIGN.search(data)
    while match is not None:
        line += data.count(b"\n", counted, match.start())
        result[line] = _shown(texts[line])
        counted = data.find(b"\n", match.start())
        match = _ANY_SIGN.search(data, counted) if counted >= 0 else None
    return result


def in_text(text: str) -> int:
    """The level that a line without a level of its own shows: a word in capitals, `level=…` or `"level":"…"` of what is wrapped in it, how it begins
    (`error: …`, `ValueError: …`), or what the kernel says when something is broken; 0 when it shows none.
    """
    return UNKNOWN if _ANY_SIGN.search(text.encode("utf-8", "replace")) is None else _shown(text)


def _shown(text: str) -> int:
    sign = _SIGNS.search(text, 0, 400)
    if sign is not None:
        word = sign.group(4)
        number = of_word(word) if word else (FATAL, ERROR, WARN)[(sign.lastindex or 1) - 1]
        if number:
            return number
    match = _LOUD.search(text, 0, 200)
    if match is not None and match.lastindex:
        return _LOUD_LEVELS[match.lastindex - 1]
    first = _FIRST.match(text)
    return (FATAL, ERROR, WARN)[first.lastindex - 1] if first is not None and first.lastindex else UNKNOWN
