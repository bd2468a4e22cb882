-- Errors by buckets of $width µs since a time.
SELECT wk_bucket_us(ts, $width) AS bucket, count(*) AS n FROM log_records WHERE level >= 40 AND ts >= wk_ts($since) AND ts < wk_ts($until) GROUP BY bucket
