-- Records of a filter by source, most first.
SELECT source, count(*) AS n
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY source ORDER BY n DESC, source LIMIT 1000
