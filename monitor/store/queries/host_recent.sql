-- Readings of a host as they came, in [$start, $end).
SELECT wk_us(ts) AS seen
-- :for metric in metrics | names
    , {{ metric }}
-- :endfor
FROM host_samples
WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end)
ORDER BY ts
