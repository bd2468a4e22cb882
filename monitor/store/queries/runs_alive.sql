-- The processes that lived at $at µs, as far as they are known: without readings.
SELECT
    run, pid, ppid, uid, user_name, name, cmdline, cgroup, kernel_thread, wk_us(start_ts) AS start_ts, wk_us(end_ts) AS end_ts,
    exit_code, exit_signal, end_source
FROM runs
WHERE host = $host AND start_ts <= wk_ts($at) AND (end_ts IS NULL OR end_ts >= wk_ts($at))
    AND $at >= (SELECT wk_us(min(first_seen)) FROM runs WHERE host = $host)
ORDER BY run
