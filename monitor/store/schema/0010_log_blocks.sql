-- Version 10. Records of a log belong to blocks of about as many rows as a row group has, so that a search can pass over those whose texts do not have what it looks for.

-- 0: stored before there were blocks; the writer numbers these rows when nothing waits.
ALTER TABLE log_records ADD COLUMN block BIGINT DEFAULT 0;
-- The filter of a block that gets no more rows (`logs/index/grams.py`). It follows from the rows: where it is missing, the block is read. Numbers are never used again.
CREATE TABLE log_blocks (block BIGINT NOT NULL, scheme INTEGER NOT NULL, checksum BIGINT NOT NULL, bits BLOB NOT NULL);
