-- Version 12. Older log records as Parquet files beside the store (`monitor/store/duckdb/log_archive.py`).

-- The files that hold records; a record is in one of them or in `log_records`. A file that is not named here holds nothing.
CREATE TABLE log_archive (
    name TEXT NOT NULL, first_ts TIMESTAMP NOT NULL, last_ts TIMESTAMP NOT NULL, records BIGINT NOT NULL, bytes BIGINT NOT NULL
);
-- Part of the names of this store's files: after a damaged store was set aside, the new one takes over those of the old one.
CREATE TABLE log_archive_key AS SELECT substr(replace(CAST(uuid() AS TEXT), '-', ''), 1, 12) AS key;
