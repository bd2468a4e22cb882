-- Where the tiers of a host's readings in `samples` begin and end, µs: raw rows, minutes, hours. Each table is read once.
SELECT raw_first, raw_last, minute_first, minute_last, hour_first, hour_last
FROM (SELECT wk_us(min(ts)) AS raw_first, wk_us(max(ts)) AS raw_last FROM {{ samples }} WHERE host = $host) AS raw
CROSS JOIN (
    SELECT wk_us(min(ts)) AS minute_first, wk_us(max(ts)) AS minute_last FROM {{ samples }}_1m WHERE host = $host
) AS minutes
CROSS JOIN (
    SELECT wk_us(min(ts)) AS hour_first, wk_us(max(ts)) AS hour_last FROM {{ samples }}_1h WHERE host = $host
) AS hours
