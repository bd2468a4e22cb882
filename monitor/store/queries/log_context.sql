-- Neighbours of a record in its file: before it (newest first), or after it with `upward`.
SELECT file_id, pos, line_no, wk_us(ts) AS ts, ts_from, level, source, logger, pid, run, prefix, message, raw, lines, fields, format
-- :include "parts/log_records.sql"
WHERE file_id = $file_id
-- :if upward is given
  AND pos > $pos
ORDER BY pos
-- :else
  AND pos < $pos
ORDER BY pos DESC
-- :endif
LIMIT $limit
