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
    INFO: "INFO INF INFORMATION INFORMATIONAL NOTICE NOTE SUCCESS LOG I N STATUS STATEMENT DETAIL HINT CONTEXT QUERY LOCATION",
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
_ANY_LOUD = re2.compile(rb"PANIC|FATAL|CRITICAL|ERROR|Traceback|WARN|INFO|DEBUG")
_LOUD_LEVELS = (FATAL, ERROR, WARN, INFO, DEBUG)
_PYTHON_STEPS = ((50, FATAL), (40, ERROR), (30, WARN), (20, INFO), (10, DEBUG), (1, TRACE))
_BUNYAN_STEPS = ((60, FATAL), (50, ERROR), (40, WARN), (30, INFO), (20, DEBUG), (10, TRACE))


def of_word(word: str) -> int:
    """The stored number of a level word, in any case; 0 when it is none."""
    number = NUMBERS.get(word)
    if number is None:
        number = NUMBERS.get(word.strip(" :[]<>|").upper(), UNKNOWN)
    return number


def of_syslog(priority: int) -> int:
    """The level of a syslog severity (0 emergency … 7 debug; a facility above is ignored)."""
    return _SYSLOG[priority & 7]


def of_number(value: float, *, bunyan: bool) -> int:
    """The level of a number in a JSON record: pino and bunyan count 10 (trace) to 60 (fatal), Python's logging 10 (debug) to 50."""
    if value < 0:
        return UNKNOWN
    for least, number in _BUNYAN_STEPS if bunyan else _PYTHON_STEPS:
        if value >= least:
            return number
    return UNKNOWN


def in_texts(texts: Sequence[str]) -> list[int]:
    """`in_text` of many lines; quick when none of them shouts."""
    if _ANY_LOUD.search("\n".join(texts).encode("utf-8", "replace")) is None:
        return [UNKNOWN] * len(texts)
    return [in_text(text) for text in texts]


def in_text(text: str) -> int:
    """The level that a line without a recognised header shouts in capitals; 0 when it does not."""
    match = _LOUD.search(text, 0, 200)
    return _LOUD_LEVELS[match.lastindex - 1] if match and match.lastindex else UNKNOWN
