"""Formats of the system and of servers: syslog, the kernel, web servers, model servers."""

from logs.core import levels
from logs.core.timestamps import APACHE, CLOCK, CTIME, EPOCH, FRACTION, ISO, SYSLOG, TimeReader
from logs.parsing.formats.base import Format, RegexFormat

_PROCESS = r"(?:-- )?(?P<logger>[^\s:\[\]]{1,64}(?:\([^)]*\))?)(?: \d[\d.]*)?(?:\[(?P<pid>\d+)\])?:(?: |$)"


def server_formats() -> list[Format]:
    """From the particular to the general."""
    return [*_models(), *_syslog(), *_kernel(), *_web()]


def _syslog() -> list[Format]:
    return [
        RegexFormat(
            "syslog5424",
            rf"(?:\d+ )?<(?P<level>\d{{1,3}})>1 (?P<ts>{ISO}) \S+ (?P<logger>\S+) (?P<pid>\S+) \S+ (?:-|(?:\[[^\]]*\])+) ?",
            TimeReader.iso,
            level_of=_priority,
            heads_each=True,
        ),
        RegexFormat(
            "syslog",
            rf"<(?P<level>\d{{1,3}})>(?P<ts>{SYSLOG}) (?:\S+ )??{_PROCESS}",
            TimeReader.no_year,
            level_of=_priority,
            heads_each=True,
        ),
        RegexFormat("syslog", rf"(?P<ts>{SYSLOG}) \S+ +{_PROCESS}", TimeReader.no_year, default=None, heads_each=True),
        RegexFormat(
            "syslog",
            rf"(?P<ts>{SYSLOG}) (?P<logger>[\w.\-]+)\[(?P<pid>\d+)\]: ",
            TimeReader.no_year,
            default=None,
            heads_each=True,
        ),
        RegexFormat(
            "syslog", rf"(?P<ts>{SYSLOG}) (?:\S+ (?=last message repeated|--))?", TimeReader.no_year, default=None
        ),
        RegexFormat(
            "syslog",
            r"<(?P<level>[0-7])>(?!\d|$)(?:(?P<logger>[\w.\-]{1,64})\[(?P<pid>\d+)\]: ?)?",
            None,
            level_of=_priority,
            heads_each=True,
        ),
        RegexFormat("syslog", rf"(?P<ts>\d{{4}} {SYSLOG}) \S+ +{_PROCESS}", TimeReader.year_first, default=None),
        RegexFormat(
            "audit",
            rf"(?:node=\S+ )?type=(?P<logger>\w+) msg=audit\((?P<ts>{EPOCH}):\d+\): (?:(?=.*?\bpid=(?P<pid>\d+)))?",
            TimeReader.epoch,
        ),
        RegexFormat(
            "syslog",
            rf"(?P<ts>\d{{4}}-\d\d-\d\dT{CLOCK}(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)) (?!(?:{levels.WORD})\b)[\w.\-]+ {_PROCESS}",
            TimeReader.iso,
            default=None,
            heads_each=True,
        ),
    ]


def _kernel() -> list[Format]:
    return [
        RegexFormat(
            "dmesg",
            rf"\[(?P<ts>{CTIME})\] (?!\[)(?P<logger>NVRM|[A-Za-z][\w\-]*(?: [\d:.\-]+)?)?(?(logger): )",
            TimeReader.ctime,
            default=None,
        ),
        RegexFormat(
            "syslog",
            r"\[ *(?P<ts>\d+\.\d{6})\] [\w.\-]+ (?P<logger>[^\s\[\]]{1,64})\[(?P<pid>\d+)\]: ",
            TimeReader.seconds,
            default=None,
            heads_each=True,
        ),
        RegexFormat(
            "dmesg",
            r"(?:<(?P<level>\d+)>)?\[ *(?P<ts>\d+\.\d{6})\] (?:(?P<logger>NVRM|[A-Za-z][\w\-]*(?: [\d:.\-]+)?): )?",
            TimeReader.seconds,
            level_of=_priority,
            default=None,
        ),
        RegexFormat(
            "dmesg",
            rf"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d) *:(?P<level>\w+) *: \[(?P<ts>{CTIME})\] ",
            TimeReader.ctime,
        ),
        RegexFormat(
            "dmesg",
            r"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d) *:(?P<level>\w+) *: \[ *(?P<ts>\d+\.\d{6})\] ",
            TimeReader.seconds,
        ),
        RegexFormat(
            "xorg",
            r"\[ *(?P<ts>\d+\.\d{3})\] (?:\((?P<level>WW|EE|II|NI|!!|\?\?|\*\*|==|--|\+\+)\) )?",
            TimeReader.seconds,
            level_of=_xorg,
        ),
        RegexFormat(
            "glog",
            rf"(?:\[rank\d+\]:)?\[(?P<level>[IWEF])(?P<ts>\d{{3,4}} {CLOCK}\.\d+) (?P<logger>[\w./\-]+:\d+)\] ",
            TimeReader.month_day,
        ),
        RegexFormat(
            "apple",
            rf"(?P<ts>{ISO}) +0x[0-9a-f]+ +(?P<level>Default|Info|Debug|Error|Fault|Activity) +0x[0-9a-f]+ +(?P<pid>\d+) +\d+ +(?P<logger>[^:\n]{{1,60}}): ",
            TimeReader.iso,
            level_of=_apple,
        ),
        RegexFormat(
            "nccl",
            r"[\w.\-]+:(?P<pid>\d+):\d+ \[\d+\] (?:(?P<logger>\S+:\d+) )?NCCL (?P<level>INFO|WARN|ERROR|TRACE|ABORT) ",
            None,
        ),
        RegexFormat(
            "glog",
            rf"(?P<level>[IWEFD])(?P<ts>\d{{4}} {CLOCK}\.\d+) +(?P<pid>\d+) (?P<logger>[\w./\-]+:\d+)\] ",
            TimeReader.month_day,
        ),
        RegexFormat(
            "glog",
            rf"(?P<level>[IWEFD])(?P<ts>\d{{8}} {CLOCK}\.\d+) +(?P<pid>\d+) (?P<logger>[\w./\-]+:\d+)\] ",
            TimeReader.compact,
        ),
    ]


