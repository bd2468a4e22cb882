-- All processes of the sample at $ts µs.
WITH gpu AS (
    SELECT run, sum(mem_bytes) AS mem FROM gpu_run_samples WHERE host = $host AND ts = wk_ts($ts) GROUP BY run
)
SELECT
    r.run, r.pid, s.ppid, r.uid, r.user_name, r.name, r.cmdline, r.cwd, r.member, r.cgroup, r.kernel_thread, wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts,
    r.exit_code, r.exit_signal, r.asked, r.end_source, s.status AS status_code, s.cpu_pct, s.rss, s.vms, s.threads, s.nice, s.cpu_user_s + s.cpu_system_s AS cpu_seconds, s.read_bps, s.write_bps,
    s.read_bytes, s.write_bytes, s.fds, s.ctx_voluntary, s.ctx_involuntary, wk_int(gpu.mem) AS gpu_mem
FROM run_samples AS s
INNER JOIN runs AS r ON r.run = s.run
LEFT JOIN gpu ON gpu.run = s.run
WHERE s.host = $host AND s.ts = wk_ts($ts)
ORDER BY r.run
