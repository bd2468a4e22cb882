WHERE j.host = $host
-- :if worker_run is given
  AND j.worker_run = $worker_run AND j.seq = $seq
-- :endif
-- :if worker is given
  AND j.worker = $worker
-- :endif
-- :if failed is given
  AND j.outcome <> 'done' AND j.asked IS NULL
-- :endif
-- :if slowest is given
  AND j.outcome <> 'interrupted'
-- :endif
-- :if run is given
  AND j.run = $run
-- :endif
-- :if runs is given
  AND wk_in(j.run, $runs)
-- :endif
-- :if began is given
  AND coalesce(j.started, j.ts) < wk_ts($began)
-- :endif
-- :if since is given
  AND j.ts >= wk_ts($since)
-- :endif
-- :if until is given
  AND j.ts < wk_ts($until)
-- :endif
-- :if q is given
  AND wk_icontains(concat(j.job, ' ', coalesce(j.error, '')), $q)
-- :endif
-- :if error is given
  AND (wk_error_line(j.error) = $error OR wk_error_form(wk_error_line(j.error)) = $error)
-- :endif
