-- The runs of a host that have not ended as far as the store knows, and when each was first seen, µs.
SELECT run, wk_us(first_seen) AS seen
FROM runs
WHERE host = $host AND end_ts IS NULL
ORDER BY run
