-- Records of a filter by level.
SELECT level, count(*) AS n
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY level
