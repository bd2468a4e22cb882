-- Readings of one host in `samples`, of each GPU with `gpu`, in buckets of $width µs over [$start, $end): least, mean, greatest. With `tier_1m`
-- or `tier_1h` the coarser rows are read, and what is not yet in them is taken from the raw ones.
WITH rows_in AS (
-- :if tier_1m is given
-- :include "parts/tier_rows.sql"
    FROM {{ samples }}_1m
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($tail) AND ts < wk_ts($end)
    UNION ALL
-- :endif
-- :if tier_1h is given
-- :include "parts/tier_rows.sql"
    FROM {{ samples }}_1h
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($middle) AND ts < wk_ts($end)
    UNION ALL
-- :include "parts/tier_rows.sql"
    FROM {{ samples }}_1m
    WHERE host = $host AND ts >= wk_ts($start) AND ts >= wk_ts($middle) AND ts < wk_ts($tail) AND ts < wk_ts($end)
    UNION ALL
-- :endif
    SELECT ts, 1 AS n
-- :if gpu is given
        , gpu, uuid, name
-- :endif
-- :for metric in metrics | names
        , wk_float({{ metric }}) AS {{ metric }}_lo, wk_float({{ metric }}) AS {{ metric }}_mid, wk_float({{ metric }}) AS {{ metric }}_hi
-- :endfor
    FROM {{ samples }}
    WHERE host = $host AND ts >= wk_ts($start) AND ts >= wk_ts($tail) AND ts < wk_ts($end)
)
SELECT wk_bucket_us(ts, $width) AS bucket
-- :if gpu is given
    , gpu, wk_any(uuid) AS uuid, wk_any(name) AS name
-- :endif
-- :for metric in metrics | names
    , min({{ metric }}_lo) AS {{ metric }}_min
    , sum({{ metric }}_mid * n) / sum(CASE WHEN {{ metric }}_mid IS NOT NULL THEN n END) AS {{ metric }}_avg
    , max({{ metric }}_hi) AS {{ metric }}_max
-- :endfor
FROM rows_in
-- :if gpu is given
GROUP BY 1, 2
ORDER BY 2, 1
-- :else
GROUP BY 1
ORDER BY 1
-- :endif