def _apple(text: str) -> int:
    return levels.INFO if text == "Default" else levels.of_word({"Fault": "CRITICAL"}.get(text, text))


def _web() -> list[Format]:

    return [
        RegexFormat(
            "access",
            rf'[\w.:\-\[\]%]+(?: \S+){{1,3}} \[(?P<ts>{APACHE})\] (?="(?:[^"\\]|\\.)*" (?P<level>\d{{3}}|-))',
            TimeReader.slashed,
            level_of=_status,
        ),
        RegexFormat(
            "access",
            rf'[\w.:\-\[\]%]+ \[(?P<ts>{APACHE})\] (?="(?:[^"\\]|\\.)*" (?P<level>\d{{3}}|-))',
            TimeReader.slashed,
            level_of=_status,
        ),
        RegexFormat(
            "apache",
            rf"\[(?P<ts>{CTIME})\] \[(?:(?P<logger>\w+):)?(?P<level>\w+)\](?: \[pid (?P<pid>\d+)(?::tid \d+)?\])? ",
            TimeReader.ctime,
        ),
        RegexFormat(
            "nginx",
            rf"(?P<ts>\d{{4}}/\d\d/\d\d {CLOCK}) \[(?P<level>\w+)\] (?P<pid>\d+)#\d+: (?:\*\d+ )?",
            TimeReader.iso,
        ),
        RegexFormat(
            "django",
            rf'\[(?P<ts>\d\d/[A-Z][a-z]{{2}}/\d{{4}} {CLOCK})\] (?="(?:[^"\\]|\\.)*" (?P<level>\d{{3}}))',
            TimeReader.slashed,
            level_of=_status,
        ),
        RegexFormat(
            "uwsgi",
            rf"\[pid: (?P<pid>\d+)\|[^\]]*\] \S+ \([^)]*\) (?:\{{[^}}]*\}} )?\[(?P<ts>{CTIME})\] (?=.*\(HTTP/[\d.]+ (?P<level>\d{{3}})\))",
            TimeReader.ctime,
            level_of=_status,
        ),
        RegexFormat(
            "w3c",
            rf"(?P<ts>\d{{4}}-\d\d-\d\d {CLOCK}) (?=(?:\S+ )*?(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) \S+(?: \S+)*? (?P<level>[1-5]\d\d)(?: |$))",
            TimeReader.utc,
            level_of=_status,
        ),
        RegexFormat(
            "w3c",
            rf'(?P<ts>"\d{{4}}-\d\d-\d\d" "{CLOCK}") ',
            lambda times, text: times.utc(text.strip('"')),
            default=levels.INFO,
        ),
        RegexFormat(
            "werkzeug",
            rf'[\w.:\-]+ - - \[(?P<ts>\d\d/[A-Z][a-z]{{2}}/\d{{4}}[ :]{CLOCK})\] (?="(?:[^"\\]|\\.)*" (?P<level>\d{{3}}))',
            TimeReader.slashed,
            level_of=_status,
        ),
    ]


def _models() -> list[Format]:
    """Model servers; Ollama's own lines are logfmt (slog), its web server is gin."""
    day = rf"(?P<ts>\d\d-\d\d {CLOCK}{FRACTION})"
    return [
        RegexFormat(
            "vllm",
            rf"(?:\((?:\w+ )?(?:pid|[A-Za-z_]\w*)[= ](?P<pid>\d+)\) )?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) {day} \[?(?P<logger>[\w./\-]+:\d+)\] ",
            TimeReader.month_day,
        ),
        RegexFormat(
            "gin", rf"\[GIN\] (?P<ts>\d{{4}}/\d\d/\d\d - {CLOCK}) \| +(?P<level>\d{{3}}) \| +", _gin, level_of=_status
        ),
        RegexFormat(
            "llamacpp", r"\d+\.\d\d\.\d{3}\.\d{3} (?P<level>[DIWE]) (?:(?P<logger>\w+) *(?:[\w:]+)? *: (?=\S))?", None
        ),
        RegexFormat("llamacpp", r"(?P<level>[DIWE]) (?=(?:srv|slot|main|llama|ggml|common)\b)", None),
        RegexFormat(
            "llamacpp",
            r"(?P<logger>(?:llama|llm|ggml|gguf|clip|whisper|common|load|print_info|llama_kv|srv|slot|main|system_info|build|sched|set_abort|init_tokenizer|create_tensor)[\w]*) *(?:[\w]+ *)?: (?=\S)",
            None,
            default=None,
        ),
    ]


def _gin(times: TimeReader, text: str) -> int | None:
    return times.iso(text.replace(" - ", " "))


def _xorg(mark: str) -> int:
    return {"WW": levels.WARN, "EE": levels.ERROR}.get(mark, levels.INFO)


def _priority(text: str) -> int:
    return levels.of_syslog(int(text))


def _status(text: str) -> int:
    """The level of an HTTP status as written; `-` is none."""
    return levels.of_status(int(text)) if text.isdigit() else levels.INFO
