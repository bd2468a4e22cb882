-- Where the tiers of a host's GPU readings begin and end, µs: raw rows, minutes, hours.
SELECT
    (SELECT wk_us(min(ts)) FROM gpu_samples WHERE host = $host) AS raw_first,
    (SELECT wk_us(max(ts)) FROM gpu_samples WHERE host = $host) AS raw_last,
    (SELECT wk_us(min(ts)) FROM gpu_samples_1m WHERE host = $host) AS minute_first,
    (SELECT wk_us(max(ts)) FROM gpu_samples_1m WHERE host = $host) AS minute_last,
    (SELECT wk_us(min(ts)) FROM gpu_samples_1h WHERE host = $host) AS hour_first,
    (SELECT wk_us(max(ts)) FROM gpu_samples_1h WHERE host = $host) AS hour_last
