-- The counters of runs of workers: those that have not ended, or one by its name.
SELECT
    worker_run, worker, pid, run, start_tick, boot_id, locked, wk_us(started) AS started_us, wk_us(ts) AS last_event, done, failed, interrupted,
    untold, repeated, damaged, seen, wk_us(stopped) AS stopped_us, stop_error, wk_us(ended) AS ended_us, reason
FROM job_workers
WHERE host = $host
-- :if worker_run is given
  AND worker_run = $worker_run
-- :else
  AND ended IS NULL
-- :endif
ORDER BY worker_run
