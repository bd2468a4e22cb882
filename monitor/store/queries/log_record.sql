-- One record by its identity.
SELECT file_id, pos, line_no, wk_us(ts) AS ts, ts_from, level, source, logger, pid, run, prefix, message, raw, lines, fields, format
-- :include "parts/log_records.sql"
WHERE file_id = $file_id AND pos = $pos
LIMIT 1
