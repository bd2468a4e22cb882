"""How the files of a source are read: what their readers learned, shown with lines that stand in the files now."""

import os
from collections.abc import Callable, Iterable
from typing import Final

from logs.core import fingerprint
from logs.core.reading import FileReading, Reading
from logs.following.surroundings import LEARNED_FROM, Surroundings
from logs.following.tail import FileTail
from logs.parsing.charset import HEAD, charset_of
from logs.parsing.parser import BlockParser
from logs.parsing.reading import reading_of
from logs.storing.checkpoint import FileState

_LOOKED_AT: Final = 1 << 16
"""Bytes at the end of a file whose lines are shown."""
_MOST: Final = 20


def file_readings(
    around: Surroundings, states: Iterable[FileState], tails: Iterable[FileTail], base_of: Callable[[str], str]
) -> list[FileReading]:
    """Of each of these files, those that are followed first; of those that are not, only the newest where none is. `base_of` says which log a path is a form of."""
    live = {tail.state.file_id: tail for tail in tails}
    known = sorted(states, key=lambda state: (state.file_id in live, state.first_seen), reverse=True)
    chosen = [state for state in known if state.file_id in live][:_MOST] or known[:1]
    return [_file_reading(around, state, live.get(state.file_id), base_of) for state in chosen]


def _file_reading(
    around: Surroundings, state: FileState, tail: FileTail | None, base_of: Callable[[str], str]
) -> FileReading:
    path = tail.path if tail is not None else state.path
    try:
        reading, error = _read(around, state, path, tail), None
    except OSError as failed:
        reading, error = None, f"{path} cannot be read: {failed.strerror}."
    return FileReading(path, base_of(path), tail is not None, around.said_of(path).line, reading, error)


def _read(around: Surroundings, state: FileState, path: str, tail: FileTail | None) -> Reading:
    """With a parser of its own: the one that follows the file belongs to another thread.

    Raises:
        OSError: the file cannot be read.
    """
    fd = fingerprint.open_regular(path)
    try:
        status = os.fstat(fd)
        parser = around.live_parser(path, lambda: status.st_mtime_ns // 1000)
        parser.charset = charset_of(fingerprint.read_at(fd, HEAD, 0))
        if tail is not None and tail.parser.settled:
            parser.take(tail.parser.shape)
        elif state.reading:
            parser.go_on(state.reading)
        head = fingerprint.read_at(fd, LEARNED_FROM, 0)
        if not parser.settled and head:
            parser.learn(head)
        begin = max(0, status.st_size - _LOOKED_AT)
        return reading_of(parser, _whole_lines(fingerprint.read_at(fd, _LOOKED_AT, begin), parser, begin))
    finally:
        os.close(fd)


def _whole_lines(data: bytes, parser: BlockParser, begin: int) -> bytes:
    charset = parser.charset
    first = charset.first_end(data) if begin else 0
    return data[first : charset.last_end(data) or len(data)]
