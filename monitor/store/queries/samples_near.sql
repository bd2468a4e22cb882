-- The samples of processes next to $at, µs: the newest at or before it and the oldest after it, no further away than $far µs.
SELECT
    wk_us(max(CASE WHEN ts <= wk_ts($at) THEN ts END)) AS before, wk_us(min(CASE WHEN ts > wk_ts($at) THEN ts END)) AS after
FROM run_samples
WHERE host = $host AND ts >= wk_ts($at - $far) AND ts <= wk_ts($at + $far)
