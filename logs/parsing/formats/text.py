"""Formats of programs' own logging: Python's `logging`, loguru, structlog, Java, Go, Rust, and the generic ones."""

import re

from logs.core import levels
from logs.core.moments import SHAPES
from logs.core.timestamps import CLOCK, CTIME, EPOCH, FRACTION, ISO, TimeReader
from logs.parsing.formats.base import Format, RegexFormat

_L = rf"(?P<level>{levels.WORD})"
_NAME = r"(?P<logger>[\w.$/:@\-<>]+)"
_TS = rf"(?P<ts>{ISO})"
_LOUD = r"(?P<level>TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN(?:ING)?|ERROR|SEVERE|FATAL|CRITICAL)"
_LETTER = r"(?P<level>[DIWEFCN])"
_PG = r"DEBUG\d?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION"


def text_formats() -> list[Format]:
    """From the particular to the general: the first that reads most lines of a file wins."""
    return [*_python(), *_java(), *_systems(), *_generic()]


def _named(name: str, header: str, logger: str, closing: str = "") -> list[Format]:
    """A format whose headers may have a logger behind them, and the same without: the first word of a message may look like one."""
    unnamed = RegexFormat(name, header + closing, TimeReader.iso)
    return [RegexFormat(name, header + logger, TimeReader.iso, unnamed=unnamed), unnamed]


def _python() -> list[Format]:
    iso = TimeReader.iso
    return [
        RegexFormat("loguru", rf"{_TS} \| {_L} +\| (?P<logger>[\w.<>]+:[\w.<>]+:\d+) - ", iso),
        # "%(asctime)s - %(name)s - %(levelname)s - %(message)s", with process id or thread in between
        RegexFormat("python", rf"{_TS} - (?:(?P<pid>\d{{1,8}}) - )?{_NAME} - (?:\w+ - )?{_L} - ", iso),
        *_named("python", rf"{_TS} - {_L} - ", rf"(?:{_NAME} - )?"),
        RegexFormat("python", rf"\[{_L}\|(?P<logger>[^\]|]+:\d+)\] {_TS} >> ", iso),  # Transformers
        RegexFormat(  # Django's verbose format
            "python", rf"{_LOUD} {_TS} (?P<logger>[\w.]+) (?P<pid>\d{{1,8}}) \d{{4,}} ", iso
        ),
        RegexFormat("python", rf"\[?{_LOUD}\]?:? +(?:\[(?P<logger>[^\]\d][^\]]*)\] +)?\[?{_TS}\]?:?(?: -)? ", iso),
        RegexFormat("python", rf"(?P<ts>\d\d/\d\d/\d{{4}} {CLOCK}{FRACTION}) - {_L} - {_NAME} - +", TimeReader.numeric),
        RegexFormat("python", rf"{_TS} \[(?P<pid>\d{{1,8}})\] {_L} (?P<logger>[\w.\-]+): ", iso),
        RegexFormat("rich", rf"(?:\[{_TS}\]| {{21}}) {_LOUD}(?: {{2,6}}|(?<=CRITICAL) )", iso),
        RegexFormat(
            "rich",
            rf"(?:\[(?P<ts>\d\d[/.]\d\d[/.]\d\d(?:\d\d)? {CLOCK}(?: [AP]M)?)\]| {{19,22}}) {_LOUD}(?: {{2,6}}|(?<=CRITICAL) )",
            TimeReader.numeric,
        ),
        RegexFormat(
            "tornado",
            rf"\[(?P<level>[DIWEC]) (?P<ts>\d{{6}} {CLOCK}{FRACTION}) (?P<logger>[^\]]+)\] ?",
            TimeReader.short,
        ),
        RegexFormat("tornado", rf"\[(?P<level>[DIWEC]) {_TS} (?P<logger>[^\]]+)\] ?", iso),
        RegexFormat("ray", rf"\[{_TS} (?P<level>[DIWEFC]) (?P<pid>\d+) \d+\] (?:\((?P<logger>\w+)\) )?", iso),
        RegexFormat("dramatiq", rf"\[{_TS}\] \[PID (?P<pid>\d+)\] \[[^\]]*\] \[(?P<logger>[^\]]+)\] \[{_L}\] ", iso),
        RegexFormat("celery", rf"\[{_TS}: {_L}/(?P<logger>[\w\-()]+)\] ", iso),
        RegexFormat("gunicorn", rf"\[{_TS}\] \[(?P<pid>\d+)\] \[{_L}\] ", iso),
        RegexFormat(
            "structlog",
            rf"{_TS} \[(?P<level>trace|debug|info|notice|warn(?:ing)?|error|critical|exception|fatal) *\] (?=\S)",
            iso,
        ),
        # "%(asctime)s %(levelname)s %(name)s: %(message)s"; a class behind a package is Java's way to name a logger
        RegexFormat(
            "python",
            rf"(?P<ts>\d{{4}}-\d\d-\d\d {CLOCK}(?:[,.]\d+)?) +{_LOUD} +(?P<logger>[A-Za-z_][\w\-]*(?:\.[a-z_][\w\-]*)*): ",
            iso,
        ),
        *_named("python", rf"{_TS}:{_L}:", r"(?:(?P<logger>[\w.$/@\-<>]+):(?=.))?"),
        *_named("python", rf"{_TS} (?P<pid>\d+)\]{_L}:", r"(?:(?P<logger>[\w.$/@\-<>]+):(?=.))?"),
        *_named("python", rf"\[?{_TS}\]? \[{_L} *\]", r"(?: \[?(?P<logger>[\w.$/\-]+)(?:\]:?|:(?= )))? ?", " ?"),
        RegexFormat("python", r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<logger>[\w.\-]+):", None),
        RegexFormat(
            "rq",
            rf"(?P<ts>{CLOCK}) (?:(?P<logger>[\w.\-]+): (?=\S)|(?=Worker |\*\*\*|Result |Job |Listening |Subscrib|Cleaning ))",
            TimeReader.time_only,
            default=None,
        ),
        RegexFormat(
            "uvicorn",
            r"(?P<level>TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL): {2,10}(?:(?P<ts>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d+)?) - )?",
            None,
        ),
        RegexFormat(
            "pytest", r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) +(?P<logger>[\w.\-]+):[\w.\-]+\.py:\d+ ", None
        ),
    ]


