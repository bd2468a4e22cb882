-- The time of the last sample of a host before $end, µs; NULL when there is none.
SELECT wk_us(max(ts)) AS seen
FROM host_samples
WHERE host = $host AND ts < wk_ts($end)
