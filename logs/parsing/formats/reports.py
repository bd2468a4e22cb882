"""Reports of tests: one record a result, with what was printed about it. Lines of a report come in, headers go out."""

import re
from collections.abc import Sequence
from typing import Final

from logs.core import levels
from logs.core.timestamps import TimeReader
from logs.parsing.formats.base import Header

_FAILED: Final = re.compile(
    r"\s*[✕✖✗✘\u00d7❌](?:\s|$)|\s*● |\s{0,2}(?:FAIL|FAILED|ERROR):?\s+\S|\s*--- FAIL: |\S+::\S.*\s(?:FAILED|ERROR)(?:\s|$)|.+ \.\.\. (?:FAIL|FAILED|ERROR)$"
    r"|\[ {2}FAILED {2}\] |_{3,} .+ _{3,}$|-{4} .+ -{4}$|\s{1,4}\d+ (?:failing|tests? failed|failed)\b|\s*(?:Tests?|Test Suites|Test Files):?\s.*\b[1-9]\d* failed"
    r"|test result: FAILED|\s*\d+/\d+ Test +#\d+: .*\*\*\*"
)
_PASSED: Final = re.compile(
    r"\s*[✓✔√✅☑○◌↓⊘](?:\s|$)|\s{0,2}PASS:?\s+\S|\s*--- (?:PASS|SKIP): |\S+::\S.*\s(?:PASSED|SKIPPED|XFAIL|XPASS)(?:\s|$)|.+ \.\.\. (?:ok|ignored|skipped\b.*|expected failure)$"
    r"|\[ {0,7}(?:OK|PASSED|DISABLED|SKIPPED) {1,7}\] |\s{1,4}\d+ (?:passing|pending|tests? passed|passed|skipped)\b|\s*(?:Tests?|Test Suites|Test Files):?\s.*\bpassed"
    r"|\s*\d+/\d+ Test +#\d+: .* Passed |test result: ok|OK(?: \(.*\))?$|ok\s+\S+\s+[\d.(]"
)
_OTHER: Final = re.compile(
    r"=== (?:RUN|PAUSE|CONT|NAME)\s|=+ .+ =+$|\u23af{3,}|\[[-=]{10}\] |\[ RUN {6}\] | {4,}Start +\d+: |\d+% tests passed, |(?:Ran|running) \d+ tests?\b|Snapshots:\s|Time:\s|\s{0,6}(?:Start at|Duration) {2}|Ran all test|(?:FAIL|PASS)$"
)
_SUMMED: Final = re.compile(
    r"\s{1,4}\d+ (?:passing|failing|pending|(?:tests? )?(?:passed|failed|skipped))\b|\s*(?:Tests?|Test Suites|Test Files):?\s.*\b(?:passed|failed)\b|=+ .*\b\d+ (?:passed|failed|errors?)\b.* =+$"
    r"|\d+% tests passed, |test result: |Ran \d+ tests?\b|(?:OK|FAILED)(?: \(.*\))$|(?:ok|FAIL)\s+\S+\s+(?:[\d.]+s|\(cached\))|\[ {2}(?:PASSED|FAILED) {2}\] \d+ tests?\b"
)
_NUMBERED: Final = re.compile(r"\s+\d{1,4}\) \S")
"""A test that failed, and later what is known about it."""
_PENDING: Final = re.compile(r"\s+- \S")
_DEEPEST: Final = 6


class ReportFormat:
    """What Mocha, Jest, Vitest, AVA, pytest, unittest, Go, Cargo and GoogleTest print about tests. A file is one or is none: single lines of other files are no results."""

    name = "tests"
    starts = ""
    dated = False
    wraps = False
    follows = None

    def read(self, line: str, times: TimeReader) -> Header | None:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        if _FAILED.match(line) is not None:
            return _header(line, levels.ERROR)
        if _PASSED.match(line) is not None:
            return _header(line, levels.INFO)
        return _header(line, levels.UNKNOWN) if _OTHER.match(line) is not None else None

    def covers(self, lines: Sequence[str], times: TimeReader) -> int:
        """How many of these lines are results, where they are a report: it has its sum, or little else than results. 0 where they are none."""
        hits = sum(1 for line in lines if self.read(line, times))
        texts = sum(1 for line in lines if line.strip())
        summed = any(_SUMMED.match(line) for line in lines)
        return hits if hits > 2 and hits * (10 if summed else 2) >= texts else 0

    def amid(self, lines: Sequence[str], number: int) -> Header | None:
        """The header of a line that is one only in its place: a numbered failure, a test that is pending, the title of a suite."""
        line = lines[number]
        if _NUMBERED.match(line) is not None:
            return _header(line, levels.ERROR)
        if _PENDING.match(line) is not None:
            near = (lines[at] for at in (number - 1, number + 1) if 0 <= at < len(lines))
            same = any(_depth(other) == _depth(line) and _result(other) for other in near)
            return _header(line, levels.INFO) if same else None
        text = line.strip()
        if number and text and not lines[number - 1].strip() and any(_names(other, text) for other in lines[:number]):
            return _header(line, levels.ERROR)
        return _header(line, levels.UNKNOWN) if text and _titles(lines, number) else None


REPORT: Final = ReportFormat()


def _header(line: str, level: int) -> Header:
    return Header(None, level, None, None, "", line)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _result(line: str) -> bool:
    return any(shape.match(line) is not None for shape in (_FAILED, _PASSED, _NUMBERED))


def _names(line: str, text: str) -> bool:
    """Whether `line` says that the test `text` failed."""
    return f": {text}" in line and _FAILED.match(line) is not None


def _titles(lines: Sequence[str], number: int) -> bool:
    """Whether a result stands below the line, each line between them deeper than the one before."""
    depth = _depth(lines[number])
    below = [line for line in lines[number + 1 : number + 3 * _DEEPEST] if line.strip()][:_DEEPEST]
    for line in below:
        if _depth(line) <= depth:
            return False
        if _result(line):
            return True
        depth = _depth(line)
    return False
