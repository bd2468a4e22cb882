-- Records of a filter by level.
SELECT level, count(*) AS n FROM log_records
WHERE TRUE
-- :use log_filter
GROUP BY level
