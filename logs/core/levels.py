"""Levels: the words programs write, and the numbers the store keeps (0 unknown, 5 trace … 50 fatal)."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
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
    TRACE: "TRACE TRC TRCE VERBOS TRAC TRA FINER FINEST VERBOSE VRB VERB SILLY SILL VERBO SPEW SPAM T V MAXDEBUG DDEBUG SUBDEBUG DEBUG2 DEBUG3 DEBUG4 DEBUG5 FEINER FEINST",
    DEBUG: "DEBUG VLOG DBG DEBG DBUG DEBU DEB FINE CONFIG D DEBUG1 FEIN KONFIGURATION",
    INFO: "INFO INF INFORMATION INFORMATIONAL INFOS INFORM SUC SUCC SUCCE SUCCES NOTICE NOTIC NOTI NTC NOTE SUCCESS SUCCS OK LOG MESSAGE I N DEFAULT STATUS STATEMENT DETAIL HINT CONTEXT QUERY LOCATION SYSTEM LIFECYCLE QUIET DISPLAY"
    " STATS STAT PERF HTTP TIMING HINWEIS INFORMACIÓN INFORMAÇÃO INFORMAZIONI ИНФО ИНФОРМАЦИЯ 信息 情報 정보",
    WARN: "WARN WARNING WRN WARNI WARNIN WAR W SLOW WARNUNG AVERTISSEMENT ADVERTENCIA AVISO AVVERTENZA AVVISO ATTENZIONE WAARSCHUWING OSTRZEŻENIE VARNING ADVARSEL"
    " ПРЕДУПРЕЖДЕНИЕ 警告 경고",
    ERROR: "ERROR ERR ERRO EROR ERR! SEVERE SEVE SEVER FAILURE FAIL FAILED EXCEPTION E FEHLER STÖRUNG SCHWERWIEGEND ERREUR GRAVE ERRORE ERRO FOUT BŁĄD FEL FEJL OSHIBKA ОШИБКА"
    " 错误 錯誤 エラー 오류",
    FATAL: "FATAL FTL FTAL FATA FATL FAT SHOUT CRITICAL CRIT CRT CRI CRITI CRITIC CRITICA EMERG EMERGENCY EMRG EMG ALERT ALRT ALR PANIC PNC DPANIC PANI EMER ALER F C A NOTFALL KRITISCH CRITIQUE CRÍTICO CRITICO FATALE PANIK"
    " КРИТИЧЕСКАЯ 严重 致命 致命的 심각",
}
NUMBERS: Final[dict[str, int]] = {word: number for number, words in _WORDS.items() for word in words.split()} | {
    "FATAL ERROR": FATAL
}
"""Upper-case word or letter → stored number."""
MARKS: Final[dict[str, int]] = {
    "✖": ERROR, "✗": ERROR, "✘": ERROR, "❌": ERROR, "🔥": ERROR, "⚠": WARN, "⚠️": WARN, "\N{INFORMATION SOURCE}": INFO, "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16}": INFO, "✔": INFO, "✓": INFO, "✅": INFO, "🐛": DEBUG, "🐞": DEBUG, "🔍": DEBUG, "⚙": DEBUG,
    "💡": INFO, "💬": INFO, "📝": INFO, "📢": INFO, "🚀": INFO, "🎉": INFO, "🟢": INFO, "🔵": INFO, "🟡": WARN, "🟠": WARN, "🔴": ERROR, "🚫": ERROR, "💥": FATAL, "💣": FATAL,
    "✨": INFO, "👾": FATAL, "✏": TRACE, "✏️": TRACE, "☠": FATAL, "☠️": FATAL, "💀": FATAL, "🚨": FATAL, "🛑": ERROR, "⛔": ERROR, "❗": ERROR, "\N{VECTOR OR CROSS PRODUCT}": ERROR,
    "\N{MULTIPLICATION SIGN}": ERROR, "‼": WARN, "‼️": WARN, "√": INFO,
}  # fmt: skip
"""Signs that stand for a level."""

SIGNS: Final[dict[str, int]] = {"*": INFO, "+": INFO, "-": ERROR, "!": WARN}
"""Signs that stand for a level between brackets, where several of them do."""
_SEVERITIES: Final = {f"LOG{number}": number for number in range(8)}
"""Syslog's severities behind a word."""
_SHIFTABLE: Final = ("DEBUG", "DBG", "INFO", "INF", "WARN", "WRN", "ERROR", "ERR")
"""Levels behind which Go's slog says how far above them another one is: `ERROR+4`."""
CUT: Final = ("DEB", "WAR", "TRA", "SUC")
"""Three letters of a level, words where no level is expected."""
_NOT_ALONE: Final = frozenset(
    [
        "STATUS",
        "STATEMENT",
        "DETAIL",
        "HINT",
        "CONTEXT",
        "QUERY",
        "LOCATION",
        "SYSTEM",
        "STATS",
        "PERF",
        "DEFAULT",
        *CUT,
    ]
)
"""Levels of some programs, ordinary words in all others."""
_BESIDE: Final = frozenset(["HTTP", "TIMING", "SLOW", "STAT"])
"""Levels of loggers that let a program name its own, where other lines of the file have levels that are known everywhere."""
_ONLY_LOUD: Final = frozenset(["QUIET", "FAT", "SPAM", "SHOUT", "FAILED", "FAILURE", "CONFIG"])
"""The same, but for those in capitals."""
_NEVER_LOW: Final = frozenset(["MESSAGE"])
"""The same, but for those that begin with a capital letter."""
_LETTERS: Final = frozenset("TVDINWECFSA")
SMALL: Final = frozenset("tvdiwefc")
"""Letters that stand for a level between brackets, where most lines have one there."""


