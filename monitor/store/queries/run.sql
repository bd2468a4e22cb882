-- One run: identity, end, its last readings, and what it took in all, as far as samples tell.
WITH newest AS (
    SELECT * FROM run_samples WHERE run = $run ORDER BY ts DESC LIMIT 1
), most AS (
    SELECT max(rss) AS rss FROM run_samples WHERE run = $run
)
SELECT
    r.pid, r.ppid, r.uid, r.user_name, r.name, r.cmdline, r.exe, r.cgroup, r.cwd, r.member, r.kernel_thread, r.boot_id, r.start_tick,
    wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts, r.exit_code, r.exit_signal, r.asked, r.end_source,
    coalesce(r.peak_rss, m.rss) AS peak_rss, coalesce(r.cpu_seconds, s.cpu_user_s + s.cpu_system_s) AS cpu_seconds,
    s.status AS status_code, s.cpu_pct, s.rss, s.vms, s.threads, s.nice, s.read_bps, s.write_bps, coalesce(r.read_bytes, s.read_bytes) AS read_bytes, coalesce(r.write_bytes, s.write_bytes) AS write_bytes, s.fds,
    s.ctx_voluntary, s.ctx_involuntary,
    (SELECT message FROM events WHERE run = $run AND subject = 'run' AND kind = 'STOP' ORDER BY ts DESC LIMIT 1) AS ended_with
FROM runs AS r
LEFT JOIN newest AS s ON s.run = r.run
CROSS JOIN most AS m
WHERE r.run = $run
