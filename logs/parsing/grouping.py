"""Which lines belong to one record: tracebacks, stacks, indented continuations.

A line that a format recognises always begins a record. For all others the rules below decide, from the record's own lines alone: a file read from
any record's start onwards gives the same records.
"""

import re
from collections.abc import Sequence
from typing import Final

MAX_LINES: Final = 5000
"""A record that grows past this is closed: the next line begins a new one."""

_OPENS = re.compile(r"Traceback \(most recent call last\):|Exception in thread |Unhandled exception")
_GROUP = re.compile(r" +\+ Exception Group Traceback \(most recent call last\):")
"""The only traceback of Python that begins with blanks."""
_DIES = re.compile(
    r"panic: |fatal error: |thread '.*'(?: \(\d+\))? panicked at |terminate called |(?:file://)?/\S+\.[cm]?[jt]s:\d+$|\[(?:eval|stdin)\]:\d+$|node:internal/\S+:\d+$"
    r"|PHP (?:Fatal|Parse) error: |(?:PHP )?Fatal error: Uncaught |Fatal error: exception |\S+\.swift:\d+: Fatal error: |Unhandled exception:$|thread \d+ panic: |lua\d?[\d.]*: \S+:\d+: "
    r"|error: Uncaught |={40,}$|==\d+==\s?(?:ERROR|WARNING|Invalid )|--- Logging error ---$|Exception ignored in: |Execution error |Error in .{1,80} : |\S+\.py:\d+: \w*Warning: "
)
"""What a program writes when it ends: never a part of the record before."""
_NODE_PLACE = re.compile(r"(?:file://)?/\S+\.[cm]?[jt]s:\d+$|\[(?:eval|stdin)\]:|node:internal/")
_THROWN = re.compile(
    r"(?:Uncaught )?(?:[A-Z]\w*)?(?:Error|Exception): |(?:[A-Z][a-z]+ ){1,2}Error: |\*\* \(\w|\*\* exception |\S+\.rb:\d+:in .*\(\w+(?:::\w+)*\)$"
)
"""An exception that may be that of the record before, or of the program's end."""
_NODE_ERROR = re.compile(r"\[UnhandledPromiseRejection\b|(?:Uncaught )?(?:[A-Z]\w*)?(?:Error|Exception)\b|Node\.js v\d")
_CHAINS = re.compile(
    r"During handling of the above exception|The above exception was the direct cause|Caused by:(?: |$)|\[stacktrace\]|\[previous exception\]|Next [\w\\]+(?:Exception|Error)\b|#\d+ |frame #\d+|goroutine \d+ \["
    r"|created by |exit status \d|CUDA kernel errors might be|For debugging consider passing|Compile with `TORCH_USE|Device-side assertions|C\+\+ CapturedTraceback"
    r"|Suppressed: |[\w.]*RemoteTraceback: ?$|\"\"\"$|\.\.\. \d+ (?:more|common)|note: (?:run with `RUST_BACKTRACE|Some details are omitted)|stack backtrace:|\[signal |Search for `cuda|Location:(?: |$)|Backtrace omitted|Run with (?:RUST|COLORBT)|Stack backtrace:|Stack trace:|[Ss]tack ?traceback:|Stacktrace:|CallStack \(from|Raised (?:at|by) |Called from |Re-raised |in expression starting at |Calls: |Execution halted|Call stack:|Message: '|Arguments: |==\d+==|READ of size |WRITE of size |SUMMARY: \w+Sanitizer|\S+:\d+:\d+: 0x[0-9a-f]+ in |  what\(\)|Exception raised from "
    r"|File name: '|(?:Aborted|Segmentation fault) \(core dumped\)|\(Use `node --trace|0x[0-9a-f]+ is located |(?:previously )?(?:freed|allocated) by thread "
)
_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)(?:: |$)")
_LINKS = re.compile(r"During handling of the above exception|The above exception was the direct cause")
_JAVA = re.compile(r"(?:[a-zA-Z_]\w*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable|Failure)\b")
_NAMED = re.compile(r"[A-Za-z_][\w.]*(?::| *$)")
_GO_FRAME = re.compile(r"[\w./*()\[\]{}\-·]+\(.*\)$|main\.|runtime\.")
_GO_NAME = re.compile(r"[\w.\-]+(?:/[\w.\-@]+)*\.(?:\(\*?\w+(?:\[[\w.]*\])?\)\.)?\w+(?:\.func\d+(?:\.\d+)*)?$")
_CLOSES = re.compile(r"[)\]}]+[,;]?\s*$|[\"']?[<|+)\]}]|--> |[│╰└├║╚╠┃┗━]")
_SOURCE = re.compile(r"\d+ +\|")
_POINTS = re.compile(r" +(?:-->|\||=|\.\.\.)")
"""A compiler's diagnosis: a line of the source, with its number, behind what points at its place."""
_EXPECTS = re.compile(r"[:{(\[,\\=]\s*$")

