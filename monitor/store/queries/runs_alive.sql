-- The processes that lived at $at µs, as far as they are known; with the means of that minute ($minute µs) where they were kept.
SELECT
    r.run, r.pid, r.ppid, r.uid, r.user_name, r.name, r.cmdline, r.cwd, r.member, r.cgroup, r.kernel_thread, wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts,
    r.exit_code, r.exit_signal, r.asked, r.end_source, m.n AS samples, wk_float(m.cpu_pct_avg) AS cpu_pct, wk_int(m.rss_avg) AS rss,
    wk_int(m.threads_avg) AS threads, wk_float(m.read_bps_avg) AS read_bps, wk_float(m.write_bps_avg) AS write_bps, wk_int(m.fds_avg) AS fds
FROM runs AS r LEFT JOIN run_samples_1m AS m ON m.run = r.run AND m.ts = wk_ts($minute)
WHERE r.host = $host AND r.start_ts <= wk_ts($at) AND (r.end_ts IS NULL OR r.end_ts >= wk_ts($at))
    AND $at >= (SELECT wk_us(min(first_seen)) FROM runs WHERE host = $host)
ORDER BY r.run
