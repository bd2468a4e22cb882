-- Jobs that are over. One that the end of its process broke off has in `asked` who asked for that, and is interrupted, also if its worker still
-- told the exception that ended it.
FROM (
    SELECT
        b.host, b.ts, b.worker, b.worker_run, b.seq, b.job, b.started, b.seconds, b.error, b.run, r.asked,
        CASE WHEN r.asked IS NULL THEN b.outcome ELSE 'interrupted' END AS outcome
    FROM jobs AS b
    LEFT JOIN runs AS r
        ON r.run = b.run AND r.asked IS NOT NULL AND wk_broken_off(b.outcome, b.error) AND wk_us(r.end_ts) - wk_us(b.ts) < 30000000
) AS j
