-- Fields of the newest records of each source since a time, as JSON text; of records without fields, the line that may be one of an access log.
SELECT fields, CASE WHEN fields IS NULL THEN line END AS line
FROM (
    SELECT fields, line, row_number() OVER (PARTITION BY source ORDER BY ts DESC) AS nth
    FROM (
        SELECT fields, concat(prefix, message) AS line, source, ts
        FROM log_records
        WHERE ts >= wk_ts($since)
          AND (fields IS NOT NULL OR wk_contains(message, ' HTTP/') OR wk_contains(prefix, '[GIN] ') OR format IN ('access', 'uwsgi', 'w3c'))
    ) AS named
) AS newest
WHERE nth <= $each
LIMIT $limit
