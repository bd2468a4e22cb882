-- Positions of a file's records at or behind one, and their times, µs: what a restart may find stored ahead of the checkpoint.
SELECT pos, wk_us(ts) AS ts FROM log_records WHERE file_id = $file_id AND pos >= $pos ORDER BY pos LIMIT 1000
