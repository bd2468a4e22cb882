-- Readings of disks, network interfaces or temperatures (`$kind`) in buckets of $width µs over [$start, $end).
SELECT wk_bucket_us(ts, $width) AS bucket, name
-- :each metric
    , wk_float(min({metric})) AS {metric}_min, wk_float(avg({metric})) AS {metric}_avg, wk_float(max({metric})) AS {metric}_max
-- :end
FROM device_samples
WHERE host = $host AND kind = $kind AND ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1, 2
ORDER BY 2, 1
