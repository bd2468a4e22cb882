-- The open jobs of the runs of workers that have not ended, or of one of them.
SELECT worker_run, seq, job, wk_us(started) AS started_us
FROM jobs_open
WHERE host = $host
-- :if worker_run is given
  AND worker_run = $worker_run
-- :endif
ORDER BY worker_run, seq
