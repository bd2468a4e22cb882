-- What a run used in [$start, $end]: CPU on average, memory at the begin, at the end and at most, bytes read and written a second.
SELECT
    count(*) AS samples, wk_float(avg(cpu_pct)) AS cpu_pct, wk_last(rss, -wk_us(ts)) AS rss_first, wk_last(rss, wk_us(ts)) AS rss_last,
    max(rss) AS rss_max, wk_float(avg(read_bps)) AS read_bps, wk_float(avg(write_bps)) AS write_bps
FROM run_samples
WHERE run = $run AND ts >= wk_ts($start) AND ts <= wk_ts($end)
