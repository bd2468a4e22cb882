-- The oldest and newest time of a filter, microseconds.
SELECT min(wk_us(ts)) AS oldest, max(wk_us(ts)) AS newest, count(*) AS n
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
