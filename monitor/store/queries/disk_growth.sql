-- What is free on each file system in buckets of $width µs over [$start, $end), in order of time.
SELECT mount, wk_bucket_us(ts, $width) AS bucket, wk_int(avg(free)) AS free, wk_int(avg(used)) AS used, max(total) AS total
FROM disk_space
WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1, 2
ORDER BY 1, 2
