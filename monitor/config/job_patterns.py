"""`jobs.patterns`: how jobs are counted from the log records of a program that does not report them."""

from dataclasses import dataclass
from typing import Any, Final

EVENTS: Final = {"begun": "begin", "done": "done", "failed": "failed"}
"""Word in a pattern → event of a job."""
FORM: Final = "WORKER EVENT FILES REGEX"


@dataclass(frozen=True, slots=True)
class JobPattern:
    """What a record means. Groups named `id`, `seconds` and `error` say which job it was, how long it took, and why it failed.

    Attributes:
        worker: whose job it is.
        event: `begin`, `done` or `failed`.
        files: pattern of absolute paths; `*` matches any text.
        regex: compiled by RE2, so that it takes linear time.
    """

    worker: str
    event: str
    files: str
    regex: Any


def parse_pattern(line: str) -> JobPattern:
    r"""A pattern such as `importer done /srv/app/*.log finished (?P<id>\S+)`.

    Raises:
        ValueError: says what is wrong with it.
    """
    import re2

    words = line.split(None, 3)
    if len(words) < 4:
        msg = f"{line!r} is not of the form {FORM}, such as `importer done /srv/app/*.log finished (?P<id>\\S+)`"
        raise ValueError(msg)
    worker, event, files, regex = words
    if event not in EVENTS:
        msg = f"{event!r} in {line!r} is not an event; use {', '.join(EVENTS)}"
        raise ValueError(msg)
    if not files.startswith("/"):
        msg = f"{files!r} in {line!r} is not an absolute path"
        raise ValueError(msg)
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(regex, options)
    except re2.error as error:
        why = error.args[0] if error.args else error
        msg = f"{regex!r} is not a regular expression of RE2: {why.decode() if isinstance(why, bytes) else why}"
        raise ValueError(msg) from error
    if unknown := set(compiled.groupindex) - {"id", "seconds", "error"}:
        msg = f"{regex!r} has a group named {min(unknown)}; groups are id, seconds and error"
        raise ValueError(msg)
    return JobPattern(worker, EVENTS[event], files, compiled)
