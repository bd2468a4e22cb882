-- Readings of a host as they came, in [$start, $end).
SELECT wk_us(ts) AS seen
-- :each metric
    , {metric}
-- :end
FROM host_samples
WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end)
ORDER BY ts