def style(token: str) -> str | None:
    """How a token writes a level (`upper`, `lower`, `title`, `letter`, `mark`, `number`); None when it is none, or a word that is one only in some programs."""
    if token.removesuffix("!") in _LETTERS and 0 < len(token) < 3:
        return "letter"
    word = token.upper()
    if "+" in token:
        base, _, more = token.partition("+")
        return "upper" if base in _SHIFTABLE and more.isdigit() else None
    if token in MARKS or word in _SEVERITIES:
        return "mark" if token in MARKS else "number"
    if (
        word not in NUMBERS
        or word in _NOT_ALONE
        or word in _BESIDE
        or len(word) == 1
        or (word in _ONLY_LOUD and token != word)
        or (word in _NEVER_LOW and token == token.lower())
    ):
        return None
    return {word: "upper", word.lower(): "lower", word.capitalize(): "title"}.get(token)


def alternatives(styles: Iterable[str]) -> str:
    """An expression, for RE2 too, that matches the levels written in these styles."""
    return _joined(frozenset(styles))


@cache  # of few styles; a file that is learned asks six times
def _joined(styles: frozenset[str]) -> str:
    parts = {letters for name in styles for letters in _alternatives(name)}
    return "|".join(sorted(parts, key=lambda part: (-len(part), part)))


def _alternatives(name: str) -> list[str]:
    words = [word for word in NUMBERS if len(word) > 1 and word not in _NOT_ALONE]
    match name:
        case "upper":
            shifted = [rf"{word}\+\d{{1,2}}" for word in _SHIFTABLE]
            return [*(_escaped(word) for word in words), *CUT, *shifted]
        case "lower":
            return [_escaped(word.lower()) for word in words if word not in _ONLY_LOUD | _NEVER_LOW]
        case "title":
            return [_escaped(word.capitalize()) for word in words if word not in _ONLY_LOUD]
        case "letter" | "small":
            return [f"[{''.join(sorted(_LETTERS))}]!?" if name == "letter" else f"[{''.join(sorted(SMALL))}]"]
        case "mark" | "sign":
            return [re.escape(mark) for mark in (MARKS if name == "mark" else SIGNS)]
        case _:
            return ["LOG[0-7]"]


def _escaped(word: str) -> str:
    return re.escape(word) + ("(?!:/)" if word.upper() == "HTTP" else "")


BY_NAME: Final[dict[str, int]] = {name: number for number, name in NAMES.items()} | {"warning": WARN, "critical": FATAL}

WORD: Final = (
    r"(?:INFO(?:RMATION(?:AL)?)?|DEBU(?:G\d?)?|WARN(?:ING)?|ERROR|TRACE|NOTICE|SUCCESS|SEVERE|FATAL|CRITICAL|EMERG(?:ENCY)?|ALERT|PANIC|DPANIC"
    r"|TRC|DBG|DEBG|DBUG|INF|WRN|ERR(?:O|!)?|EROR|FTL|FATA|CRIT|CRT|NOTE|LOG|VERBOSE|FINE(?:R|ST)?"
    r"|[Ii]nfo|[Dd]ebug|[Ww]arn(?:ing)?|[Ee]rror|[Tt]race|[Nn]otice|[Nn]ote|[Ee]rr|[Ff]atal|[Cc]ritical|[Cc]rit|[Ee]merg|[Aa]lert|[Pp]anic|[Ss]uccess|[Ss]evere)"
)
"""Matches one level word as programs write them."""

