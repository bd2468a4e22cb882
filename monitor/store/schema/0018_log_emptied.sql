-- Version 18. Of the bytes of a file that are known to be missed, those with which it was emptied before they were read; the others are of
-- records that are too long to keep.

ALTER TABLE log_files ADD COLUMN emptied_bytes BIGINT;
