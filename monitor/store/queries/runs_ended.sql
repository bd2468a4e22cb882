-- Runs that have ended, the newest end first, with what they took: from their end where it was told, else from their samples.
-- `out_of_memory` says so in words, of those that the kernel killed for it. `total` counts all that match.
WITH chosen AS (
    SELECT *, count(*) OVER () AS total
    FROM runs
    WHERE host = $host AND end_ts IS NOT NULL
-- :if since is given
      AND end_ts >= wk_ts($since)
-- :endif
-- :if until is given
      AND end_ts < wk_ts($until)
-- :endif
-- :if lived is given
      AND wk_us(end_ts) - wk_us(start_ts) >= $lived
-- :endif
-- :if uid is given
      AND uid = $uid
-- :endif
-- :if failed is given
      AND (exit_code <> 0 OR exit_signal IS NOT NULL)
-- :endif
-- :if q is given
      AND (wk_icontains(concat(name, ' ', coalesce(cmdline, '')), $q) OR user_name = $q OR CAST(pid AS TEXT) = $q
          OR wk_imatches(cgroup, $unit))
-- :endif
    ORDER BY end_ts DESC, run
    LIMIT $limit
), untold AS (
    SELECT run, start_ts FROM chosen WHERE peak_rss IS NULL OR cpu_seconds IS NULL OR read_bytes IS NULL OR write_bytes IS NULL
), used AS (
    SELECT run, max(rss) AS rss, max(cpu_user_s + cpu_system_s) AS cpu_s, max(read_bytes) AS bytes_read, max(write_bytes) AS bytes_written
    FROM run_samples
    WHERE run IN (SELECT run FROM untold) AND ts >= (SELECT min(start_ts) FROM untold)
    GROUP BY run
),
-- :include "parts/memory_ends.sql"
SELECT
    e.run, e.pid, e.ppid, e.uid, e.user_name, e.name, e.cmdline, e.cwd, wk_us(e.start_ts) AS start_ts, wk_us(e.end_ts) AS end_ts,
    e.exit_code, e.exit_signal, e.end_source, coalesce(e.peak_rss, u.rss) AS peak_rss, coalesce(e.cpu_seconds, u.cpu_s) AS cpu_seconds,
    coalesce(e.read_bytes, u.bytes_read) AS bytes_read, coalesce(e.write_bytes, u.bytes_written) AS bytes_written, m.message AS out_of_memory, e.total
FROM chosen AS e
LEFT JOIN used AS u ON u.run = e.run
LEFT JOIN memory AS m ON m.run = e.run
ORDER BY e.end_ts DESC, e.run
