-- Records of a filter, newest first (oldest first with `upward`), before or after a cursor (cursor_ts, cursor_file, cursor_pos). Which they are is found
-- first, from the columns that this needs; only those rows are read whole. The archive's files have no such numbers of rows.
SELECT file_id, pos, line_no, wk_us(ts) AS ts, ts_from, level, source, logger, pid, run, prefix, message, raw, lines, fields, format
-- :include "parts/log_records.sql"
-- :if archived is given and not stored_only
WHERE TRUE
-- :else
WHERE rowid IN (SELECT rowid FROM log_records WHERE TRUE
-- :endif
-- :include "parts/log_filter.sql"
-- :if cursor_ts is given
-- :if upward is given
  AND (ts > wk_ts($cursor_ts) OR (ts = wk_ts($cursor_ts) AND (file_id > $cursor_file OR (file_id = $cursor_file AND pos > $cursor_pos))))
-- :else
  AND (ts < wk_ts($cursor_ts) OR (ts = wk_ts($cursor_ts) AND (file_id < $cursor_file OR (file_id = $cursor_file AND pos < $cursor_pos))))
-- :endif
-- :endif
-- :if archived is given and not stored_only
-- :else
-- :if upward is given
ORDER BY log_records.ts, file_id, pos
-- :else
ORDER BY log_records.ts DESC, file_id DESC, pos DESC
-- :endif
LIMIT $limit)
-- :endif
-- :if upward is given
ORDER BY log_records.ts, file_id, pos
-- :else
ORDER BY log_records.ts DESC, file_id DESC, pos DESC
-- :endif
LIMIT $limit
