-- What each process used over [$start, $end): seconds of CPU, the change of its memory, bytes read and written; the busiest first.
-- With `runs` only those.
WITH used AS (
    SELECT
        run, max(cpu_user_s + cpu_system_s) - min(cpu_user_s + cpu_system_s) AS cpu_s, max(cpu_pct) AS cpu_max,
        max(rss) AS rss_max, max(rss) - min(rss) AS rss_change,
        max(read_bytes) - min(read_bytes) AS bytes_read, max(write_bytes) - min(write_bytes) AS bytes_written
    FROM run_samples
    WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end)
-- :if runs is given
      AND wk_in(run, $runs)
-- :endif
    GROUP BY run
)
SELECT
    u.run AS run, u.cpu_s AS cpu_s, wk_float(u.cpu_max) AS cpu_max, u.rss_max AS rss_max, u.rss_change AS rss_change,
    u.bytes_read AS bytes_read, u.bytes_written AS bytes_written, r.pid AS pid, r.name AS name, r.cmdline AS cmdline, r.cwd AS cwd, r.member AS member,
    wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts, r.exit_code AS exit_code, r.exit_signal AS exit_signal, r.asked AS asked,
    r.end_source AS end_source, r.user_name AS user_name
FROM used AS u
JOIN runs AS r ON r.run = u.run
ORDER BY coalesce(u.cpu_s, 0) DESC, u.run
LIMIT $limit
