-- Those of $runs that log records since $since name.
SELECT DISTINCT run FROM log_records
WHERE ts >= wk_ts($since) AND wk_in(run, $runs)
