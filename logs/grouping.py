"""Which lines belong to one record: tracebacks, stacks, indented continuations.

A line that a format recognises always begins a record. For all others the rules below decide, from the record's own lines alone: a file read from
any record's start onwards gives the same records.
"""

import re
from typing import Final

MAX_LINES: Final = 5000
"""A record that grows past this is closed: the next line begins a new one."""

_OPENS = re.compile(
    r"Traceback \(most recent call last\):|Exception in thread |Unhandled exception|\*\*\* (?:SIG|Aborted)"
)
_DIES = re.compile(
    r"panic: |fatal error: |thread '.*' panicked at |terminate called |(?:file://)?/\S+\.[cm]?[jt]s:\d+$"
)
"""What a program writes when it ends: never a part of the record before."""
_NODE_ERROR = re.compile(r"(?:Uncaught )?(?:[A-Z]\w*)?(?:Error|Exception)\b|Node\.js v\d")
_CHAINS = re.compile(
    r"During handling of the above exception|The above exception was the direct cause|Caused by: |\[stacktrace\]|\[previous exception\]|#\d+ |frame #\d+|goroutine \d+ \["
    r"|created by |exit status \d|CUDA kernel errors might be|For debugging consider passing|Compile with `TORCH_USE|Device-side assertions|C\+\+ CapturedTraceback"
    r"|Suppressed: |[\w.]*RemoteTraceback: ?$|\"\"\"$|\.\.\. \d+ (?:more|common)|note: (?:run with `RUST_BACKTRACE|Some details are omitted)|stack backtrace:|\[signal |Search for `cuda|  what\(\)|Exception raised from "
)
_JAVA = re.compile(r"(?:[a-zA-Z_]\w*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable|Failure)\b")
_NAMED = re.compile(r"[A-Za-z_][\w.]*(?::| *$)")
_GO_FRAME = re.compile(r"[\w./*()\[\]{}\-·]+\(.*\)$|main\.|runtime\.")
_GO_NAME = re.compile(r"[\w.\-]+(?:/[\w.\-@]+)*\.(?:\(\*?\w+(?:\[[\w.]*\])?\)\.)?\w+(?:\.func\d+(?:\.\d+)*)?$")
_CLOSES = re.compile(r"[)\]}]+[,;]?\s*$|[\"']?[<|+)\]}]|--> ")
_EXPECTS = re.compile(r"[:{(\[,\\=]\s*$")

_DOUBTFUL = (_OPENS, _CHAINS, _JAVA, _NAMED, _GO_FRAME, _CLOSES, _NODE_ERROR)

_NONE, _PYTHON, _PYTHON_DONE, _CHAINED, _JAVA_BLOCK, _GO, _CUDA, _RUST, _NODE = range(9)


def surely_begins(line: str) -> bool:
    """Whether a line that no format recognises begins a record whatever stands before it."""
    return bool(line.strip()) and line[0] not in " \t\x0b\x0c" and not any(shape.match(line) for shape in _DOUBTFUL)


class Grouper:
    """Follows one record and says whether the next line belongs to it."""

    def __init__(self) -> None:
        self.traceback = False
        self._lines = 0
        self._headed = False
        self._calm = False
        self._block = _NONE
        self._last = ""

    def begin(self, line: str, *, headed: bool, calm: bool = False) -> None:
        """A new record begins with `line`; `headed` when a format recognised it, `calm` when its level says that nothing went wrong: then a traceback
        behind it is of something else, most often of the program's end.
        """
        self._lines, self._headed, self._calm, self._block, self._last = 1, headed, calm, _NONE, line
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
            chained = line.startswith(("During", "The above", "Caused", '"""'))
            self._block = (
                _CHAINED if chained else (_GO if line.startswith(("goroutine", "created by")) else self._block)
            )
            return True
        if _DIES.match(line):
            return False
        if _OPENS.match(line):
            logged = self._headed and not self._calm and self._block in {_NONE, _JAVA_BLOCK} and not self.traceback
            return self._opens(line) if logged or self._block == _CHAINED else False
        if self._block == _PYTHON:
            if self._last[:1] in " \t" and _NAMED.match(line):
                self._block = _PYTHON_DONE
                return True
            return False
        if self._block == _RUST and self._lines == 1:
            return True  # what it panicked about
        if self._block == _NODE and _NODE_ERROR.match(line) and (not self.traceback or line.startswith("Node.js v")):
            self.traceback = True
            return True
        if _JAVA.match(line):
            return self._opens(line) if self._headed and not self._calm and not self.traceback else False
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
        elif line.startswith("thread '") and _DIES.match(line):
            self._block, self.traceback = _RUST, True
        elif line.startswith("terminate called"):
            self._block, self.traceback = _CUDA, True
        elif _DIES.match(line):
            self._block = _NODE
        elif _OPENS.match(line) or _JAVA.match(line):
            self._block, self.traceback = _JAVA_BLOCK, True
        elif "CUDA" in line and "rror" in line:
            self._block = _CUDA
        return self.traceback
