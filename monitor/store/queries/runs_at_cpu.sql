-- The readings of CPU in [$start, $end] of processes that used any then, in order.
SELECT run, wk_us(ts) AS ts, wk_float(cpu_pct) AS cpu_pct
FROM run_samples
WHERE host = $host AND ts >= wk_ts($start) AND ts <= wk_ts($end) AND cpu_pct > 0
ORDER BY run, ts
