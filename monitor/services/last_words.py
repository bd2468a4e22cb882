"""What a service said before it ended: of a crash, the error in one line."""

import functools
import itertools
import math
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from logs import Holder, parse_text
from monitor.api_models.services import Service
from monitor.core.error_words import cause_of
from monitor.core.exit_words import failed
from monitor.services.shim.claim import ELSEWHERE

TAIL: Final = 1 << 16
"""So many bytes of what it wrote last are looked at."""
NEWEST: Final = 20
"""An error among so many records, the newest, is what it ended with."""
MOST: Final = 300
"""Characters that are shown."""
_TRACEBACK: Final = "Traceback (most recent call last):"
_ERRORS: Final = frozenset({"error", "fatal"})
_ENDED_BY_OTHERS: Final = frozenset(
    int(getattr(signal, name))
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGQUIT")
    if hasattr(signal, name)
)
"""Whatever a service said before such a signal, it did not end for that."""


def last_words(service: Service, lives: Sequence[Holder], mask: Callable[[str], str]) -> str | None:
    """The error that a service ended with last, or the last line that it wrote, in one line; None where it did not fail, was ended, or said nothing.

    Blocking: it reads a file.

    Args:
        service: where it stands.
        lives: its last main processes, one after the other, each with the parts of the output that it wrote.
        mask: hides secrets in a text.
    """
    if (
        service.state in {"stopped", "waiting"}
        or not failed(service.exit_code, service.exit_signal, None)
        or service.exit_signal in _ENDED_BY_OTHERS
        or service.reason.startswith(("cannot be started", ELSEWHERE))
    ):
        return None
    # By now another may have begun, which has said nothing yet.
    began = service.started if service.started is not None else math.inf
    over = [life for life in lives if life.since < began or (life.since == began and service.pid is None)]
    if not over:
        return None
    parts = [part for life in lives for part in life.wrote]
    ends = dict(itertools.pairwise(parts))
    for part in reversed(over[-1].wrote):
        if said := _of_part(Path(service.output), part, ends.get(part), mask):
            return said
    return None


def _of_part(output: Path, part: tuple[int, int], after: tuple[int, int] | None, mask: Callable[[str], str]) -> str:
    """What stands last in a part of the output; empty if nothing does, or it is gone."""
    inode, begin = part
    for path in (output, *sorted(output.parent.glob(f"{output.name}.*"))):
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != inode:
                    continue
                end = after[1] if after is not None and after[0] == inode else status.st_size
                file.seek(start := max(begin, end - TAIL))
                data = file.read(end - start)
        except OSError:  # it was rotated away, or may not be read: nothing is said then
            continue
        return said_last(data if start == begin else data.partition(b"\n")[2], mask)
    return ""


@functools.lru_cache(maxsize=32)
def said_last(data: bytes, mask: Callable[[str], str] = str) -> str:
    """The last error in a text, or its last line, in one line; empty if there is none."""
    records = list(parse_text(data, mask))[-NEWEST:]
    errors = [one for one in records if one["level"] in _ERRORS or _TRACEBACK in one["body"]]
    if errors:
        text = cause_of(errors[-1]["body"])
    else:
        lines = [line for one in records[-1:] for line in one["body"].split("\n") if line.strip()]
        text = lines[-1] if lines else ""
    text = " ".join(text.split())
    return text if len(text) <= MOST else f"{text[:MOST]}…"