_SYSLOG = (FATAL, FATAL, FATAL, ERROR, WARN, INFO, INFO, DEBUG)
_LABEL = r"(?:[a-z_]{1,16}=\d{1,16} |\[[^\]]{1,48}\]:?|\([^)]{1,48}\):?|<[^>]{1,48}>:?|\{[^}]{1,48}\}:?|[\w.@/\-]{1,48}(?:\[\d+\])?:|[\w.\-]{1,48} +[|\-] |[\w.\-]{1,48}\| |[*=#>\-]{1,5}|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s\]]*\]?)"
_UPPER_WORDS = r"(?P<fatal>PANIC|FATAL|CRITICAL|EMERGENCY|CRIT)|(?P<error>ERROR|SEVERE|ERR|ERR!|EROR|ERRO)|(?P<warn>WARN(?:ING)?|WRN)|(?P<info>INFO|NOTICE|INF)|(?P<debug>DEBUG|DEBG|DBG)|(?P<trace>TRACE)"
_LOUD = re.compile(
    rf"[\s:|\-]{{0,8}}(?:{_LABEL}\s*){{0,3}}?[\[(<{{|]?\s*(?:{_UPPER_WORDS})\s*(?:[\])>}}|]|[:,;]|-+ |\s|$)"
)
"""A level word in capitals where levels stand: at the beginning, behind nothing but labels."""
_CISCO = r"%{1,2}[A-Z0-9][A-Z0-9_\-]{1,60}[\-/]([0-7])[\-/][A-Z][A-Z0-9_]{1,60}\b|%[A-Z]{2,8}-([0-7])-\d{6}\b"
"""How routers and firewalls write who says it, how bad it is, and what it is: `%LINK-3-UPDOWN`, `%ASA-4-106023`."""
_LOGR = re.compile(
    r"(?:[\w./\-]{1,64}:\d{1,6}\]?:? )?(?:[\w./\-]{1,64}:? )?(?:\"\w{1,32}\"=(?:\"[^\"\\]{0,200}\"|\{[^{}]{0,200}\}|[^\s\"{}]{1,64}) ){0,3}?(?:\"level\"=(?:(0)|\d{1,3}) )?\"msg\"=\".*?\"(?: (\"error\"=)|\s|$)"
)
"""How Go's logr writes a line: ordinary ones have a number that says how little they matter, errors none."""
_ANSWER = r"\"[A-Z]{3,16} [^\s\"]{1,2000}(?: (?:HTTP/)?[\d.]{1,4})? ?\" ([1-5]\d\d)\b"
"""A request and the status that it was answered with."""
_CODED = re.compile(rf"(?P<answer>{_ANSWER})|{_CISCO}")
_PLAIN_MARKS = "[✖✗✘❌\N{VECTOR OR CROSS PRODUCT}⚠]"
"""Those that say what they say also where no other line has one; a fire may be a warm welcome."""
_MARKED = re.compile(rf"\s{{0,8}}({_PLAIN_MARKS})\ufe0f?\s")
_PRIORITY = re.compile(r"<([0-7])>(?=\S)")
"""How a program tells systemd how bad a line is."""
_IN_BOX = re.compile(r"[│║┃|] {1,2}([^\x00-\x7f]\ufe0f?) ")
_BRACKETED_LETTER = re.compile(r"\s{0,8}(?:\[([DIWEF])\]|\(([DIWEF])\)|<([DIWEF])>)[\s:]")
_ANNOUNCED = re.compile(r"\s{0,8}(?:([^\W\d_]{4,16}): |\[([^\W\d_]{3,16})\] )")
_NAMED_LEVEL = re.compile(r"\s{0,8}(?i:level|lvl|severity)\s{0,8}[:=]\s{0,8}[\"']?([A-Za-z]{3,13})[\"']?\s{0,8}$")
_TRACED = re.compile(r"Traceback \(most recent call last\)")
_FATAL_SIGNS = r"Kernel panic|GPU has fallen off the bus"
_ERROR_SIGNS = r"NVRM: Xid|Xid \(PCI|Out of memory: Killed process|segfault at |\bBUG: |Oops: |I/O error|blocked for more than \d+ seconds|Failed to start "
_WARN_SIGNS = r"[A-Za-z]Warning: |Failed with result "
_NAMED = r"\b(?:(?:log_?)?level|lvl|severity|prio(?:rity)?)=|\"(?:level|lvl|severity|levelname)\":"
_BRACKETED = r"\[(?:trace|debug|info|notice|warn|warning|err|error|crit|critical|fatal|alert|emerg|ALERT|EMERG)\]"
_SIGNS = re.compile(
    rf"({_FATAL_SIGNS})|({_ERROR_SIGNS})|({_WARN_SIGNS})|(?:(?:{_NAMED}) ?\"?|(?={_BRACKETED})\[)([A-Za-z]{{3,13}})\b"
)
_FIRST = re.compile(
    r"(?:\[[^\]]{1,48}\] ?|\([^)]{1,48}\):? )?(?:[\w.\-]{1,40}: |[\w./+\-]{1,120}(?::\d+(?::\d+)?(?:: | - )|\(\d+(?:,\d+){0,3}\) ?: )|npm |CMake |PHP (?:Parse |Core |Compile )?|uncaught )?(?:(fatal|panic|critical)\b(?::| error)|((?!(?:no|without|standard|mean|median|relative|absolute|squared|train(?:ing)?|test|eval(?:uation)?|val(?:idation)?|reconstruction|prediction|percent|max(?:imum)?|average|total)\b)\w{2,20}(?: [a-z]{2,12})? error(?=: [^\d+\-])|error(?:\[\w+\]| [A-Z]{1,5}\d{2,6}(?=:))?|err!|failed to|exception|[\w.]*[a-z](?:Error|Exception))(?::(?: |$)| loading |$| code | to | at |!? )|(warn(?:ing)?)\b(?: [A-Z]{1,5}\d{2,6})?:? )",
    re.IGNORECASE,
)
_PHP = re.compile(r"(?:PHP )?(?:Notice|Deprecated|Strict Standards): {1,2}\S.* on line \d+(?:\n|$)")
"""What PHP remarks about a program's text."""
_OF_FIGURES = (
    r"(?:error|err|warn|warning|fatal|critical)"
    r"(?:[ _-](?:count|rate|total|ratio|budget|margin|frequency|threshold|estimate|percentage|bound|limit)s?\s{0,8}(?:is |was |of )?[:=]?\s{0,8}[-+]?\d[\d.,]{0,24}(?:e[-+]?\d{1,4})?"
    r"\s?(?:%|\w{1,8}(?:/\w{1,6})?)?|\s{0,8}[:=]\s{0,8}(?:0{1,8}|[-+]?\d{1,12}\.\d{1,20}(?:e[-+]?\d{1,4})?)\s?%?)\s{0,8}$"
)
NO_FIGURE: Final = rf"(?!(?i:{_OF_FIGURES}))"
"""Stands before a level without brackets that is one, and no figure of that name: how many errors there were, how large an error is."""
_FIGURE = re.compile(rf"\s{{0,8}}(?:\[[^\]]{{1,48}}\] ?)?(?:[\w.\-]{{1,40}}: )?{_OF_FIGURES}", re.IGNORECASE)
"""A figure of that name, and no more."""
_ANY_SIGN = re2.compile(
    rf"PANIC|FATAL|CRIT|ERR|EMERG|ALERT|SEVERE|EROR|Traceback|WARN|WRN|INF|NOTICE|DEBUG|DBG|DEBG|TRACE|{_FATAL_SIGNS}|{_ERROR_SIGNS}|{_WARN_SIGNS}|{_NAMED}|{_BRACKETED}"
    rf"|(?m:^)[ \t]*[\[(<][DIWEF][\])>]|(?m:^)[ \t]*(?:{_PLAIN_MARKS})|(?m:^)<[0-7]>|%[A-Z0-9]|HTTP/\d|\"[A-Z]{{3,7}} /| on line \d|\"msg\"=\""
    r"|(?i:fatal|panic|critical|error|err!|failed to|exception|warn)".encode()
)
"""Matches every line in which `in_text` finds a level, and few others."""
_PYTHON_STEPS = ((50, FATAL), (40, ERROR), (30, WARN), (20, INFO), (10, DEBUG), (1, TRACE))
_BUNYAN_STEPS = ((60, FATAL), (50, ERROR), (40, WARN), (30, INFO), (20, DEBUG), (10, TRACE))
_OTEL_STEPS = ((21, FATAL), (17, ERROR), (13, WARN), (9, INFO), (5, DEBUG), (1, TRACE))
_SHIFTED = re.compile(r"([A-Z]+)([+\-]\d+)$")
_GRADED = re.compile(r"[DIWEF]\d$")
"""A letter with how much of it, as MongoDB writes its debug levels."""