def _java() -> list[Format]:
    iso = TimeReader.iso
    return [
        RegexFormat(
            "zookeeper", rf"{_TS} (?:\[myid:\S*\] )?- {_L} +\[(?P<logger>[^\]]*(?:\[[^\]]*\][^\]]*)?)\] - ", iso
        ),
        RegexFormat("java", rf"{_TS} +{_L} +(?P<pid>\d+) --- \[[^\]]*\](?: \[[^\]]*\])* (?P<logger>\S+) *: ", iso),
        RegexFormat("java", rf"{_TS} +{_L} +\[[^\]]*\] (?P<logger>[\w.$]+) *: ", iso),
        RegexFormat("java", rf"{_TS} +\[[^\]]*\] +{_L} +(?P<logger>[\w.$\[\]/]+)(?: \[[^\]]*\])? +- ", iso),
        RegexFormat("java", rf"{_TS} +{_L} +\[(?P<logger>[^\]]*)\] +(?:- )?", iso),
        RegexFormat("java", rf"{_TS} +{_L} +(?P<logger>[\w$]+(?:\.[\w$]+)+)(?::| -) ", iso),
        *_named("java", rf"{_TS} +\[[^\]]*\] +{_L} +", r"(?:(?P<logger>[\w.$/:@\-<>]*[\w.$/@\-<>]):? )?"),
        RegexFormat(
            "openstack",
            rf"(?:\S+\.log\S* )?{_TS} (?P<pid>\d+) {_L} (?P<logger>[\w.]+) (?:\[[^\]]*\] )?",
            iso,
            heads_each=True,
        ),
        RegexFormat("log4j", rf"(?P<ts>\d\d/\d\d/\d\d {CLOCK}) {_L} (?P<logger>[\w.$]+): ", TimeReader.short),
        RegexFormat(
            "websphere",
            r"\[(?P<ts>\d{1,2}[/.\-]\d{1,2}[/.\-]\d\d,? \d{1,2}:\d\d:\d\d[:.,]\d{3} \w{1,5})\] [0-9a-f]{8} (?P<logger>\S{1,64}) +(?P<level>[FEWAICDOR123Z><]) +",
            _numbers,
            level_of=_websphere,
        ),
        RegexFormat("hdfs", rf"(?P<ts>\d{{6}} \d{{6}}) (?P<pid>\d+) {_L} (?P<logger>[\w.$]+): ", TimeReader.short),
    ]


