"""The store on DuckDB, in one file. Changes and named queries come in, Arrow tables go out."""

from monitor.store.duckdb.opening import open_store

__all__ = ["open_store"]