def of_word(word: str) -> int:
    """The stored number of a level word, in any case; 0 when it is none."""
    number = NUMBERS.get(word)
    if number is None:
        plain = word.strip(" :[]<>|!").upper()
        number = NUMBERS.get(plain[:1] if _GRADED.match(plain) else plain) or _shifted(plain)
    if not number:
        number = MARKS.get(word) or (_SYSLOG[_SEVERITIES[word]] if word in _SEVERITIES else UNKNOWN)
    return number


def _shifted(word: str) -> int:
    """The level between those that have names, as Go's slog writes it: `ERROR+4`; it counts like OpenTelemetry."""
    match = _SHIFTED.match(word)
    base = {DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17}.get(NUMBERS.get(match[1], UNKNOWN)) if match is not None else None
    return of_otel(base + int(match[2])) if match is not None and base is not None else UNKNOWN


def announced(line: str) -> int:
    """The level with which a line begins (`WARNUNG: …`, `[info] …`), or that it names and nothing else (`level: info`); 0 when there is none."""
    named = _NAMED_LEVEL.match(line)
    if named is not None:
        return of_word(named[1])
    match = _ANNOUNCED.match(line)
    if match is None:
        return UNKNOWN
    allowed = {"upper", "title"} if match[1] else {"upper", "title", "lower"}
    word = match[1] or match[2]
    return of_word(word) if style(word) in allowed else UNKNOWN


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


