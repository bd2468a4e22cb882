"""One line of a spool file: an event of a worker, as JSON. `docs/jobs.md` is the reference for programs in other languages."""

from collections.abc import Iterable
from typing import Final

import msgspec

from monitor.core.member import member_of

LATEST_US: Final = 253_402_300_799_000_000
"""The end of the year 9999, as a time."""
SECONDS_BELOW: Final = 100_000_000_000
"""A smaller time is in seconds: in µs it would be of the first 28 hours of 1970."""
MOST_NUMBER: Final = (1 << 62) - 1
MOST_PID: Final = (1 << 31) - 1
MOST_AT_ONCE: Final = 10**12
"""Jobs that one `missed` may report."""
NAME_CHARS: Final = 200
ID_CHARS: Final = 200
TEXT_CHARS: Final = 2_000


class Line(msgspec.Struct, frozen=True):
    """An event. `e` says which: start, begin, done, failed, log, missed, stop; other fields depend on it, and unknown ones are ignored.

    `n` is the number of the event in its run: whatever comes again with the same number is the same event. `of` is the number of the
    `begin` that a done, failed or log belongs to; `s` how long the job took, in seconds; `t` when, in µs (or seconds) since the epoch.
    `pidns` is the number of the PID namespace that `pid` counts in, `command` text or words; `numbers` are small numbers of its
    environment, by which workers of one command are told apart, and `inherited` the names of those that its parent had too. What is something
    else says nothing.
    """

    e: str
    n: int | None = None
    t: int | float | None = None
    job: str | int | float | None = None
    of: int | None = None
    s: int | float | None = None
    error: str | None = None
    level: str | None = None
    logger: str | None = None
    text: str | None = None
    worker: str | None = None
    run: str | None = None
    pid: int | None = None
    tick: int | None = None
    boot: str | None = None
    pidns: object = None
    command: object = None
    cwd: object = None
    numbers: object = None
    inherited: object = None
    locked: bool = False
    done: int = 0
    failed: int = 0


_decoder: Final = msgspec.json.Decoder(Line)
EVENTS: Final = frozenset({"start", "begin", "done", "failed", "log", "missed", "stop"})


def parse(data: bytes) -> Line | None:
    """The event of a line; None if it is none: no JSON, an unknown event, or a number out of range."""
    try:
        line = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    bounds = ((line.n, MOST_NUMBER), (line.of, MOST_NUMBER), (line.tick, MOST_NUMBER), (line.pid, MOST_PID))
    counts = ((line.done, MOST_AT_ONCE), (line.failed, MOST_AT_ONCE))
    if line.e not in EVENTS or any(number is not None and not 0 <= number <= most for number, most in bounds + counts):
        return None
    return None if line.run is not None and not 0 < len(line.run) <= NAME_CHARS else line


def words_of(line: Line) -> tuple[str, ...]:
    """The command of a worker; empty if it does not say one."""
    match line.command:
        case str(text):
            return tuple(text[:TEXT_CHARS].split())
        case [*words] if all(isinstance(word, str) for word in words):
            return tuple(map(str, words))
    return ()


def number_of(line: Line) -> str | None:
    """Which of several equal workers it is, such as `rank 3`; None if it does not say."""
    if not isinstance(line.numbers, dict):
        return None
    given = {name: value for name, value in line.numbers.items() if isinstance(value, int) and 0 <= value < 1_000_000}
    of_parent = line.inherited if isinstance(line.inherited, list) else []

    def environment(names: Iterable[object]) -> bytes:
        return b"".join(f"{name}={given[name]}\0".encode("utf-8", "replace") for name in names if name in given)

    return member_of(environment(given), lambda: environment(name for name in of_parent if isinstance(name, str)))


def time_of(line: Line, otherwise: int) -> int:
    """When, in µs since the epoch; `otherwise` where the line does not say, or says what is no time."""
    value = line.t
    if value is None or not 0 < value <= LATEST_US:
        return otherwise
    return round(value * 1e6) if value < SECONDS_BELOW else int(value)


def job_id(line: Line) -> str:
    """What the worker calls the job; empty if it has no name for it."""
    return "" if line.job is None else str(line.job)[:ID_CHARS]
