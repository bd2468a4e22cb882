"""`logs parse`: the records of a file, without a store."""

import gzip
import io
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec
from logs.core.levels import NAMES
from logs.core.timestamps import TimeReader, iso_text
from logs.parsing.boundaries import record_boundary
from logs.parsing.charset import UTF8, Charset, charset_of
from logs.parsing.chronology import Chronology, Stamps, local_offset
from logs.parsing.formats import Registry
from logs.parsing.parser import BlockParser, ReadState, Undated
from logs.parsing.rows import Rows

BLOCK: Final = 1 << 20
STATED: Final = frozenset({"line", "start", "previous"})
"""Where a time comes from that stands in the file."""
_MAX_RECORD: Final = 1 << 20
_SEARCHED: Final = 64 << 20
"""Bytes that are looked through for midnights and New Years."""


def parse_file(
    path: Path | str,
    format: str | None = None,  # noqa: A002 - the word of the command line
    own: Sequence[FormatSpec] = (),
) -> Iterator[dict[str, Any]]:
    """The records of `path` (plain, .gz, .zst), in order: `line_no` from 1, `ts` ISO 8601 or None, `level`, `format`, `pid`, `body`.

    `format` forces a format; it may be one of `own`, which people described.

    Raises:
        LogsError: the file cannot be read, or the format is unknown.
    """
    for rows in rows_of(path, format, own):
        yield from _records(rows)


def parse_text(data: bytes, mask: Callable[[str], str] = str) -> Iterator[dict[str, Any]]:
    """The records of a piece of text, as those of `parse_file`; it is to begin where a line begins.

    Args:
        data: the text.
        mask: hides secrets in a text.
    """
    now = time.time_ns() // 1000
    parser = BlockParser(Registry(), TimeReader(lambda: now), mask)
    state = ReadState()
    for block, base in blocks(io.BytesIO(data), parser):
        yield from _records(parser.parse(block, base, state, Undated(now, "ingest")))


def _records(rows: Rows) -> Iterator[dict[str, Any]]:
    columns = zip(
        rows.line_no,
        rows.ts,
        rows.ts_from,
        rows.level,
        rows.format,
        rows.pid,
        rows.logger,
        rows.message,
        rows.lines,
        strict=True,
    )
    for line_no, ts, origin, level, name, pid, logger, message, lines in columns:
        yield {
            "line_no": line_no,
            "ts": iso_text(ts) if origin in STATED else None,
            "level": NAMES.get(level),
            "format": name,
            "pid": pid,
            "logger": logger,
            "body": message,
            "lines": lines,
        }


def rows_of(path: Path | str, format: str | None = None, own: Sequence[FormatSpec] = ()) -> Iterator[Rows]:  # noqa: A002 - as above
    """The same records as columns, about a megabyte of text at a time.

    Raises:
        LogsError: the file cannot be read, or the format is unknown.
    """
    path = Path(path)
    registry = Registry(own)
    forced = registry.named(format) if format is not None else None
    try:
        mtime = path.stat().st_mtime_ns // 1000
        stream = opened(path)
    except OSError as error:
        raise LogsError(
            f"{path} cannot be read: {error.strerror}", hint="Check the path and its permissions."
        ) from error
    parser = BlockParser(registry, TimeReader(lambda: mtime), _unchanged, forced)
    ahead = BlockParser(registry, TimeReader(lambda: mtime), _unchanged, forced)
    parser.chronology = _chronology(path, ahead, mtime)
    if ahead.decided is not None:
        parser.go_on(ahead.decided)  # learned once
    state = ReadState()
    with stream:
        try:
            for data, base in blocks(stream, parser):
                yield parser.parse(data, base, state, Undated(mtime, "mtime"))
        except (OSError, EOFError) as error:
            raise LogsError(
                f"{path} cannot be read to its end: {error}", hint="The file may be damaged or cut off."
            ) from error


def _chronology(path: Path, parser: BlockParser, mtime: int) -> Chronology | None:
    """What the whole file says about its times; None where that is nothing more than its lines do. A file that cannot be read says nothing here."""
    stamps: Stamps | None = None
    parser.counts = True
    try:
        with opened(path) as stream:
            state = ReadState()
            for data, base in blocks(stream, parser):
                rows = parser.parse(data, base, state, Undated(mtime, "mtime"))
                stamps = stamps or Stamps(parser.lacks)
                stamps.add(rows)
                if not parser.lacks and not local_offset(mtime):
                    return None
    except (OSError, EOFError, LogsError):
        return None
    return stamps.chronology(mtime) if stamps is not None else None


def chronology_between(fd: int, begin: int, parser: BlockParser, mtime: int) -> Chronology | None:
    """What a part of an open file, from `begin` to its end, says about the days (or years) of its times; None where that is nothing.

    `parser` reads it by itself, and must know how. A file whose times say all is not read, nor is a part so big that few would wait for it.
    """
    if not parser.lacks or not parser.settled or parser.charset is not UTF8 or os.fstat(fd).st_size - begin > _SEARCHED:
        return None
    parser.counts = True
    stamps, state, end = Stamps(parser.lacks), ReadState(), os.fstat(fd).st_size
    with os.fdopen(os.dup(fd), "rb") as stream:
        stream.seek(begin)
        for data, base in blocks(stream, parser):
            stamps.add(parser.parse(data, begin + base, state, Undated(mtime, "mtime")))
    return stamps.chronology(mtime, end, zones=False)


def blocks(stream: BinaryIO, parser: BlockParser) -> Iterator[tuple[bytes, int]]:
    """Cut a stream into blocks that end where a record ends; a line longer than 1 MiB is cut there, the rest of it skipped."""
    base, held, ended = 0, b"", False
    while not ended:
        data = stream.read(BLOCK)
        ended = not data
        if base == 0 and not held:
            parser.charset = charset_of(data)
        held += data
        if not parser.settled and held:
            parser.learn(held[:65536])
        if ended:
            if held:
                yield held, base
            return
        cut = record_boundary(held, parser)
        if cut:
            yield held[:cut], base
            base, held = base + cut, held[cut:]
        elif len(held) > 4 * _MAX_RECORD:
            end = parser.charset.last_end(held)
            if end:
                yield held[:end], base
                base, held = base + end, held[end:]
            else:
                yield held[:_MAX_RECORD], base
                base, held = base + len(held), held[:0]
                base, held = _skip_line(stream, base, parser.charset)


def _skip_line(stream: BinaryIO, base: int, charset: Charset) -> tuple[int, bytes]:
    while data := stream.read(BLOCK):
        end = charset.first_end(data)
        if end:
            return base + end, data[end:]
        base += len(data)
    return base, b""


def opened(path: Path) -> BinaryIO:
    """A file's text as bytes, unpacked where it is packed.

    Raises:
        OSError: it cannot be read.
        LogsError: it is no file, or cannot be unpacked.
    """
    if not path.is_file():
        raise LogsError(f"{path} is not a file", hint="Give the path of a log file.")
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return io.BytesIO(_unzstd(path))
    return path.open("rb")


def _unzstd(path: Path) -> bytes:
    try:
        return subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True, timeout=600).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise LogsError(f"{path} cannot be unpacked", hint="Install zstd, or unpack the file first.") from error


def _unchanged(text: str) -> str:
    return text
