"""What the settings say of the store: how it is opened, what may change while it is open, and that its limits are kept."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from monitor.config.sections import StoreSettings
from monitor.store.duckdb import open_store
from monitor.store.interface import ArchiveRule, Store

log = logging.getLogger("watchkeeper.agent")
MIB: Final = 1024 * 1024
_LIMITS: Final = ("limit_mb", "raw_days", "log_days", "older_logs", "archive_mb", "archive_days")
"""Settings of the store that take effect without a restart where it is adjustable."""


@runtime_checkable
class Adjustable(Protocol):
    """A store whose limits can change while it is open."""

    def set_limits(self, *, limit_bytes: int, raw_days: float, log_days: float, archive: ArchiveRule) -> None:
        """Use these limits from now on."""
        ...


def opened(data_dir: Path, keep: StoreSettings, now: Callable[[], int], app_version: str) -> Store:
    """The store of a data directory, by the settings.

    Raises:
        StoreError: it cannot be used.
    """
    return open_store(
        data_dir,
        limit_bytes=keep.limit_mb * MIB,
        memory_limit_mb=keep.memory_limit_mb,
        now=now,
        raw_days=keep.raw_days,
        log_days=keep.log_days,
        archive=_archive_rule(keep),
        app_version=app_version,
    )


def changed(store: Store, before: StoreSettings, after: StoreSettings) -> list[str]:
    """Use new limits from now on; answers the settings that need a restart for it."""
    if isinstance(store, Adjustable):
        store.set_limits(
            limit_bytes=after.limit_mb * MIB,
            raw_days=after.raw_days,
            log_days=after.log_days,
            archive=_archive_rule(after),
        )
        return []
    return [f"store.{name}" for name in _LIMITS if getattr(before, name) != getattr(after, name)]


def enforce(store: Store) -> None:
    """Remove what the limits no longer allow."""
    removed = store.enforce_limit()
    if removed:
        log.info("%d old rows were removed", removed)


def _archive_rule(keep: StoreSettings) -> ArchiveRule:
    """What becomes of older log records."""
    return ArchiveRule(keep=keep.older_logs == "archive", limit_bytes=keep.archive_mb * MIB, days=keep.archive_days)
