-- The CPU of some runs in buckets of $width µs over [$start, $end): the greatest reading of each.
SELECT run, wk_bucket_us(ts, $width) AS bucket, wk_float(max(cpu_pct)) AS cpu_pct
FROM run_samples
WHERE wk_in(run, $runs) AND ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1, 2
