-- Records of a filter by level.
SELECT level, count(*) AS n FROM log_records
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY level
