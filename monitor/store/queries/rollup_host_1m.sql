-- host_samples by the minute, for the minutes in [$start, $end).
SELECT host, wk_bucket(ts, 60000000) AS ts, wk_int(count(*)) AS n
-- :each metric
    , min({metric}) AS {metric}_min, avg({metric}) AS {metric}_avg, max({metric}) AS {metric}_max
    , wk_last({metric}, ts) AS {metric}_last
-- :end
FROM host_samples
WHERE ts >= wk_ts($start) AND ts < wk_ts($end)
GROUP BY 1, 2
