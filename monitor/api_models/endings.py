"""Why a run ended, and what led to it."""

from monitor.api_models.base import Shape
from monitor.api_models.processes import EndedRun, RunRef


class LastError(Shape):
    """The newest error that a run logged, or what it wrote last: its exception or its line, and the record, which is of `run` (of a script, what it began)."""

    record: str
    run: str | None = None
    ts: int
    text: str


class FinalMinute(Shape):
    """What a run used in the minute before its end: CPU in percent of one core and rates on average, memory in bytes."""

    start: int
    end: int
    cpu_pct: float | None
    rss_first: int | None
    rss_last: int | None
    rss_max: int | None
    read_bps: float | None
    write_bps: float | None


class RunEnding(Shape):
    """The end of a run.

    Attributes:
        cause: `running`, `completed`, `exit_code`, `exception`, `terminated`, `killed`, `segfault`, `aborted`, `memory_machine`, `memory_group`,
            `memory`, `cpu_limit`, `parent_gone`, `stopped`, `signal` or `unknown`.
        why: the cause in one sentence.
        ended: µs; of an end that nobody saw, the last moment at which it was seen (`at_least`).
        failed: None if that is not known, and while it runs; `asked`: who asked for the end, in words, which is no failure then.
        sender: who ended it, where that is known: its parent, when that took it along, or a command that sent the signal, as `pkill`.
        last_line: what it wrote last, where it failed, logged no error, and wrote that in its last minute.
        memory_group: the control group whose limit was reached; empty for the machine, None if none ran out or that is not known.
        earlier: runs of the same command before it, the newest first; `earlier_24h` counts those of the last 24 hours.
    """

    run: str
    pid: int
    title: str
    command: str
    directory: str | None = None
    cause: str
    why: str
    started: int | None
    ended: int | None
    at_least: bool
    exit_code: int | None
    signal: int | None
    signal_name: str | None
    failed: bool | None = None
    asked: str | None = None
    sender: RunRef | None
    out_of_memory: bool
    memory_group: str | None
    memory_limit: int | None
    last_error: LastError | None
    last_line: LastError | None = None
    peak_rss: int | None
    cpu_seconds: float | None
    bytes_read: int | None
    bytes_written: int | None
    final: FinalMinute | None
    earlier_24h: int
    earlier: list[EndedRun]
