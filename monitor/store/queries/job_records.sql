-- What was logged in a job, oldest first.
SELECT wk_us(ts) AS at, level, logger, message
FROM job_records
WHERE host = $host AND worker_run = $worker_run AND seq = $seq
ORDER BY ts
LIMIT $limit
