-- Rows of `source` by buckets of $width µs in [$start, $end), for each GPU with `gpu`, for each run with `run`: of every metric its least, mean,
-- greatest and newest value. With `coarser` the source is a tier itself. With `worth` only of the $worth runs that used most CPU time in their
-- lives, and of the $worth largest, in each stretch of $step µs; kernel threads are none of them.
-- :if worth is given
WITH used AS (
    SELECT run, wk_bucket(ts, $step) AS part, max(cpu_user_s + cpu_system_s) AS cpu_s, max(rss) AS rss
    FROM {{ source }}
    WHERE ts >= wk_ts($start) AND ts < wk_ts($end) AND rss > 0
    GROUP BY 1, 2
), ranked AS (
    SELECT
        run, part, row_number() OVER (PARTITION BY part ORDER BY cpu_s DESC, run) AS by_cpu,
        row_number() OVER (PARTITION BY part ORDER BY rss DESC, run) AS by_size
    FROM used
)
-- :endif
SELECT host, wk_bucket(ts, $width) AS ts
-- :if gpu is given
    , gpu, wk_any(uuid) AS uuid, wk_any(name) AS name
-- :endif
-- :if run is given
    , run
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
-- :if worth is given
    AND (run, wk_bucket(ts, $step)) IN (SELECT run, part FROM ranked WHERE by_cpu <= $worth OR by_size <= $worth)
-- :endif
-- :if gpu is given
GROUP BY 1, 2, 3
-- :elif run is given
GROUP BY 1, 2, 3
ORDER BY 3, 2
-- :else
GROUP BY 1, 2
-- :endif
