-- Errors, and the fatal ones of them, by buckets of $width µs since a time.
SELECT wk_bucket_us(ts, $width) AS bucket, count(*) AS n, count(*) FILTER (WHERE level >= 50) AS fatal FROM log_records WHERE level >= 40 AND ts >= wk_ts($since) AND ts < wk_ts($until) GROUP BY bucket
