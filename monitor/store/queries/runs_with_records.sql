-- Those of $runs, numbers with commas between, that log records since $since name.
SELECT DISTINCT run FROM log_records
WHERE ts >= wk_ts($since) AND run IN (SELECT CAST(one AS BIGINT) FROM unnest(string_split($runs, ',')) AS t(one))
