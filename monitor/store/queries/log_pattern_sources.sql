-- Records of a filter by template and source.
SELECT coalesce(template_id, -1) AS number, source, count(*) AS n
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
GROUP BY number, source
