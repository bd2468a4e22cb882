-- Records of a filter by template and source.
SELECT coalesce(template_id, -1) AS number, source, count(*) AS n
FROM log_records
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY number, source
