-- Where more than $tolerance µs are missing between neighbouring samples of a run in [$start, $end), the first of which follows on $before, µs.
WITH times AS (
-- :if before is given
    SELECT $before - 1 AS seen, $before AS upto
    UNION ALL
-- :endif
    SELECT wk_us(ts) AS seen, wk_us(ts) + 1000000 AS upto FROM run_samples
    WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($end)
),
pairs AS (
    SELECT seen, lag(upto) OVER (ORDER BY seen) AS ended FROM times
)
SELECT ended AS gap_start, seen AS gap_end FROM pairs WHERE seen - ended > $tolerance ORDER BY 1