def _numbers(times: TimeReader, text: str) -> int | None:
    return times.moment(SHAPES["numbers"], times.order, text)


def _websphere(letter: str) -> int:
    """WebSphere's letters: `A` is an audit, `O` and `R` what a program printed, numbers and arrows are traces."""
    known = {
        "F": levels.FATAL,
        "E": levels.ERROR,
        "W": levels.WARN,
        "C": levels.DEBUG,
        "D": levels.DEBUG,
        "1": levels.DEBUG,
    }
    return known.get(letter, levels.INFO if letter in "AIOR" else levels.TRACE)


def _ruby(letter: str) -> int:
    """Ruby's letters: `A` is what has no level and is always written."""
    return levels.INFO if letter == "A" else levels.of_word(letter)


def _systems() -> list[Format]:
    iso = TimeReader.iso
    return [
        RegexFormat("etcd", rf"{_TS} {_LETTER} \| (?:(?P<logger>[\w/]+): )?", iso),
        RegexFormat(
            "mongodb",
            rf"{_TS} (?P<level>[DIWEF]\d?) +(?P<logger>(?!{levels.WORD}\b)[A-Z]\w+|-) +(?:\[[^\]]*\] )?",
            iso,
            level_of=_letter,
        ),
        RegexFormat("envoy", rf"\[{_TS}\]\[(?P<pid>\d+)\]\[{_L}\]\[(?P<logger>[^\]]+)\] ", iso),
        RegexFormat(
            "clickhouse", rf"{_TS} \[ \d+ \] (?:\{{[^}}]*\}} )?<(?P<level>\w+)> (?P<logger>[^:]{{1,80}}): ", iso
        ),
        RegexFormat("spdlog", rf"\[{_TS}\] \[(?P<logger>[A-Za-z_][^\]]*|0x[0-9a-f]+)\] +\[{_L}\] +", iso),
        RegexFormat("cbs", rf"{_TS}, (?P<level>Info|Warning|Error|Perf) +(?P<logger>\w+) +", iso),
        RegexFormat("leveldb", rf"(?P<ts>\d{{4}}/\d\d/\d\d-{CLOCK}\.\d+) [0-9a-f]+ (?:\[{_L}\] )?", iso, default=None),
        RegexFormat(
            "chromium",
            r"\[(?P<pid>\d+):\d+:(?P<ts>\d{4}/\d{6}\.\d+):(?:(?P<level>[A-Z]+)(?:\d+)?):(?P<logger>[^\]]+)\] ",
            TimeReader.month_day,
        ),
        RegexFormat("rust", rf"\[?{_TS} +{_L} +(?P<logger>\w[\w\-]*(?:::\w+)*)(?:\{{[^}}]*\}})?[\]:] ?", iso),
        RegexFormat("vmware", rf"{_TS} {_L} (?P<logger>[\w.\-]+)\[(?P<pid>\d+)\] ", iso),
        RegexFormat("zap", rf"{_TS}\t{_L}\t(?:(?P<logger>\S+:\d+)\t)?", iso),
        RegexFormat("laravel", rf"\[{_TS}\] (?P<logger>[\w\-]+)\.{_L}: ", iso),
        RegexFormat(
            "postgres",
            rf"{_TS} \[(?P<pid>\d+)(?:-\d+)?\](?: [\w\[\]@.\-]+)? (?P<level>{_PG}): +",
            iso,
        ),
        RegexFormat(  # any other log_line_prefix: two blanks behind a severity are PostgreSQL's alone
            "postgres",
            rf"(?:[<\[(] ?)?(?P<ts>{ISO}|{EPOCH})(?=.{{0,200}}?\[(?P<pid>\d+)(?:-\d+)?\]|).{{0,200}}?(?<![\w.])(?P<level>{_PG}):  (?=\S)",
            _iso_or_epoch,
        ),
        RegexFormat(
            "postgres",
            rf'(?P<ts>{ISO})(?:,(?:"[^"]*")?){{2}},(?P<pid>\d*),(?:[^,"]*,|"[^"]*",){{7}}(?P<level>{_PG}),(?=\w{{5}},)\w+,',
            iso,
        ),
        RegexFormat("mysql", rf"{_TS} \d+ \[(?P<level>\w+)\](?: \[MY-\d+\])?(?: \[(?P<logger>\w+)\])? ", iso),
        RegexFormat(
            "redis",
            rf"(?P<pid>\d+):(?:[A-Z]) (?P<ts>\d\d [A-Z][a-z]{{2}} \d{{4}} {CLOCK}{FRACTION}) (?P<level>[.*#\-]) ",
            TimeReader.day_first,
            level_of=_redis,
        ),
        RegexFormat(
            "ruby",
            rf"(?P<level>[DIWEFA]), \[{_TS} #(?P<pid>\d+)\] +[A-Z]+ -- (?P<logger>[^:\n]{{0,80}}): ",
            iso,
            level_of=_ruby,
        ),
        RegexFormat(
            "go",
            rf"(?P<ts>\d{{4}}/\d\d/\d\d {CLOCK}(?:\.\d+)?) (?:(?P<logger>[\w./\-]+\.go:\d+): )?(?:\[?(?P<level>{levels.WORD}(?:[+\-]\d{{1,2}})?)\]?(?: {{0,4}}:)? )?",
            iso,
            default=None,
        ),
        RegexFormat(  # programs of GNOME and all that use GLib's log; its time came with version 2.54
            "glib",
            rf"(?:\*\* )?(?:\((?:process|[^():\s][^():\n]{{0,63}}):(?P<pid>\d{{1,8}})\): |(?<=\*\* )|(?=[\w.+\-/]{{1,64}}-(?:Message|INFO|DEBUG): {CLOCK}\.))"
            rf"(?:(?P<logger>[\w.+\-/]{{1,64}}?)-)?(?P<level>ERROR|CRITICAL|WARNING|Message|INFO|DEBUG)(?: \*\*)?: (?:(?P<ts>{CLOCK}\.\d{{3}}): )?",
            TimeReader.time_only,
        ),
        RegexFormat("strace", rf"(?P<pid>\d+) (?P<ts>{EPOCH}) (?=[\w+\-<]+[(. ])", TimeReader.epoch),
    ]


