-- Fields of the newest records of each source since a time, as JSON text.
SELECT fields
FROM (
    SELECT fields, row_number() OVER (PARTITION BY source ORDER BY ts DESC) AS nth
    FROM log_records
    WHERE fields IS NOT NULL AND ts >= wk_ts($since)
) AS newest
WHERE nth <= $each
LIMIT $limit
