-- Where the minutes of a run begin and end, µs, how many there are in [$start, $end), how many the machine has while it lived then, and
-- since when single samples are stored.
WITH me AS (
    SELECT host, greatest(wk_us(start_ts), $start) AS low, least(coalesce(wk_us(end_ts), $end), $end) AS high FROM runs WHERE run = $run
), kept AS (
    SELECT
        wk_us(min(ts)) AS minute_first, wk_us(max(ts)) AS minute_last,
        count(CASE WHEN ts >= wk_ts($start) AND ts < wk_ts($end) THEN 1 END) AS here
    FROM run_samples_1m
    WHERE run = $run
), of_host AS (
    SELECT count(*) AS there
    FROM host_samples_1m AS h INNER JOIN me ON h.host = me.host
    WHERE wk_us(h.ts) >= me.low AND wk_us(h.ts) < me.high AND wk_us(h.ts) <= (SELECT minute_last FROM kept)
)
SELECT
    kept.minute_first, kept.minute_last, wk_int(kept.here) AS here, wk_int(of_host.there) AS there,
    (SELECT wk_us(min(ts)) FROM run_samples) AS raw_first
FROM kept CROSS JOIN of_host
