-- The end of a run: how, which limit it reached (JSON), and its parent if that ended at the same moment or just before ($near µs).
WITH me AS (
    SELECT * FROM runs WHERE run = $run
), up AS (
    SELECT p.run, p.pid, p.name, p.cmdline, p.member, p.exit_signal, p.exit_code, wk_us(p.start_ts) AS began, wk_us(p.end_ts) AS over, me.run AS child
    FROM me INNER JOIN runs AS p ON p.host = me.host AND p.boot_id = me.boot_id AND p.pid = me.ppid
    WHERE p.run <> me.run AND p.start_ts <= me.start_ts
        AND wk_us(p.end_ts) >= wk_us(me.end_ts) - $near AND wk_us(p.end_ts) <= wk_us(me.end_ts) + 50000
    ORDER BY p.start_ts DESC
    LIMIT 1
), used AS (
    SELECT max(rss) AS rss, max(cpu_user_s + cpu_system_s) AS cpu_s, max(read_bytes) AS bytes_read, max(write_bytes) AS bytes_written FROM run_samples WHERE run = $run
)
SELECT
    me.host, me.run, me.pid, me.name, me.cmdline, me.cwd, me.member, wk_us(me.start_ts) AS start_ts, wk_us(me.end_ts) AS end_ts, me.exit_code, me.exit_signal, me.asked, me.end_source,
    coalesce(me.peak_rss, used.rss) AS peak_rss, coalesce(me.cpu_seconds, used.cpu_s) AS cpu_seconds,
    coalesce(me.read_bytes, used.bytes_read) AS bytes_read, coalesce(me.write_bytes, used.bytes_written) AS bytes_written, up.run AS parent_run, up.pid AS parent_pid, up.name AS parent_name, up.cmdline AS parent_cmdline, up.member AS parent_member,
    up.exit_signal AS parent_signal, up.exit_code AS parent_code, up.over AS parent_over, up.began AS parent_start,
    (SELECT count(*) > 0 FROM hosts AS h WHERE h.host = me.host AND h.boot_id <> me.boot_id AND h.first_seen > me.end_ts) AS rebooted,
    (SELECT wk_any(details) FROM events WHERE run = $run AND subject = 'run' AND kind = 'STOP' AND details IS NOT NULL) AS limits,
    (SELECT wk_any(message) FROM events WHERE run = $run AND subject = 'run' AND kind = 'ENDED_FOR') AS ended_for
FROM me LEFT JOIN up ON up.child = me.run CROSS JOIN used
