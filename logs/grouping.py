"""Which lines belong to one record: tracebacks, stacks, indented continuations.

A line that a format recognises always begins a record. For all others the rules below decide, from the record's own lines alone: a file read from
any record's start onwards gives the same records.
"""

import re
from typing import Final

MAX_LINES: Final = 5000
"""A record that grows past this is closed: the next line begins a new one."""

_OPENS = re.compile(
    r"Traceback \(most recent call last\):|panic: |fatal error: |Exception in thread |thread '.*' panicked at |Unhandled exception|\*\*\* (?:SIG|Aborted)"
)
_CHAINS = re.compile(
    r"During handling of the above exception|The above exception was the direct cause|Caused by: |\[stacktrace\]|\[previous exception\]|#\d+ |frame #\d+|goroutine \d+ \["
    r"|created by |exit status \d|CUDA kernel errors might be|For debugging consider passing|Compile with `TORCH_USE|Device-side assertions|C\+\+ CapturedTraceback"
    r"|Suppressed: |\.\.\. \d+ (?:more|common)|note: run with `RUST_BACKTRACE|stack backtrace:|\[signal |terminate called|Search for `cuda|  what\(\)|Exception raised from "
)
_JAVA = re.compile(r"(?:[a-zA-Z_]\w*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable|Failure)\b")
_NAMED = re.compile(r"[A-Za-z_][\w.]*(?::| *$)")
_GO_FRAME = re.compile(r"[\w./*()\[\]{}\-·]+\(.*\)$|main\.|runtime\.")
_GO_NAME = re.compile(r"[\w.\-]+(?:/[\w.\-@]+)*\.(?:\(\*?\w+(?:\[[\w.]*\])?\)\.)?\w+(?:\.func\d+(?:\.\d+)*)?$")
_CLOSES = re.compile(r"[)\]}]+[,;]?\s*$|[\"']?[<|+)\]}]|--> ")
_EXPECTS = re.compile(r"[:{(\[,\\=]\s*$")

_DOUBTFUL = (_OPENS, _CHAINS, _JAVA, _NAMED, _GO_FRAME, _CLOSES)

_NONE, _PYTHON, _PYTHON_DONE, _CHAINED, _JAVA_BLOCK, _GO, _CUDA = range(7)


def surely_begins(line: str) -> bool:
    """Whether a line that no format recognises begins a record whatever stands before it."""
    return bool(line.strip()) and line[0] not in " \t\x0b\x0c" and not any(shape.match(line) for shape in _DOUBTFUL)


class Grouper:
    """Follows one record and says whether the next line belongs to it."""

    def __init__(self) -> None:
        self.traceback = False
        self._lines = 0
        self._headed = False
        self._block = _NONE
        self._last = ""

    def begin(self, line: str, *, headed: bool) -> None:
        """A new record begins with `line`; `headed` when a format recognised it."""
        self._lines, self._headed, self._block, self._last = 1, headed, _NONE, line
        self.traceback = False
        if not headed:
            self._opens(line)
        elif "Traceback (most recent" in line:
            self._block, self.traceback = _PYTHON, True
        elif "CUDA" in line and "error" in line:
            self._block = _CUDA

    def joins(self, line: str) -> bool:
        """Whether `line`, which no format recognised, belongs to the record; if so it is taken in."""
        if self._lines == 0 or self._lines >= MAX_LINES:
            return False
        if self._belongs(line):
            self._lines += 1
            if line.strip():
                self._last = line
            return True
        return False

    def take(self, line: str) -> None:
        """`line` belongs to the record, as its format says."""
        self._lines += 1
        self._last = line

    def _belongs(self, line: str) -> bool:  # noqa: C901, PLR0911 - one rule a line
        if not line or line[0] in " \t\x0b\x0c" or not line.strip():
            return True
        if _CHAINS.match(line):
            chained = line.startswith(("During", "The above", "Caused"))
            self._block = (
                _CHAINED if chained else (_GO if line.startswith(("goroutine", "created by")) else self._block)
            )
            return True
        if _OPENS.match(line):
            if self._block == _CHAINED or (self._headed and self._block in {_NONE, _JAVA_BLOCK} and not self.traceback):
                return self._opens(line)
            return False
        if self._block == _PYTHON:
            if self._last[:1] in " \t" and _NAMED.match(line):
                self._block = _PYTHON_DONE
                return True
            return False
        if _JAVA.match(line):
            if self._headed and not self.traceback:
                return self._opens(line)
            return False
        if self._block == _GO:
            return _GO_FRAME.match(line) is not None
        if self._headed and self._block == _NONE:
            if _GO_NAME.match(line) and (
                "/" in line or self._last[:1] in " \t"
            ):  # the stack that zap writes behind an error
                return True
            return _CLOSES.match(line) is not None or _EXPECTS.search(self._last) is not None
        return _CLOSES.match(line) is not None and line[0] in ")]}"

    def _opens(self, line: str) -> bool:
        """Note what kind of stack begins with `line`; true when one does."""
        if line.startswith(("panic: ", "fatal error: ")):
            self._block, self.traceback = _GO, True
        elif line.startswith("Traceback"):
            self._block, self.traceback = _PYTHON, True
        elif _OPENS.match(line) or _JAVA.match(line):
            self._block, self.traceback = _JAVA_BLOCK, True
        elif "CUDA" in line and "rror" in line:
            self._block = _CUDA
        return self.traceback
