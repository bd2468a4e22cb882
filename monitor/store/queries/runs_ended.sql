-- Runs that have ended, the newest end first, with what they took where their end told it. `total` counts all that match, `shorter` those that
-- would, had they lived for $lived. `without`: runs that are left out, none of which ended before $without_since.
-- Counted and sorted is without what is only shown: all columns of all that match cost twice the time.
WITH found AS (
    SELECT
        run, end_ts,
-- :if lived is given
        start_ts IS NULL OR wk_us(end_ts) - wk_us(start_ts) >= $lived AS long
-- :else
        true AS long
-- :endif
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
), newest AS (
    SELECT run FROM found WHERE long ORDER BY end_ts DESC, run LIMIT $limit
), counted AS (
    SELECT coalesce(wk_count_if(long), 0) AS total, coalesce(wk_count_if(NOT long), 0) AS shorter FROM found
)
SELECT
    r.run, r.pid, r.ppid, r.uid, r.user_name, r.name, r.cmdline, r.cwd, r.member, wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts, r.exit_code,
    r.exit_signal, r.asked, r.end_source, r.peak_rss, r.cpu_seconds, r.read_bytes AS bytes_read, r.write_bytes AS bytes_written, c.total, c.shorter
FROM counted AS c
LEFT JOIN (SELECT * FROM runs WHERE run IN (SELECT run FROM newest)) AS r ON true
ORDER BY r.end_ts DESC, r.run
