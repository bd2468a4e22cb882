"""What all readers of files share: where records go, how a file is read, and who writes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from logs.core import fingerprint
from logs.core.errors import StorageError
from logs.core.record import LogRecord
from logs.core.settings import LogSettings
from logs.core.timestamps import TimeReader
from logs.following.attribution import Writers
from logs.following.holders import Holder, holders_of
from logs.following.rotation import Generations
from logs.following.source_names import base_path
from logs.following.tail import Written
from logs.parsing.boundaries import boundary_before
from logs.parsing.charset import Charset
from logs.parsing.chronology import Chronology
from logs.parsing.formats import Registry
from logs.parsing.formats.forced import UNSAID, Forced, ForcedFormats
from logs.parsing.parse import chronology_between
from logs.parsing.parser import BlockParser
from logs.redaction.masker import Masker
from logs.storing.sink import PastWriter, RecordSink, StoredRecords

LEARNED_FROM: Final = 65536
"""Bytes at the beginning of a file that say how it is read."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all readers of files share."""

    host: str
    settings: LogSettings
    sink: RecordSink
    stored: StoredRecords
    now: Callable[[], int]
    mask: Callable[[str], str]
    run_of_pid: Callable[[int], int | None]
    show: Callable[[list[LogRecord]], object]
    registry: Registry
    forced: ForcedFormats
    written_by: Callable[[str], Sequence[Holder] | None] = lambda _path: None
    """Who wrote a file, one after the other, where somebody knows, the same list as long as nothing changes; None else."""
    generations: Callable[[str], Generations | None] = lambda _path: None
    """What whoever rotates a file says of its generations; None where nobody does."""
    masker: Masker | None = None
    """What `mask` does, so that another process can do the same; None when it is some function."""

    def said_of(self, path: str) -> Forced:
        """What a person said about how a file is read; what is said of a file holds for its rotated generations, too."""
        forced = self.forced.of(path)
        return self.forced.of(base_path(path)) if forced is UNSAID else forced

    def live_parser(self, path: str, written: Callable[[], int] | None = None) -> BlockParser:
        """A parser for lines that are being written; `written` says when the file last was (µs), which years and days are guessed from."""
        forced = self.said_of(path)
        return BlockParser(self.registry, TimeReader(written or self.now), self.mask, forced.formats, forced.order)

    def parser_again(self, fd: int, path: str, written: Written, charset: Charset) -> BlockParser:
        """Another parser of a file that is read, which knows how its first lines look. Of a file that cannot be read any more it learns from what still comes."""
        parser = self.live_parser(path, lambda: written.us)
        parser.charset = charset
        try:
            head = fingerprint.read_at(fd, LEARNED_FROM, 0)
        except OSError:
            return parser
        if not parser.settled and b"\n" in head:
            parser.learn(head)
        return parser

    def newest_part(self, fd: int, path: str, size: int) -> tuple[int, str | None]:
        """Where the newest part of a big file begins, bytes: at a record; and how the file is read, where that is decided."""
        parser = self.live_parser(path)
        parser.learn(fingerprint.read_at(fd, LEARNED_FROM, 0))
        return boundary_before(fd, parser, size, 0, self.settings.first_bytes), parser.decided

    def chronology(self, fd: int, mtime: int, path: str, begin: int, like: BlockParser) -> Chronology | None:
        """On which days a file that is read `like` this was written from `begin` on, where its times do not say it; None where they do."""
        forced = self.said_of(path)
        parser = BlockParser(self.registry, TimeReader(lambda: mtime), str, forced.formats, forced.order)
        parser.charset = like.charset
        parser.take(like.shape)
        return chronology_between(fd, begin, parser, mtime)

    def writers(self, path: str, key: tuple[int, int], past: PastWriter | None) -> Writers:
        """Who writes a file, by its path and its `(device, inode)`: who is said to, else who holds it open."""

        def look(writers: Writers) -> bool:
            writers.update(holders_of(*key, self.run_of_pid))
            return False

        if self.written_by(path) is None:
            return Writers(self.run_of_pid, self.now, look, past, key=key)
        return Writers(self.run_of_pid, self.now, None, past, said=lambda: self.written_by(path), key=key)

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until what was read so far is stored, so that the states of files are what they will be.

        Raises:
            StorageError: the store does not take it in time.
        """
        if not self.sink.flush(timeout_s):
            raise StorageError(
                self.sink.error or "The store did not take the records in time.", hint="See `watchkeeper status`."
            )
