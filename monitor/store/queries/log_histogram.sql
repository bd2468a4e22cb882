-- Records of a filter by time and level.
SELECT wk_bucket_us(ts, $width) AS bucket, level, count(*) AS n
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY bucket, level