def boxed(lines: Sequence[str]) -> int:
    """The level that a sign says with which one of the lines of a drawn box begins; 0 where none does."""
    for line in lines:
        match = _IN_BOX.match(line)
        if match is not None and match[1] in MARKS:
            return MARKS[match[1]]
    return UNKNOWN


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
    """The level that a line without a level of its own shows: a word in capitals at its beginning (labels may stand before it), `level=…` or `"level":"…"` of what is wrapped in it, how it begins
    (`error: …`, `ValueError: …`), or what the kernel says when something is broken; 0 when it shows none.
    """
    return UNKNOWN if _ANY_SIGN.search(text.encode("utf-8", "replace")) is None else _shown(text)


def is_figure(text: str) -> bool:
    """Whether a line says how many errors (warnings) there were, or how large an error is, and no more."""
    return _FIGURE.match(text) is not None


def _coded(text: str) -> int:
    """The level that a priority, a sign, a device's code, the status of an answer or a remark of PHP says."""
    priority = _PRIORITY.match(text)
    if priority is not None:
        return of_syslog(int(priority[1]))
    marked = _MARKED.match(text)
    if marked is not None:
        return MARKS[marked[1]]
    logr = _LOGR.match(text)
    if logr is not None:
        return ERROR if logr[2] and '"level"=' not in logr[0] else INFO if logr[1] else DEBUG
    coded = _CODED.search(text, 0, 2000) if "%" in text or '" ' in text else None
    if coded is None:
        return INFO if _PHP.match(text) is not None else UNKNOWN
    return of_status(int(coded[2])) if coded["answer"] else of_syslog(int(coded[3] or coded[4]))


def _shown(text: str) -> int:
    number = UNKNOWN
    sign = _SIGNS.search(text, 0, 400)
    if sign is not None:
        word = sign.group(4)
        number = of_word(word) if word else (FATAL, ERROR, WARN)[(sign.lastindex or 1) - 1]
    if not number and is_figure(text):
        return UNKNOWN
    number = number or _coded(text)
    if number:
        return number
    match = _LOUD.match(text, 0, 200)
    if match is not None and match.lastgroup:
        return BY_NAME[match.lastgroup]
    letter = _BRACKETED_LETTER.match(text)
    if letter is not None:
        return NUMBERS[letter[letter.lastindex or 1]]
    if _TRACED.search(text, 0, 200) is not None:
        return ERROR
    first = _FIRST.match(text)
    return (FATAL, ERROR, WARN)[first.lastindex - 1] if first is not None and first.lastindex else UNKNOWN
