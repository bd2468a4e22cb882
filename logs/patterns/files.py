"""Patterns of files, counted, without a store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from logs.core.levels import ERROR
from logs.parsing.parse import STATED, rows_of
from logs.patterns.forms import Numbers
from logs.patterns.miner import Pattern, PatternMiner

_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class PatternCount:
    """A pattern with how often it occurs. `errors`: records of the level error or above. `first` and `last`: µs since the epoch, None where no record has a time."""

    pattern: Pattern
    count: int
    errors: int
    first: int | None
    last: int | None


class FilePatterns:
    """Reads files whole and counts their patterns.

    >>> counted = FilePatterns()
    >>> counted.read("worker.log")  # doctest: +SKIP
    >>> [(one.count, one.pattern.template) for one in counted.counts()]
    []
    """

    def __init__(self) -> None:
        self._miner = PatternMiner()
        self._files: list[tuple[str, list[Numbers], list[Numbers]]] = []
        self._times: list[Numbers] = []
        self._errors: list[npt.NDArray[np.bool_]] = []

    def read(self, path: Path | str, format: str | None = None, *, name: str | None = None) -> None:  # noqa: A002 - the word of the command line
        """Take the records of a file in; `lines` calls it `name`.

        Raises:
            LogsError: the file cannot be read, or the format is unknown.
        """
        numbers: list[Numbers] = []
        lines: list[Numbers] = []
        self._files.append((name or str(path), numbers, lines))
        for rows in rows_of(path, format):
            numbers.append(self._miner.add(rows.message))
            lines.append(np.array(rows.line_no, np.int64))
            stated = [ts if origin in STATED else _NEVER for ts, origin in zip(rows.ts, rows.ts_from, strict=True)]
            self._times.append(np.array(stated, np.int64))
            self._errors.append(np.array(rows.level, np.int16) >= ERROR)

    def counts(self) -> list[PatternCount]:
        """All patterns, the most frequent first."""
        patterns, of = self._miner.patterns()
        if not patterns:
            return []
        which = of[np.concatenate([part for _, numbers, _ in self._files for part in numbers])]
        times, errors = np.concatenate(self._times), np.concatenate(self._errors)
        counts = np.bincount(which, minlength=len(patterns))
        failed = np.bincount(which[errors], minlength=len(patterns))
        first = np.full(len(patterns), _NEVER, np.int64)
        last = np.full(len(patterns), -_NEVER, np.int64)
        np.minimum.at(first, which, times)
        dated = times != _NEVER
        np.maximum.at(last, which[dated], times[dated])
        found = [
            PatternCount(
                pattern,
                int(counts[at]),
                int(failed[at]),
                None if first[at] == _NEVER else int(first[at]),
                None if last[at] == -_NEVER else int(last[at]),
            )
            for at, pattern in enumerate(patterns)
        ]
        return sorted(found, key=lambda one: (-one.count, one.pattern.id))

    def lines(self) -> Iterator[tuple[str, int, str]]:
        """For each record in order its file, its line and the id of its pattern."""
        patterns, of = self._miner.patterns()
        for path, numbers, lines in self._files:
            for part, at in zip(numbers, lines, strict=True):
                for number, line_no in zip(of[part].tolist(), at.tolist(), strict=True):
                    yield path, line_no, patterns[number].id
