-- Positions of a file's records at or behind one: what a restart may find stored ahead of the checkpoint.
SELECT pos FROM log_records WHERE file_id = $file_id AND pos >= $pos ORDER BY pos LIMIT 1000
