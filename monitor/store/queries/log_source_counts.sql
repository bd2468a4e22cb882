-- Records of a filter by source, most first.
SELECT source, count(*) AS n FROM log_records
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY source ORDER BY n DESC, source LIMIT 1000
