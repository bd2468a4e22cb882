-- host_samples_1m by the hour, for the hours in [$start, $end).
SELECT host, wk_bucket(ts, 3600000000) AS ts, wk_int(sum(n)) AS n
-- :each metric
    , min({metric}_min) AS {metric}_min
    , sum({metric}_avg * n) / sum(CASE WHEN {metric}_avg IS NOT NULL THEN n END) AS {metric}_avg
    , max({metric}_max) AS {metric}_max, wk_last({metric}_last, ts) AS {metric}_last
-- :end
FROM host_samples_1m
WHERE ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1, 2
