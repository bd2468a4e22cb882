-- Rows of `source` by buckets of $width µs in [$start, $end), for each GPU with `gpu`: of every metric its least, mean, greatest and newest
-- value. With `coarser` the source is a tier itself.
SELECT host, wk_bucket(ts, $width) AS ts
-- :if gpu is given
    , gpu, wk_any(uuid) AS uuid, wk_any(name) AS name
-- :endif
-- :if coarser is given
    , wk_int(sum(n)) AS n
-- :for metric in metrics | names
    , min({{ metric }}_min) AS {{ metric }}_min
    , sum({{ metric }}_avg * n) / sum(CASE WHEN {{ metric }}_avg IS NOT NULL THEN n END) AS {{ metric }}_avg
    , max({{ metric }}_max) AS {{ metric }}_max, wk_last({{ metric }}_last, ts) AS {{ metric }}_last
-- :endfor
-- :else
    , wk_int(count(*)) AS n
-- :for metric in metrics | names
    , min({{ metric }}) AS {{ metric }}_min, avg({{ metric }}) AS {{ metric }}_avg, max({{ metric }}) AS {{ metric }}_max
    , wk_last({{ metric }}, ts) AS {{ metric }}_last
-- :endfor
-- :endif
FROM {{ source }}
WHERE ts >= wk_ts($start) AND ts < wk_ts($end)
-- :if gpu is given
GROUP BY 1, 2, 3
-- :else
GROUP BY 1, 2
-- :endif
