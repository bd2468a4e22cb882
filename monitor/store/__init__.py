"""The store: samples, runs, events, log records and model calls come in through one writer, tables go out.

`monitor.store.interface.Store` is what any store can do; `monitor.store.duckdb.open_store` opens the one in use.
"""
