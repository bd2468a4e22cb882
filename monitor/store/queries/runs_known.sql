-- Those of $runs that are stored, and how they ended.
SELECT run, wk_us(end_ts) AS end_ts, exit_code, exit_signal, asked
FROM runs
WHERE wk_in(run, $runs)
