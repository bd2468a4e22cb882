-- The newest reports, for the history's change marks.
SELECT benchmark, wk_us(started) AS started, report
FROM benchmark_runs WHERE host = $host AND state <> 'failed' ORDER BY started DESC LIMIT $limit
