-- The readings of a host at $at µs: those of the newest row at or before it that holds it, from the finest tier that has one. `width` is
-- how long the row stands for, µs; a single sample stands for up to $far µs.
WITH found AS (
    SELECT 0 AS width, ts
-- :for metric in metrics | names
        , wk_float({{ metric }}) AS {{ metric }}
-- :endfor
    FROM host_samples
    WHERE host = $host AND ts > wk_ts($at - $far) AND ts <= wk_ts($at)
    UNION ALL
    SELECT 60000000 AS width, ts
-- :for metric in metrics | names
        , wk_float({{ metric }}_avg) AS {{ metric }}
-- :endfor
    FROM host_samples_1m
    WHERE host = $host AND ts > wk_ts($at - 60000000) AND ts <= wk_ts($at)
    UNION ALL
    SELECT 3600000000 AS width, ts
-- :for metric in metrics | names
        , wk_float({{ metric }}_avg) AS {{ metric }}
-- :endfor
    FROM host_samples_1h
    WHERE host = $host AND ts > wk_ts($at - 3600000000) AND ts <= wk_ts($at)
)
SELECT wk_int(width) AS width, wk_us(ts) AS seen
-- :for metric in metrics | names
    , {{ metric }}
-- :endfor
FROM found
ORDER BY width, ts DESC
LIMIT 1
