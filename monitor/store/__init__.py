"""What the watch remembers. `open_store` opens it; `monitor.store.interface.Store` is what it can do.

`lock` keeps a second agent away, `rows` turns the sampler's frames into rows, `series` answers charts.
"""

from monitor.store.interface import Append, Change, Delete, Store, StoreInfo, Upsert
from monitor.store.lock import DataDirLock
from monitor.store.opening import open_store

__all__ = ["Append", "Change", "DataDirLock", "Delete", "Store", "StoreInfo", "Upsert", "open_store"]