_TROUBLE = re.compile(r"(?i)fail|error|crash|exception|unhandled|cannot|could not|unable|abort|broken|fatal|went wrong")

_FRAME_TOP = re.compile(r"[╭╔┏┌][─═━]")
"""The upper edge of a drawn box; what stands in one is never a record of its own."""
_CRASH = re.compile(
    r"\*\*\* (?:Aborted|SIG|Check failure)|The application panicked|Fatal Python error|Full thread dump"
)
_DUMPED = re.compile(r"(?i)panic recovered|recovered from panic|panic recover\b")
"""A header behind which a program writes what it was doing when it went wrong."""
_NAMES = re.compile(r"( *)[\w.\-]+: \S")
_TEXT: Final = 40
"""So many lines of text may stand between a warning's name and the line of the source that it was given for."""
_SIDES: Final = frozenset("┃│║┗└╰╚├┣╠")
_CALL = re.compile(
    r"(?:(?:[\w!.\-]{1,40}[: ]){0,2}[ \t]{2,})?at (?:(?:async |new )?[\w$.<>\[\]/@#]{1,200}(?: \[as \w+\])? ?\((?:[^()]{1,400}:\d+|Native Method|Unknown Source|<anonymous>)\)$"
    r"|[\w$.<>`\[\]]{1,200}\([^()]{0,400}\)(?: in .{1,400}:line \d+)?$|(?:async )?(?:\w+://|node:|/|[A-Z]:\\)\S{1,400}:\d+:\d+$)"
)
"""A call in a stack of Java, JavaScript or .NET, perhaps behind a name."""
_BOXED = re.compile(r"[^┃│║┗└╰╚├┣╠]{0,120}?[\s:|\]>][┏┌╭╔┃│║├┣╠][ \t]")
_BLANKS: Final = " \t\x0b\x0c"
_CLOSING: Final = ")]}│╰└├║╚╠┃┗━"
_DOUBTFUL = (_OPENS, _FRAME_TOP, _CHAINS, _JAVA, _NAMED, _GO_FRAME, _CLOSES, _NODE_ERROR)

_NONE, _PYTHON, _PYTHON_DONE, _CHAINED, _JAVA_BLOCK, _GO, _CUDA, _RUST, _NODE, _CRASHED, _ANY, _WARNS = range(12)


def surely_begins(line: str, indent: int = 0) -> bool:
    """Whether a line that no format recognises begins a record whatever stands before it; `indent` is the depth at which the file's records begin."""
    return (
        bool(line.strip())
        and len(line) - len(line.lstrip(_BLANKS)) <= indent
        and not any(shape.match(line) for shape in _DOUBTFUL)
    )


def dies(line: str) -> bool:
    """Whether this is what a program writes when it ends."""
    return _DIES.match(line) is not None


def recovers(line: str) -> bool:
    """Whether the header of a record says that a program went on although it should have ended."""
    return "anic" in line and _DUMPED.search(line) is not None


def of_stack(message: str) -> bool:
    """Whether the message of a line with a header of its own may be a part of a traceback, each line of which was given one."""
    return message.startswith(("  ", "Traceback (most recent")) or _RAISED.match(message) is not None


def of_frame(message: str) -> bool:
    """Whether the message of a line with a header of its own goes on with what the line before began to draw: a side of a box, or its lower edge."""
    return message[:1] in _SIDES and message[1:2] in _BLANKS


def goes_below(message: str) -> bool:
    """Whether the message of a line with a header of its own, but no time, may go on with the record before: a frame's side, or a call of a stack."""
    if message[:1] in _SIDES:
        return of_frame(message)
    return "at " in message and _CALL.match(message) is not None


def blanks_before(lines: Sequence[str], number: int) -> int:
    """How many blank lines stand before a line."""
    first = number
    while first > 0 and not lines[first - 1].strip():
        first -= 1
    return number - first


def outlines(line: str, depth: int) -> bool:
    """Whether a line says at this depth what the records below it belong to."""
    match = _NAMES.match(line)
    return match is not None and match.end(1) == depth


