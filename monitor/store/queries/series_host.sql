-- Readings of one host in buckets of $width µs over [$start, $end): least, mean, greatest. Tier `minute` or `hour`
-- reads the coarser rows, with what is not yet in them taken from the raw ones.
WITH rows_in AS (
-- :if tier_1m
    SELECT ts, n
-- :each metric
        , wk_float({metric}_min) AS {metric}_lo, wk_float({metric}_avg) AS {metric}_mid, wk_float({metric}_max) AS {metric}_hi
-- :end
    FROM host_samples_1m
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($tail) AND ts < wk_ts($end)
    UNION ALL
-- :end
-- :if tier_1h
    SELECT ts, n
-- :each metric
        , wk_float({metric}_min) AS {metric}_lo, wk_float({metric}_avg) AS {metric}_mid, wk_float({metric}_max) AS {metric}_hi
-- :end
    FROM host_samples_1h
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($middle) AND ts < wk_ts($end)
    UNION ALL
    SELECT ts, n
-- :each metric
        , wk_float({metric}_min) AS {metric}_lo, wk_float({metric}_avg) AS {metric}_mid, wk_float({metric}_max) AS {metric}_hi
-- :end
    FROM host_samples_1m
    WHERE host = $host AND ts >= wk_ts($start) AND ts >= wk_ts($middle) AND ts < wk_ts($tail) AND ts < wk_ts($end)
    UNION ALL
-- :end
    SELECT ts, 1 AS n
-- :each metric
        , wk_float({metric}) AS {metric}_lo, wk_float({metric}) AS {metric}_mid, wk_float({metric}) AS {metric}_hi
-- :end
    FROM host_samples
    WHERE host = $host AND ts >= wk_ts($start) AND ts >= wk_ts($tail) AND ts < wk_ts($end)
)
SELECT wk_bucket_us(ts, $width) AS bucket
-- :each metric
    , min({metric}_lo) AS {metric}_min
    , sum({metric}_mid * n) / sum(CASE WHEN {metric}_mid IS NOT NULL THEN n END) AS {metric}_avg
    , max({metric}_hi) AS {metric}_max
-- :end
FROM rows_in
GROUP BY 1
ORDER BY 1
