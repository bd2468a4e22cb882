-- Readings of one run in buckets of $width µs over [$start, $end): least, mean, greatest.
SELECT wk_bucket_us(ts, $width) AS bucket
-- :each metric
    , wk_float(min({metric})) AS {metric}_min, wk_float(avg({metric})) AS {metric}_avg, wk_float(max({metric})) AS {metric}_max
-- :end
FROM run_samples
WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1
ORDER BY 1
