-- Records of a filter by source, most first.
SELECT source, count(*) AS n FROM log_records
WHERE TRUE
-- :use log_filter
GROUP BY source ORDER BY n DESC, source LIMIT 1000
