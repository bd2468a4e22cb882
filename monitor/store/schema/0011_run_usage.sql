-- Version 11. What a run read and wrote in its life, bytes; NULL where nobody told.

ALTER TABLE runs ADD COLUMN read_bytes BIGINT;
ALTER TABLE runs ADD COLUMN write_bytes BIGINT;
