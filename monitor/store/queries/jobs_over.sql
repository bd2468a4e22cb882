-- Jobs that are over, the newest (or slowest) first, or one of them; `total` counts all that match.
SELECT
    j.worker_run, j.seq, j.worker, j.job, j.outcome, wk_us(j.started) AS started, wk_us(j.ts) AS ended, j.seconds, j.error, j.run, j.asked,
    (SELECT wk_any(w.pid) FROM job_workers AS w WHERE w.host = j.host AND w.worker_run = j.worker_run) AS pid, (
        SELECT count(*)
-- :include "parts/jobs_over.sql"
-- :include "parts/job_filter.sql"
    ) AS total
-- :include "parts/jobs_over.sql"
-- :include "parts/job_filter.sql"
-- :if slowest is given
ORDER BY j.seconds DESC NULLS LAST, j.ts DESC
-- :else
ORDER BY j.ts DESC, j.seq DESC
-- :endif
LIMIT $limit
