-- How many records a filter has.
SELECT count(*) AS n FROM log_records
WHERE TRUE
-- :include "parts/log_filter.sql"
