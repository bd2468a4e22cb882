-- The memory of each process in buckets of $width µs over [$start, $end), in order of time.
SELECT wk_bucket_us(ts, $width) AS bucket, run, wk_int(avg(rss)) AS rss
FROM run_samples
WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end) AND rss IS NOT NULL
GROUP BY 1, 2
ORDER BY 1