def outlined(lines: Sequence[str], number: int, depth: int) -> int:
    """How many lines before a record, which begins at this depth, say what it belongs to: each one blank less deep than the next."""
    first = number
    while first > 0 and depth > 0 and outlines(lines[first - 1], depth - 1):
        first, depth = first - 1, depth - 1
    return number - first


class Grouper:
    """Follows one record and says whether the next line belongs to it.

    Args:
        headed: the file's records begin with headers, so a line without one goes on with the record before it.
        indent: how deep the file's records begin.
    """

    def __init__(self, *, headed: bool = False, indent: int = 0) -> None:
        self._known = headed
        self._indent = indent
        self.traceback = False
        self._lines = 0
        self._headed = False
        self._open = False
        self._calm = False
        self._announces = False
        self._block = _NONE
        self._last = self._frame = ""

    def begin(self, line: str, *, headed: bool, calm: bool = False, empty: bool = False) -> None:
        """A new record begins with `line`; `headed` when a format recognised it, `calm` when its level says that nothing went wrong: then a traceback
        behind it is of something else, most often of the program's end. An `empty` header says nothing itself: what follows is its message.
        """
        self._lines, self._headed, self._calm, self._block, self._last = 1, headed, calm, _NONE, line
        self._open = headed and (self._known or empty)
        self._announces = headed and (empty or _EXPECTS.search(line) is not None)
        self.traceback = False
        self._frame = "" if headed or line[:2] != "==" else line
        if not headed:
            self._opens(line)
        elif "Traceback (most recent" in line:
            self._block, self.traceback = _PYTHON, True
        elif "CUDA" in line and "error" in line:
            self._block = _CUDA
        elif recovers(line):
            self._block, self.traceback = _CRASHED, True

    @property
    def announced(self) -> bool:
        """Whether the record has a header that said, at its end, that more follows."""
        return self._announces

    def joins(self, line: str) -> bool:
        """Whether `line`, which no format recognised, belongs to the record; if so it is taken in."""
        if self._lines == 0 or self._lines >= MAX_LINES:
            return False
        if self._belongs(line):
            self.take(line)
            return True
        return False

    def take(self, line: str) -> None:
        """`line` belongs to the record, as its format says."""
        self._lines += 1
        if line.strip():
            self._last = line

    def goes_on(self, message: str, *, deep: bool = False) -> bool:
        """Whether a line with a header of its own goes on with the record: each line of a stack, printed through something that heads every line.

        `deep`: each line that begins with blanks does, as its header says no time and is that of the line before.
        """
        if not 0 < self._lines < MAX_LINES:
            return False
        if not message.strip():
            stack = self._block in {_PYTHON_DONE, _CHAINED}  # between the exceptions of a chain
        elif deep and "at " in message and _CALL.match(message):
            self.take(message)
            return True
        elif deep and of_frame(message):
            stack = self.traceback or _BOXED.match(self._last) is not None or of_frame(self._last)
        else:
            stack = (deep and message[0] in _BLANKS) or (
                self.traceback and (message[0] in _BLANKS or _LINKS.match(message) is not None)
            )
        if message.startswith("Traceback (most recent"):
            stack = (not self._calm and not self.traceback) or self._block == _CHAINED
        elif self._block == _PYTHON and self._last[:1] in _BLANKS:
            stack = stack or _NAMED.match(message) is not None
        if stack and self._belongs(message):
            self.take(message)
            return True
        return False

    def _deep(self, line: str) -> bool:
        return line[0] in _BLANKS and (not self._indent or len(line) - len(line.lstrip(_BLANKS)) > self._indent)

    def _belongs(self, line: str) -> bool:  # noqa: PLR0911 - one rule a line
        if _GROUP.match(line):
            return self._begun(line)
        if not line or self._deep(line) or not line.strip():
            self.traceback = self.traceback or "Exception Group Traceback (" in line
            return True
        if _CHAINS.match(line):
            chained = line.startswith(("During", "The above", "Caused", '"""'))
            self._block = (
                _CHAINED if chained else (_GO if line.startswith(("goroutine", "created by")) else self._block)
            )
            self.traceback = self.traceback or (line.startswith("goroutine") and not self._calm)
            return True
        if _DIES.match(line):
            return self._frames(line)
        if self._block == _CRASHED:
            return True
        if _CRASH.match(line):
            return self._opens(line) and self._headed and self._open and (not self._calm or not self._known)
        if self._bare_trouble(line):
            return self._opens(line)
        if self._block == _ANY and line.startswith("Traceback ("):
            self._block = _PYTHON
            return True
        if _OPENS.match(line):
            return self._begun(line)
        return self._in_block(line)

    def _frames(self, line: str) -> bool:
        """Whether a report that began with a rule ends with the same."""
        if self._headed or not self._frame or line != self._frame:
            return False
        self._frame = ""
        return True

    def _begun(self, line: str) -> bool:
        """A traceback begins: whether it was logged with the record, or is chained to one in it."""
        calm = self._calm and not (_EXPECTS.search(self._last) or _TROUBLE.search(self._last))
        logged = self._headed and not calm and self._block in {_NONE, _JAVA_BLOCK} and not self.traceback
        return self._opens(line) if logged or self._block == _CHAINED or self._thread_named(line) else False

    def _bare_trouble(self, line: str) -> bool:
        """What was printed about an error, and now the error."""
        return (
            not self._headed
            and self._lines == 1
            and self._block == _NONE
            and _TROUBLE.search(self._last) is not None
            and (line.startswith("Traceback (") or _JAVA.match(line) is not None)
        )

    def _thread_named(self, line: str) -> bool:
        """Python says the thread, and then the traceback."""
        return self._lines == 1 and self._last.startswith("Exception in thread") and line.startswith("Traceback (")

    def _in_block(self, line: str) -> bool:  # noqa: C901, PLR0911, PLR0912 - one rule a line
        if _SOURCE.match(line) and _POINTS.match(self._last):
            return True
        if self._block == _PYTHON:
            if self._last[:1] in _BLANKS and _NAMED.match(line):
                self._block = _PYTHON_DONE
                return True
            return self._open
        if self._block in {_RUST, _NODE} and (self._lines == 1 or not line.strip("^")):
            return True  # what it panicked about, or the line of the source and what points at its place
        if self._block == _WARNS:
            return self._last[:1] not in _BLANKS and self._lines < _TEXT
        if self._block == _NODE and _NODE_ERROR.match(line) and (not self.traceback or line.startswith("Node.js v")):
            self.traceback = True
            return True
        if _JAVA.match(line):
            if not self._headed or self._calm or (not self._open and self.traceback):
                return False
            self._opens(line)
            return True
        if self._open:
            # of an exception whose stack comes later
            cause = self._block == _JAVA_BLOCK and self._last[:1] not in _BLANKS
            return not ((self._calm or (self.traceback and not cause)) and _THROWN.match(line))
        if self._block == _GO:
            return _GO_FRAME.match(line) is not None
        if self._headed and self._block == _NONE:
            if _GO_NAME.match(line) and (
                "/" in line or self._last[:1] in _BLANKS
            ):  # the stack that zap writes behind an error
                return True
            return (_CLOSES.match(line) or _FRAME_TOP.match(line) or _EXPECTS.search(self._last)) is not None
        if self._known and self.traceback and not _THROWN.match(line):
            return True  # what a program wrote when it ended goes on to the next header
        return _CLOSES.match(line) is not None and line[0] in _CLOSING

    def _opens(self, line: str) -> bool:
        """Note what kind of stack begins with `line`; true when one does."""
        if line.startswith(("panic: ", "fatal error: ")):
            self._block, self.traceback = _GO, True
        elif line.startswith("Traceback") or _GROUP.match(line):
            # no line at the end of a group names the exception
            self._block, self.traceback = _PYTHON if line[0] == "T" else _PYTHON_DONE, True
        elif (line.startswith("thread '") and _DIES.match(line)) or line == "Unhandled exception:":
            self._block, self.traceback = _RUST, True
        elif line.startswith("terminate called"):
            self._block, self.traceback = _CUDA, True
        elif _CRASH.match(line):
            self._block = _CRASHED
            self.traceback = not line.startswith("Full thread")
            return True
        elif _DIES.match(line):
            node = _NODE_PLACE.match(line) is not None
            self._block = _NODE if node else _WARNS if line.endswith("Warning: ") else _ANY
            self.traceback = not node and "Warning: " not in line
        elif _THROWN.match(line):
            self._block, self.traceback = _ANY, True
        elif _OPENS.match(line) or _JAVA.match(line):
            self._block, self.traceback = _JAVA_BLOCK, True
        elif "CUDA" in line and "rror" in line:
            self._block = _CUDA
        return self.traceback
