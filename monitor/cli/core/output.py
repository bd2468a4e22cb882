"""Output of the command line: JSON or aligned text on standard output, errors with a hint on standard error."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TextIO

from monitor.core.errors import Reported

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


def clean(text: str, *, newlines: bool = False) -> str:
    """Untrusted text for a terminal: control characters become escapes, so they cannot move the cursor or change colours."""
    if text.isprintable():
        return text
    kept = {"\n", "\t"} if newlines else {"\t"}
    return "".join(c if c.isprintable() or c in kept else repr(c)[1:-1] for c in text)


def paint(text: str, code: str, out: TextIO | None = None) -> str:
    """Coloured text, if the output is a terminal and NO_COLOR is not set."""
    stream = out or sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print aligned columns. `right` has the numbers of the columns to align to the right."""
    lines = [list(map(clean, row)) for row in rows]
    widths = [max([len(title), *(len(line[i]) for line in lines)]) for i, title in enumerate(titles)]
    last = len(titles) - 1

    def aligned(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(widths[i]) if i in right else cell if i == last else cell.ljust(widths[i])
            for i, cell in enumerate(cells)
        ]
        return "  ".join(parts).rstrip()

    print(paint(aligned(titles), DIM))
    for line in lines:
        print(aligned(line))


def iso(us: int | None) -> str | None:
    """Microseconds since the epoch as ISO 8601 in the local time zone, with its offset."""
    if us is None:
        return None
    return (_EPOCH + timedelta(microseconds=us)).astimezone().isoformat(timespec="microseconds")


def clock(us: int | None, *, until: Literal["minute", "second", "millisecond"] = "second") -> str:
    """Microseconds since the epoch as people read them, in the local time zone: `2026-03-01 10:15:02`; `-` when unknown."""
    text = iso(us)
    return "-" if text is None else text[: {"minute": 16, "second": 19, "millisecond": 23}[until]].replace("T", " ")


def size(value: float | None) -> str:
    """Bytes in powers of 1024, as on the pages: `41.2 GiB`."""
    if value is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return "-"


def archive_line(archive: dict[str, Any]) -> str:
    """The archive of log records in one line; empty if there is none."""
    if not archive["files"] and not archive["kept"]:
        return ""
    if not archive["files"]:
        return "no log records yet"
    first, last = ((iso(archive[end]) or "")[:10] for end in ("first_ts", "last_ts"))
    room = f"{size(archive['size_bytes'])} of {size(archive['limit_bytes'])}"
    return f"{archive['records']} log records from {first} to {last} in {archive['files']} files, {room}"


def say_error(error: Reported, *, as_json: bool) -> None:
    """Print an error and its hint on standard error."""
    if as_json:
        body: dict[str, Any] = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        pid = getattr(error, "pid", None)
        print(json.dumps({"error": body | ({"pid": pid} if pid else {})}, ensure_ascii=False), file=sys.stderr)
        return
    print(f"{paint('error:', RED, sys.stderr)} {clean(error.message, newlines=True)}", file=sys.stderr)
    for line in getattr(error, "pointer", ()):
        print(f"  {clean(line)}", file=sys.stderr)
    if error.hint:
        print(f"{paint('hint:', BOLD, sys.stderr)} {clean(error.hint)}", file=sys.stderr)


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint for a name that is not known: the one that was meant, without regard to case; `otherwise` where none is like it."""
    from difflib import get_close_matches

    by_fold = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), by_fold, n=1)
    return f"did you mean {by_fold[near[0]]!r}?" if near else otherwise
