-- Readings of one run in buckets of $width µs over [$start, $end): least, mean, greatest.
SELECT wk_bucket_us(ts, $width) AS bucket
-- :for metric in metrics | names
    , wk_float(min({{ metric }})) AS {{ metric }}_min, wk_float(avg({{ metric }})) AS {{ metric }}_avg, wk_float(max({{ metric }})) AS {{ metric }}_max
-- :endfor
FROM run_samples
WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1
ORDER BY 1