def _generic() -> list[Format]:
    """Any line that begins with a time; a level, a pid and a name behind it are taken as they come."""
    between = rf"(?:[ :|\]\-]*(?:\[?(?P<pid>\d{{2,8}})\]?[ :|\-]+)?[\[(<]?{_L}[\])>]?(?![\w./=])[ :|\-]*(?:(?<=[ :|\-])\[?(?P<logger>[A-Za-z_][\w.$\-]*)\]?(?:: | - | \| |:(?=\S)))?|[\]:]? ?(?:[-|] )?)"
    return [
        RegexFormat("tap", r"(?=(?P<level>(?:not )?ok) \d+\b|# tests \d)", None, level_of=_tap),
        RegexFormat(
            "tai64n",
            rf"(?P<ts>@4[0-9a-f]{{23}}) (?:(?!(?:{levels.WORD}):)(?P<logger>[\w.\-]+): )?",
            TimeReader.tai64n,
            default=None,
        ),
        RegexFormat("generic", rf"\[?{_TS}{between}", TimeReader.iso, default=None),
        RegexFormat(
            "generic",
            rf"\[?(?P<ts>\d{{8}}[ .T\-]\d\d:?\d\d:?\d\d{FRACTION}){between}",
            TimeReader.compact,
            default=None,
        ),
        RegexFormat("generic", rf"\[?(?P<ts>{CTIME}){between}", TimeReader.ctime, default=None),
        RegexFormat(
            "generic",
            rf"\[?(?P<ts>\d\d[/\-][A-Z][a-z]{{2}}[/\-]\d{{4}}[: ]{CLOCK}{FRACTION}(?: [+\-]\d{{4}})?){between}",
            TimeReader.slashed,
            default=None,
        ),
        RegexFormat(
            "generic",
            rf"\[?(?P<ts>\d\d[/.]\d\d[/.]\d{{4}},? {CLOCK}{FRACTION}(?: [AP]M)?){between}",
            TimeReader.numeric,
            default=None,
        ),
        RegexFormat("generic", rf"\[?(?P<ts>\d\d-\d\d {CLOCK}{FRACTION}){between}", TimeReader.month_day, default=None),
        RegexFormat("generic", rf"\[?(?P<ts>{EPOCH}){between}", TimeReader.epoch, default=None),
        RegexFormat("tcf", r"TCF (?P<ts>\d\d:\d\d\.\d+): ", TimeReader.minute_second, default=None),
        RegexFormat("time", rf"(?P<ts>{CLOCK}{FRACTION}) (?P<logger>[\w.\-]+) +{_L} +", TimeReader.time_only),
        RegexFormat("time", rf"\[?(?P<ts>{CLOCK}{FRACTION}){between}", TimeReader.time_only, default=None),
        RegexFormat(
            "level",
            rf"\[?{levels.NO_FIGURE}(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|ALERT|EMERG|PANIC|[Ww]arning|[Ff]atal|[Dd]ebug|[Ii]nfo)\]?(?: ?[|\-] |(?<=[A-Z\]]): | {{1,7}}\[|\] )",
            None,
        ),
        RegexFormat("level", r"(?=(?P<level>[Ww]arning|[Ff]atal|[Dd]ebug|[Ii]nfo): )", None),
    ]


