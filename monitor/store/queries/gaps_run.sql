-- Where more than $tolerance µs are missing between neighbouring samples of a run in [$start, $end), before $split between its minutes.
WITH times AS (
-- :if minutes is given
    SELECT wk_us(ts) AS seen, wk_us(ts) + 60000000 AS upto FROM run_samples_1m
    WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($split)
    UNION ALL
-- :endif
    SELECT wk_us(ts) AS seen, wk_us(ts) + 1000000 AS upto FROM run_samples
    WHERE run = $run AND ts >= wk_ts($split) AND ts < wk_ts($end)
),
pairs AS (
    SELECT seen, lag(upto) OVER (ORDER BY seen) AS ended FROM times
)
SELECT ended AS gap_start, seen AS gap_end FROM pairs WHERE seen - ended > $tolerance ORDER BY 1
