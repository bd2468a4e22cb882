-- Runs that have ended, the newest end first, with what they took where their end told it. `total` counts all that match.
-- `without`: runs that are left out, none of which ended before $without_since.
SELECT
    run, pid, ppid, uid, user_name, name, cmdline, cwd, member, wk_us(start_ts) AS start_ts, wk_us(end_ts) AS end_ts, exit_code, exit_signal, asked, end_source,
    peak_rss, cpu_seconds, read_bytes AS bytes_read, write_bytes AS bytes_written, count(*) OVER () AS total
FROM runs
WHERE host = $host AND end_ts IS NOT NULL
-- :if since is given
  AND end_ts >= wk_ts($since)
-- :endif
-- :if until is given
  AND end_ts < wk_ts($until)
-- :endif
-- :if without is given
  AND (end_ts < wk_ts($without_since) OR NOT wk_in(run, $without))
-- :endif
-- :if lived is given
  AND (start_ts IS NULL OR wk_us(end_ts) - wk_us(start_ts) >= $lived)
-- :endif
-- :if uid is given
  AND uid = $uid
-- :endif
-- :if failed is given
  AND wk_failed(exit_code, exit_signal, asked)
-- :endif
-- :if q is given
  AND (wk_icontains(concat(name, ' ', coalesce(cmdline, ''), ' ', coalesce(member, '')), $q) OR user_name = $q OR CAST(pid AS TEXT) = $q
      OR wk_imatches(cgroup, $unit))
-- :endif
ORDER BY runs.end_ts DESC, run
LIMIT $limit
