-- Where more than $tolerance µs are missing between neighbouring samples of a run in [$start, $end).
WITH pairs AS (
    SELECT wk_us(ts) AS seen, lag(wk_us(ts)) OVER (ORDER BY ts) + 1000000 AS ended
    FROM run_samples
    WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($end)
)
SELECT ended AS gap_start, seen AS gap_end FROM pairs WHERE seen - ended > $tolerance ORDER BY 1
