-- The records of a log file from a position on, in order: those that are final, and what was read before $settled.
SELECT pos, wk_us(ts) AS at, run, message
FROM log_records
WHERE file_id = $file_id AND pos >= $start AND (pos < $stop OR ingested <= wk_ts($settled))
ORDER BY pos
LIMIT $limit