_REDIS = {".": levels.DEBUG, "-": levels.INFO, "*": levels.INFO, "#": levels.WARN}


def _tap(text: str) -> int:
    """The level of a test's result in the Test Anything Protocol."""
    return levels.ERROR if text == "not ok" else levels.INFO


def _redis(mark: str) -> int:
    return _REDIS.get(mark, levels.UNKNOWN)


def _iso_or_epoch(times: TimeReader, text: str) -> int | None:
    return times.iso(text) if text[4] == "-" else times.epoch(text)


def _letter(text: str) -> int:
    return levels.of_word(text[0])


CANDIDATE = re.compile(
    r"[\[(<\s]{0,8}(?:\d|[A-Z][a-z]{2} |[{<@]|[A-Z]{3,9}[\s:\]|\-]|[IWEFDVCN]\d{4} |[DIWEC] \d|[DIWE] \w|[a-z]+_|[A-Za-z_@][\w.@\-]*=|[\w.\-]+ +\| "
    r"|[Ww]arning|[Ee]rror|[Ff]atal|[Dd]ebug|[Ii]nfo|[a-zéû]+ \d|\S+\.log|\(?\w+ pid=\d|\S+ - \S+ \[|\S+ \[\d|\S+ \S+ - \S+ \[|rank\d|[WIEF]\d{3} |pid: \d"
    r"|[a-z]+ +:[a-z]+ *: |[\w.\-]+:\d+:\d+ \[|__CURSOR=|\*\* |\([\w.+\-]+:\d+\): |[\w.+\-/]{1,64}-(?:Message|INFO|DEBUG): \d|Start-Date: |(?:not )?ok \d|Log started: |# Time: |===|#|\"\d|\[\")"
)
"""Cheap test: what does not begin like this is the first line of no known format."""
