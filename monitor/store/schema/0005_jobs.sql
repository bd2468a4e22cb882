-- Version 5. The jobs that workers report (monitor/jobs): counted once each, committed together with how far their files were read.

-- A job that is over. `outcome`: done, failed, interrupted (its worker ended first). `seq` is the number of its first event in the run.
CREATE TABLE jobs (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, worker TEXT NOT NULL, worker_run TEXT NOT NULL, seq BIGINT NOT NULL, job TEXT NOT NULL,
    started TIMESTAMP, seconds DOUBLE, outcome TEXT NOT NULL, error TEXT, run BIGINT
);

-- A job that has begun; `started` is NULL where its end was read before its begin.
CREATE TABLE jobs_open (
    host TEXT NOT NULL, worker_run TEXT NOT NULL, seq BIGINT NOT NULL, job TEXT NOT NULL, started TIMESTAMP
);

-- What a worker logged in a job.
CREATE TABLE job_records (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, worker_run TEXT NOT NULL, seq BIGINT NOT NULL, level TEXT, logger TEXT, message TEXT
);

-- One run of a worker, usually one process (`run`): its counters, and which events they contain (`seen`: ranges of numbers).
CREATE TABLE job_workers (
    host TEXT NOT NULL, worker_run TEXT NOT NULL, worker TEXT NOT NULL, pid INTEGER, run BIGINT, start_tick BIGINT, boot_id TEXT, locked BOOLEAN,
    started TIMESTAMP, ts TIMESTAMP NOT NULL, done BIGINT, failed BIGINT, interrupted BIGINT, untold BIGINT, repeated BIGINT, damaged BIGINT,
    seen TEXT, stopped TIMESTAMP, stop_error TEXT, ended TIMESTAMP, reason TEXT
);

-- How far each spool file was read; `worker_run` is that of its first line.
CREATE TABLE job_files (
    host TEXT NOT NULL, file TEXT NOT NULL, inode BIGINT NOT NULL, position BIGINT NOT NULL, generation INTEGER NOT NULL, worker_run TEXT
);
