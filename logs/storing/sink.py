"""What `logs` needs of a store, as protocols of its own: somewhere to put records, and someone who knows what is stored.

Both raise `StorageError` where they can fail; `put`, `room` and `lacking` never wait.
"""

from dataclasses import dataclass
from typing import Protocol

from logs.storing.checkpoint import FileState
from logs.storing.delivery import Delivery


@dataclass(frozen=True, slots=True)
class PastWriter:
    """The run that wrote a file until its reader stopped. It may have ended meanwhile: lines up to `until` (µs) can be its own."""

    run: int
    pid: int | None
    until: int


class RecordSink(Protocol):
    """Takes deliveries in order and stores each with the checkpoint of its file, in one transaction: a crash loses nothing and repeats nothing."""

    @property
    def error(self) -> str | None:
        """Why records cannot be stored now; None when they can."""
        ...

    def put(self, delivery: Delivery) -> None:
        """Take a delivery over."""
        ...

    def room(self) -> bool:
        """Whether readers may go on reading."""
        ...

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is room; False when there is still none."""
        ...

    def lacking(self) -> int:
        """How many rows of old files would make a batch that the store takes at once: a good place to cut."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put so far is stored; False when it takes longer."""
        ...


class StoredRecords(Protocol):
    """What is stored already.

    Raises:
        StorageError: any of these, when the store cannot be asked.
    """

    def files(self) -> list[FileState]:
        """How far each file of this host is read."""
        ...

    def sources(self) -> dict[str, str]:
        """The sources of this host, each with how it was found."""
        ...

    def positions_behind(self, file_id: int, position: int) -> list[int]:
        """Positions of a file's records at or behind `position`, ascending."""
        ...

    def time_at(self, file_id: int, position: int) -> int | None:
        """The time of a file's record at `position`, µs; None where there is none."""
        ...

    def unnumbered(self, file_id: int) -> list[int]:
        """Positions of a file's records without a line number, ascending."""
        ...

    def past_writer(self, file_id: int, position: int) -> PastWriter | None:
        """Who wrote the newest records before `position`; None where it was nobody known, or more than one."""
        ...

    def files_of_run(self, run: int) -> list[int]:
        """The ids of the files that hold records of a run."""
        ...
