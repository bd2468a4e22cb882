-- The runs that lived between $start and $end µs, those that lived longest in that time first. `total` counts all that match.
SELECT
    run, pid, uid, user_name, name, cmdline, wk_us(start_ts) AS start_ts, wk_us(end_ts) AS end_ts, exit_code, exit_signal, end_source,
    count(*) OVER () AS total
FROM runs
WHERE host = $host AND NOT coalesce(kernel_thread, false) AND start_ts < wk_ts($end) AND (end_ts IS NULL OR end_ts >= wk_ts($start))
-- :if lived is given
  AND coalesce(wk_us(end_ts), $now) - wk_us(start_ts) >= $lived
-- :endif
-- :if uid is given
  AND uid = $uid
-- :endif
-- :if q is given
  AND (wk_icontains(concat(name, ' ', coalesce(cmdline, '')), $q) OR user_name = $q OR CAST(pid AS TEXT) = $q
          OR wk_imatches(cgroup, $unit))
-- :endif
ORDER BY least(coalesce(wk_us(end_ts), $end), $end) - greatest(wk_us(start_ts), $start) DESC, run
LIMIT $limit
