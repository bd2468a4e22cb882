-- How many records a filter has.
SELECT count(*) AS n
-- :include "parts/log_records.sql"
WHERE TRUE
-- :include "parts/log_filter.sql"
