"""`logs parse`: the records of a file, without a store."""

import gzip
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from logs.charset import Charset, charset_of
from logs.errors import LogsError
from logs.formats import Registry
from logs.levels import NAMES
from logs.parser import BlockParser, ReadState, Undated
from logs.times import TimeReader, iso_text

BLOCK: Final = 1 << 20
_MAX_RECORD: Final = 1 << 20


def parse_file(path: Path | str, format: str | None = None) -> Iterator[dict[str, Any]]:  # noqa: A002 - the word of the command line
    """The records of `path` (plain, .gz, .zst), in order: `line_no` from 1, `ts` ISO 8601 or None, `level`, `format`, `pid`, `body`.

    Raises:
        LogsError: the file cannot be read, or the format is unknown.
    """
    path = Path(path)
    registry = Registry()
    forced = registry.named(format) if format is not None else None
    try:
        mtime = path.stat().st_mtime_ns // 1000
        stream = _opened(path)
    except OSError as error:
        raise LogsError(
            f"{path} cannot be read: {error.strerror}", hint="Check the path and its permissions."
        ) from error
    parser = BlockParser(registry, TimeReader(lambda: mtime), _unchanged, forced)
    state = ReadState()
    with stream:
        try:
            for data, base in blocks(stream, parser):
                rows = parser.parse(data, base, state, Undated(mtime, "mtime"))
                yield from (
                    {
                        "line_no": line_no,
                        "ts": iso_text(ts) if origin in {"line", "previous"} else None,
                        "level": NAMES.get(level),
                        "format": name,
                        "pid": pid,
                        "logger": logger,
                        "body": message,
                        "lines": lines,
                    }
                    for line_no, ts, origin, level, name, pid, logger, message, lines in zip(
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
                )
        except (OSError, EOFError) as error:
            raise LogsError(
                f"{path} cannot be read to its end: {error}", hint="The file may be damaged or cut off."
            ) from error


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


def record_boundary(data: bytes, parser: BlockParser) -> int:
    """The offset of the last line in `data` that surely begins a record; 0 when none but the first does."""
    charset = parser.charset
    end = charset.last_end(data)
    for _ in range(10_000):
        start = charset.last_end(data, max(end - 1, 0))
        if start <= 0:
            return 0
        if parser.begins(data[start:end]):
            return start
        end = start
    return 0


def _opened(path: Path) -> BinaryIO:
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
