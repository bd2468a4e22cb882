"""Which processes' events are worth recording: by the settings, and without what only belongs to another process."""

import fnmatch
import re
from collections.abc import Sequence
from typing import Final

from monitor.core.exit_words import FAULTS, failed
from monitor.core.process_title import is_worker_of, runs_script, title_of
from monitor.metrics.messages import RunEnd, RunInfo

_WATCHKEEPER: Final = re.compile(
    r"(?:^|[ /])watchkeeper(?: |$)| -m (?:monitor|logs\.ingest\.worker|ai\.worker|ai\.gateway)[\w.]*(?: |$)|/monitor/services/shim/run\.py "
)


class Interest:
    """Decides by a process's user, name and command.

    Args:
        uid: whose processes are a person's own.
        own: whether those are of interest.
        patterns: names or commands of processes of any user that always are; `*` is any text.
        exclude: names or commands of processes that never are, unless a pattern names them.
    """

    def __init__(self, uid: int, *, own: bool, patterns: Sequence[str], exclude: Sequence[str]) -> None:
        self._uid, self._own = uid, own
        self._named, self._excluded = _any_of(patterns), _any_of(exclude)

    def named(self, info: RunInfo) -> bool:
        """Whether a pattern names it: then nothing about it is noise."""
        return self._named is not None and _matches(self._named, info)

    def wanted(self, info: RunInfo) -> bool:
        """Whether its events are of interest."""
        if self.named(info):
            return True
        if not self._own or info.kernel_thread or info.uid != self._uid:
            return False
        return self._excluded is None or not _matches(self._excluded, info)


def is_part_of(info: RunInfo, parent: RunInfo | None) -> bool:
    """Whether a process is a part of its parent: the same program, such as a worker of a pool or a browser's helper."""
    return parent is not None and is_worker_of(title_of(info.name, info.cmdline), title_of(parent.name, parent.cmdline))


def is_watchkeeper(info: RunInfo) -> bool:
    """Whether a process is Watchkeeper's own: of this agent or of another one."""
    return _WATCHKEEPER.search(info.cmdline) is not None


def is_fault(end: RunEnd | None) -> bool:
    """Whether this end is one that nobody wanted, whoever the process was."""
    return end is not None and (end.out_of_memory or end.exit_signal in FAULTS)


def is_failed_script(info: RunInfo, end: RunEnd | None) -> bool:
    """Whether a script failed: a job that crashes as it begins is news, where `grep` that finds nothing is none."""
    return (
        end is not None
        and bool(failed(end.exit_code, end.exit_signal, end.asked))
        and runs_script(info.name, info.cmdline)
    )


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    kept = [pattern.strip().casefold() for pattern in patterns if pattern.strip()]
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in kept)) if kept else None


def _matches(pattern: re.Pattern[str], info: RunInfo) -> bool:
    plain, title = title_of(info.name, info.cmdline), title_of(info.name, info.cmdline, info.member)
    texts = (info.name, plain, title, info.cmdline)
    return any(pattern.match(text.casefold()) is not None for text in texts)
