-- Times and messages of a filter's records, newest first; with $step above 1, an even part of them: a large prime first, so that no usual rhythm is in step with it.
SELECT wk_us(ts) AS ts, message
-- :include "parts/log_records.sql"
WHERE wk_us(ts) % 999983 % $step = 0
-- :include "parts/log_filter.sql"
ORDER BY log_records.ts DESC, file_id DESC, pos DESC
LIMIT $limit
