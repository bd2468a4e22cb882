-- Jobs in flight, the longest first, or one of them; `total` counts all that match.
SELECT
    o.worker_run, o.seq, w.worker, o.job, wk_us(o.started) AS started, w.run, w.pid, count(*) OVER () AS total
FROM jobs_open AS o INNER JOIN job_workers AS w ON w.host = o.host AND w.worker_run = o.worker_run
WHERE o.host = $host AND o.started IS NOT NULL
-- :if worker_run is given
  AND o.worker_run = $worker_run AND o.seq = $seq
-- :endif
-- :if worker is given
  AND w.worker = $worker
-- :endif
-- :if run is given
  AND w.run = $run
-- :endif
-- :if runs is given
  AND wk_in(w.run, $runs)
-- :endif
-- :if began is given
  AND o.started < wk_ts($began)
-- :endif
-- :if q is given
  AND wk_icontains(o.job, $q)
-- :endif
ORDER BY o.started, o.seq
LIMIT $limit
