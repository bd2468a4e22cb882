-- Version 1. Times are UTC microseconds (TIMESTAMP); sizes are bytes; rates are per second.
-- Every table names its host: the same schema serves one machine and many.

CREATE TABLE hosts (
    host TEXT NOT NULL, boot_id TEXT NOT NULL, boot_ts TIMESTAMP, kernel TEXT, platform TEXT,
    cpu_count INTEGER, mem_total BIGINT, clock_tick_hz INTEGER,
    first_seen TIMESTAMP, last_seen TIMESTAMP
);

CREATE TABLE runs (
    run BIGINT NOT NULL, host TEXT NOT NULL, boot_id TEXT NOT NULL, pid INTEGER, start_tick BIGINT,
    ppid INTEGER, uid INTEGER, user_name TEXT, name TEXT, cmdline TEXT, exe TEXT, cgroup TEXT, kernel_thread BOOLEAN,
    start_ts TIMESTAMP, first_seen TIMESTAMP,
    end_ts TIMESTAMP, exit_code INTEGER, exit_signal INTEGER, end_source TEXT,
    peak_rss BIGINT, cpu_seconds DOUBLE
);

CREATE TABLE host_samples (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, seq BIGINT,
    cpu_pct REAL, cpu_user REAL, cpu_system REAL, cpu_iowait REAL, cpu_steal REAL, per_core REAL[],
    load1 REAL, load5 REAL, load15 REAL,
    mem_total BIGINT, mem_used BIGINT, mem_available BIGINT, mem_cached BIGINT, swap_total BIGINT, swap_used BIGINT,
    psi_cpu_some REAL, psi_mem_some REAL, psi_mem_full REAL, psi_io_some REAL, psi_io_full REAL,
    disk_read_bps REAL, disk_write_bps REAL, disk_read_ops REAL, disk_write_ops REAL,
    net_rx_bps REAL, net_tx_bps REAL,
    procs_total INTEGER, procs_running INTEGER, ctx_switches REAL, temp_max_c REAL,
    lag_ms REAL, sweep_ms REAL, watch_cpu_pct REAL, watch_rss BIGINT
);

-- One row a device and reading: `kind` is disk, nic, core_temp.
CREATE TABLE device_samples (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    read_bps REAL, write_bps REAL, read_ops REAL, write_ops REAL, busy_pct REAL, value REAL
);

CREATE TABLE disk_space (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, mount TEXT NOT NULL, device TEXT, fstype TEXT,
    total BIGINT, used BIGINT, free BIGINT
);

CREATE TABLE run_samples (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, run BIGINT NOT NULL,
    ppid INTEGER, status TINYINT, cpu_pct REAL, cpu_user_s DOUBLE, cpu_system_s DOUBLE,
    rss BIGINT, vms BIGINT, threads INTEGER,
    read_bytes BIGINT, write_bytes BIGINT, read_bps REAL, write_bps REAL, fds INTEGER,
    ctx_voluntary BIGINT, ctx_involuntary BIGINT, minor_faults BIGINT, major_faults BIGINT
);

CREATE TABLE gpu_samples (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, gpu INTEGER NOT NULL, uuid TEXT, name TEXT,
    util_pct REAL, mem_util_pct REAL, mem_total BIGINT, mem_used BIGINT, power_w REAL, power_limit_w REAL, temp_c REAL,
    clock_sm_mhz INTEGER, clock_mem_mhz INTEGER, throttle TEXT, energy_j DOUBLE, error TEXT
);

CREATE TABLE gpu_run_samples (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, gpu INTEGER NOT NULL, pid INTEGER NOT NULL, run BIGINT, mem_bytes BIGINT
);

-- What happened: START, STOP, STATUS_CHANGE, ERROR, COMPLETE of a run or of the watch itself (GAP, CLOCK_STEP, LOST).
CREATE TABLE events (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, run BIGINT, name TEXT,
    message TEXT, details JSON
);

CREATE TABLE log_sources (
    source TEXT NOT NULL, host TEXT NOT NULL, kind TEXT NOT NULL, first_seen TIMESTAMP, found_by TEXT
);

-- A file's identity, and how far it is read: bytes [back_to, back_from) still wait for the backfill, [head_from, head_to) are stored.
CREATE TABLE log_files (
    file_id BIGINT NOT NULL, host TEXT NOT NULL, source TEXT NOT NULL, path TEXT NOT NULL, dev BIGINT, inode BIGINT,
    head_hash TEXT, head_len INTEGER, marker_hash TEXT, format TEXT, state TEXT, generation INTEGER,
    size BIGINT, stored_to BIGINT, backfill_from BIGINT, backfill_to BIGINT,
    lines BIGINT, records BIGINT, bytes BIGINT, truncations INTEGER, missed_bytes BIGINT, error TEXT,
    first_seen TIMESTAMP, updated TIMESTAMP
);

-- One record, however many lines. `level`: 0 unknown, 5 trace, 10 debug, 20 info, 30 warn, 40 error, 50 fatal.
-- The whole original is `raw`, or `prefix || message` where `raw` is NULL.
CREATE TABLE log_records (
    host TEXT NOT NULL, file_id BIGINT NOT NULL, pos BIGINT NOT NULL, line_no BIGINT,
    ts TIMESTAMP NOT NULL, ts_from TEXT, ingested TIMESTAMP NOT NULL,
    level UTINYINT NOT NULL, source TEXT NOT NULL, logger TEXT, pid INTEGER, run BIGINT,
    prefix TEXT, message TEXT NOT NULL, raw TEXT, lines INTEGER NOT NULL, fields JSON, format TEXT, template_id BIGINT
);
