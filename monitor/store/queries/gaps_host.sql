-- Where more than $tolerance µs lie between neighbouring samples of a host in [$start, $end): the time after the last sample before it,
-- and that of the next one after it. `step` is how long one row stands for.
WITH times AS (
-- :if tier_1m is given
    SELECT ts, wk_us(ts) AS seen, wk_us(ts) + 60000000 AS upto FROM host_samples_1m
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($tail) AND ts < wk_ts($end)
    UNION ALL
-- :endif
-- :if tier_1h is given
    SELECT ts, wk_us(ts) AS seen, wk_us(ts) + 3600000000 AS upto FROM host_samples_1h
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($middle) AND ts < wk_ts($end)
    UNION ALL
    SELECT ts, wk_us(ts) AS seen, wk_us(ts) + 60000000 AS upto FROM host_samples_1m
    WHERE host = $host AND ts >= wk_ts($start) AND ts >= wk_ts($middle) AND ts < wk_ts($tail) AND ts < wk_ts($end)
    UNION ALL
-- :endif
    SELECT ts, wk_us(ts) AS seen, wk_us(ts) + 1000000 AS upto FROM host_samples
    WHERE host = $host AND ts >= wk_ts($start) AND ts >= wk_ts($tail) AND ts < wk_ts($end)
),
pairs AS (
    SELECT seen, lag(upto) OVER (ORDER BY ts) AS ended FROM times
)
SELECT ended AS gap_start, seen AS gap_end FROM pairs WHERE seen - ended > $tolerance ORDER BY 1
