-- The workers of a host: the counters of all their runs, what is in flight, what became of their jobs since $since, what
-- those took, and the slowest of them.
WITH counters AS (
    SELECT
        w.worker, count(*) AS runs, wk_int(wk_count_if(w.ended IS NULL)) AS living, wk_int(sum(w.done)) AS done, wk_int(sum(w.failed)) AS failed,
        wk_int(sum(w.interrupted)) AS interrupted, wk_int(sum(w.untold)) AS untold, wk_int(sum(w.repeated)) AS repeated,
        wk_int(sum(w.damaged)) AS damaged, max(w.ts) AS last_event, wk_last(w.reason, w.ended) AS reason,
        min(w.started) AS began,
        nullif(wk_last(coalesce(r.asked, ''), w.ended), '') AS asked
    FROM job_workers AS w LEFT JOIN runs AS r ON r.run = w.run AND r.asked IS NOT NULL
    WHERE w.host = $host
    GROUP BY w.worker
), flying AS (
    SELECT w.worker, count(*) AS in_flight
    FROM jobs_open AS o INNER JOIN job_workers AS w ON w.host = o.host AND w.worker_run = o.worker_run
    WHERE o.host = $host AND o.started IS NOT NULL
    GROUP BY w.worker
), recent AS (
    SELECT
        worker, wk_int(wk_count_if(outcome = 'done')) AS done, wk_int(wk_count_if(outcome = 'failed')) AS failed,
        wk_int(wk_count_if(outcome = 'interrupted')) AS interrupted, wk_int(count(asked)) AS asked,
        wk_int(wk_count_if(ts >= wk_ts($lately))) AS lately
-- :include "parts/jobs_over.sql"
    WHERE host = $host AND ts >= wk_ts($since)
    GROUP BY worker
), took AS (
    SELECT
        worker, wk_p50(seconds) AS p50, wk_p99(seconds) AS p99, max(seconds) AS slowest_s, wk_last(worker_run, seconds) AS worker_run,
        wk_last(seq, seconds) AS seq, wk_last(job, seconds) AS job, wk_last(outcome, seconds) AS outcome, wk_last(started, seconds) AS started,
        wk_last(ts, seconds) AS ended, wk_last(coalesce(run, 0), seconds) AS run
-- :include "parts/jobs_over.sql"
    WHERE host = $host AND ts >= wk_ts($since) AND outcome <> 'interrupted' AND seconds IS NOT NULL
    GROUP BY worker
)
SELECT
    c.worker, c.runs, c.living, c.done, c.failed, c.interrupted, c.untold, c.repeated, c.damaged, wk_us(c.last_event) AS last_event, wk_us(c.began) AS began,
    c.reason, c.asked, coalesce(f.in_flight, 0) AS in_flight, coalesce(r.done, 0) AS recent_done,
    coalesce(r.failed, 0) AS recent_failed, coalesce(r.interrupted, 0) AS recent_interrupted, coalesce(r.asked, 0) AS recent_asked,
    coalesce(r.lately, 0) AS lately, t.p50, t.p99, t.slowest_s, t.worker_run, t.seq, t.job, t.outcome, wk_us(t.started) AS started, wk_us(t.ended) AS ended, t.run
FROM counters AS c
LEFT JOIN flying AS f ON f.worker = c.worker
LEFT JOIN recent AS r ON r.worker = c.worker
LEFT JOIN took AS t ON t.worker = c.worker
ORDER BY c.last_event DESC, c.worker
