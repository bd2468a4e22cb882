-- The errors of jobs that are over, those of most jobs first: each different first line, with its form, and the newest job that had it.
SELECT
    e.line, wk_error_form(e.line) AS form, e.jobs, e.workers, e.first, e.last, e.worker_run, e.seq, e.worker, e.job, e.outcome, nullif(e.started, 0) AS started,
    nullif(e.seconds, -1) AS seconds, nullif(e.run, 0) AS run, e.error,
    (SELECT wk_any(w.pid) FROM job_workers AS w WHERE w.host = $host AND w.worker_run = e.worker_run) AS pid
FROM (
    SELECT
        wk_error_line(j.error) AS line, count(*) AS jobs, count(DISTINCT j.worker) AS workers, wk_us(min(j.ts)) AS first, wk_us(max(j.ts)) AS last,
        wk_last(j.worker_run, j.ts) AS worker_run, wk_last(j.seq, j.ts) AS seq, wk_last(j.worker, j.ts) AS worker, wk_last(j.job, j.ts) AS job,
        wk_last(j.outcome, j.ts) AS outcome, wk_last(coalesce(wk_us(j.started), 0), j.ts) AS started,
        wk_last(coalesce(j.seconds, -1), j.ts) AS seconds, wk_last(coalesce(j.run, 0), j.ts) AS run, wk_last(coalesce(j.error, ''), j.ts) AS error
-- :include "parts/jobs_over.sql"
-- :include "parts/job_filter.sql"
    GROUP BY 1
) AS e
ORDER BY e.jobs DESC, e.last DESC
LIMIT $limit
