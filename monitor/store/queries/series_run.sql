-- Readings of one run in buckets of $width µs over [$start, $end): least, mean, greatest. Before $split they are of the minutes that were kept.
WITH rows_in AS (
-- :if minutes is given
-- :include "parts/tier_rows.sql"
    FROM run_samples_1m
    WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($split)
    UNION ALL
-- :endif
    SELECT ts, 1 AS n
-- :for metric in metrics | names
        , wk_float({{ metric }}) AS {{ metric }}_lo, wk_float({{ metric }}) AS {{ metric }}_mid, wk_float({{ metric }}) AS {{ metric }}_hi
-- :endfor
    FROM run_samples
    WHERE run = $run AND ts >= wk_ts($split) AND ts < wk_ts($end)
)
SELECT wk_bucket_us(ts, $width) AS bucket
-- :for metric in metrics | names
    , min({{ metric }}_lo) AS {{ metric }}_min
    , sum({{ metric }}_mid * n) / sum(CASE WHEN {{ metric }}_mid IS NOT NULL THEN n END) AS {{ metric }}_avg
    , max({{ metric }}_hi) AS {{ metric }}_max
-- :endfor
FROM rows_in
GROUP BY 1
ORDER BY 1
