-- The runs that lived between $start and $end µs, those that lived longest in that time first. `out_of_memory` says so in words, of those that
-- the kernel killed for it. `total` counts all that match.
WITH chosen AS (
    SELECT
        run, pid, uid, user_name, name, cmdline, cwd, member, start_ts, end_ts, exit_code, exit_signal, asked, end_source, count(*) OVER () AS total,
        least(coalesce(wk_us(end_ts), $end), $end) - greatest(wk_us(start_ts), $start) AS lived
    FROM runs
    WHERE host = $host AND NOT coalesce(kernel_thread, false) AND start_ts < wk_ts($end) AND (end_ts IS NULL OR end_ts >= wk_ts($start))
-- :if lived is given
      AND coalesce(wk_us(end_ts), $now) - wk_us(start_ts) >= $lived
-- :endif
-- :if uid is given
      AND uid = $uid
-- :endif
-- :if q is given
      AND (wk_icontains(concat(name, ' ', coalesce(cmdline, ''), ' ', coalesce(member, '')), $q) OR user_name = $q OR CAST(pid AS TEXT) = $q
          OR wk_imatches(cgroup, $unit))
-- :endif
    ORDER BY lived DESC, run
    LIMIT $limit
),
-- :include "parts/memory_ends.sql"
SELECT
    r.run, r.pid, r.uid, r.user_name, r.name, r.cmdline, r.cwd, r.member, wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts, r.exit_code, r.exit_signal, r.asked, r.end_source,
    m.message AS out_of_memory, r.total
FROM chosen AS r
LEFT JOIN memory AS m ON m.run = r.run
ORDER BY r.lived DESC, r.run
