-- The newest record of each source since a time.
SELECT source, wk_us(max(ts)) AS last_ts FROM log_records WHERE ts >= wk_ts($since) GROUP BY source
