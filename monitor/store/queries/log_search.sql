-- Records of a filter, newest first (oldest first with `upward`), before or after a cursor (cursor_ts, cursor_file, cursor_pos).
SELECT file_id, pos, line_no, wk_us(ts) AS ts, ts_from, level, source, logger, pid, run, prefix, message, raw, lines, fields, format
FROM log_records
WHERE TRUE
-- :use log_filter
-- :if cursor_ts
-- :if upward
  AND (ts > wk_ts($cursor_ts) OR (ts = wk_ts($cursor_ts) AND (file_id > $cursor_file OR (file_id = $cursor_file AND pos > $cursor_pos))))
-- :else
  AND (ts < wk_ts($cursor_ts) OR (ts = wk_ts($cursor_ts) AND (file_id < $cursor_file OR (file_id = $cursor_file AND pos < $cursor_pos))))
-- :end
-- :end
-- :if upward
ORDER BY log_records.ts, file_id, pos
-- :else
ORDER BY log_records.ts DESC, file_id DESC, pos DESC
-- :end
LIMIT $limit
