-- Records of $level and above whose source has $of in its name, in buckets of $width µs over [$start, $end).
SELECT wk_bucket_us(ts, $width) AS bucket, count(*) AS n
FROM log_records
WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end) AND level >= $level AND wk_icontains(source, $of)
GROUP BY 1
ORDER BY 1
