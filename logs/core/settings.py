"""What can be set about logs, and what is known of each of their sources."""

from dataclasses import dataclass

from logs.core.format_spec import FormatSpec

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where records come from and how fast they are followed.

    Args:
        discover: look for files that processes hold open for writing.
        journal: follow the systemd journal where there is one.
        globs: further files, as patterns of paths (`~` and `**` allowed).
        exclude: patterns of paths that are never read.
        formats: `GLOB=FORMAT`, for files whose format is not to be found out.
        own_formats: the formats that people described, which `formats` may name.
        named: path and source of files that are followed even where `exclude` names them.
        poll_s: how often a file that grows is looked at, seconds.
        scan_s: how often new files are looked for, seconds.
        rest_s: a file that nobody is known to write, and that has not changed for so long, is closed until it changes, seconds.
        big_file_bytes: files that are bigger when they are first seen show their newest records first.
        first_bytes: how much of the end of a big file is shown at once.
        max_record_bytes: a longer line is cut there.
        max_files: how many files are followed at a time.
        chunk_bytes: the older part of a big file is read in such chunks, from its end.
        pool_bytes: from this size on the older part of a file is parsed by several processes.
        piece_bytes: what one of them gets at a time.
    """

    discover: bool = True
    journal: bool = True
    globs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    own_formats: tuple[FormatSpec, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    poll_s: float = 0.1
    scan_s: float = 2.0
    rest_s: float = 10.0
    big_file_bytes: int = 8 * MIB
    first_bytes: int = MIB
    max_record_bytes: int = MIB
    max_files: int = 2000
    chunk_bytes: int = 2 * MIB
    pool_bytes: int = 24 * MIB
    piece_bytes: int = 2 * MIB


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source: where it comes from and how far it is read. Times are µs, sizes bytes; `progress` is 0 to 1, None when all is read.

    `missed_bytes` are known not to be stored: `emptied_bytes` of them since files were emptied before they were read, `rotated_bytes` since they were rotated
    away before, the others of records that are too long. `gaps`: how often files were rotated away and nobody can say whether all of them were read.
    """

    source: str
    kind: str
    path: str | None
    files: int
    size: int | None
    stored_to: int | None
    records: int
    state: str
    progress: float | None
    format: str | None
    found_by: str | None
    error: str | None
    last_ts: int | None
    missed_bytes: int
    emptied_bytes: int
    rotated_bytes: int
    gaps: int
    truncations: int
