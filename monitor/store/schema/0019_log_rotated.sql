-- Version 19. Of the bytes of a log that are known to be missed, those that were rotated away before they were read; how often it is not known how
-- much went so; where in its log a file begins, and up to where what was rotated away is counted.

ALTER TABLE log_files ADD COLUMN rotated_bytes BIGINT;
ALTER TABLE log_files ADD COLUMN gaps BIGINT;
ALTER TABLE log_files ADD COLUMN begins_at BIGINT;
ALTER TABLE log_files ADD COLUMN told_to BIGINT;
