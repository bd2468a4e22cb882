"""What can be set about logs."""

from dataclasses import dataclass

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
        poll_s: how often a file that grows is looked at, seconds.
        scan_s: how often new files are looked for, seconds.
        commit_s: how long records wait to be stored together, seconds.
        big_file_bytes: files that are bigger when they are first seen show their newest records first.
        first_bytes: how much of the end of a big file is shown at once.
        max_record_bytes: a longer line is cut there.
        max_files: how many files are followed at a time.
    """

    discover: bool = True
    journal: bool = True
    globs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    poll_s: float = 0.1
    scan_s: float = 2.0
    commit_s: float = 0.25
    big_file_bytes: int = 8 * MIB
    first_bytes: int = MIB
    max_record_bytes: int = MIB
    max_files: int = 2000
