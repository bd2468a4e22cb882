-- Records of a filter by template, level and buckets of $width µs (`source` is NULL), and by template and source: in one look at the records, whose text costs
-- most. -1: stored before there were patterns.
SELECT coalesce(template_id, -1) AS number, level, wk_bucket_us(ts, $width) AS bucket, source, count(*) AS n, wk_us(min(ts)) AS first, wk_us(max(ts)) AS last
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY GROUPING SETS ((number, level, bucket), (number, source))
