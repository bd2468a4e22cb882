-- The files that hold records of a run.
SELECT DISTINCT file_id FROM log_records WHERE run = $run AND ts >= wk_ts($since)
