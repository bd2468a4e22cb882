-- Since when single samples of runs are stored, µs, and how many minutes the machine has in [$start, $end) up to $minute_last while the run lived.
-- :if minute_last is given
WITH me AS (
    SELECT host, greatest(start_ts, wk_ts($start)) AS low, least(coalesce(end_ts, wk_ts($end)), wk_ts($end)) AS high FROM runs WHERE run = $run
), of_host AS (
    SELECT count(*) AS there
    FROM host_samples_1m AS h INNER JOIN me ON h.host = me.host
    WHERE h.ts >= me.low AND h.ts < me.high AND h.ts >= wk_ts($start) AND h.ts <= wk_ts($minute_last)
)
-- :endif
SELECT
    (SELECT wk_us(min(ts)) FROM run_samples) AS raw_first
-- :if minute_last is given
    , (SELECT wk_int(there) FROM of_host) AS there
-- :endif
