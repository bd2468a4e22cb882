"""How far each file is read: stored in the same transaction as the records."""

from dataclasses import dataclass
from typing import Final

LIVE: Final = "live"
BACKFILLING: Final = "backfilling"
DONE: Final = "done"
GONE: Final = "gone"
ERROR: Final = "error"


@dataclass(slots=True)
class FileState:
    """One generation of one file (a truncation begins a new one).

    `missed_bytes` were certainly not stored: `emptied_bytes` of them went when the file was emptied, `rotated_bytes` when it or others of its log went away
    before they were read; the others are of records that are too long to keep. `gaps`: how often nobody can say how much went so.

    `begins_at`: bytes of its log that were written before its first one, where whoever rotates it says so. `told_to`: up to where in the log all that was
    rotated away unread is counted.

    `reading` says how its lines are taken apart (`BlockParser.decided`), None until that is decided.

    Bytes `[backfill_to, backfill_from)` still wait for the backfill; from there to `stored_to` everything is stored. `marker_hash` is of the bytes before `stored_to`.
    """

    file_id: int
    source: str
    path: str
    dev: int
    inode: int
    head_hash: str | None = None
    head_len: int = 0
    marker_hash: str | None = None
    format: str | None = None
    state: str = LIVE
    generation: int = 0
    size: int = 0
    stored_to: int = 0
    backfill_from: int = 0
    backfill_to: int = 0
    lines: int = 0
    records: int = 0
    bytes: int = 0
    truncations: int = 0
    missed_bytes: int = 0
    emptied_bytes: int = 0
    rotated_bytes: int = 0
    gaps: int = 0
    begins_at: int | None = None
    told_to: int | None = None
    error: str | None = None
    reading: str | None = None
    first_seen: int = 0
    updated: int = 0

    @property
    def waiting(self) -> int:
        """Bytes that the backfill has still to read."""
        return self.backfill_from - self.backfill_to
