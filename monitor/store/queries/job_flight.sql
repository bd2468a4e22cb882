-- How the number of jobs in flight changed that each worker of a host whose name has $of had in [$start, $end), in buckets of $width µs: in `n` the
-- begins less the ends, and in `later` how far into the bucket they were (µs), likewise. A job counts from $after µs after its begin on.
WITH flights AS (
    SELECT worker, wk_us(started) + $after AS begun, wk_us(ts) AS ended
    FROM jobs
    WHERE host = $host AND ts >= wk_ts($start) AND wk_icontains(worker, $of) AND started IS NOT NULL
    UNION ALL
    SELECT w.worker, wk_us(o.started) + $after, CAST($end AS BIGINT)
    FROM jobs_open AS o INNER JOIN job_workers AS w ON w.host = o.host AND w.worker_run = o.worker_run
    WHERE o.host = $host AND wk_icontains(w.worker, $of) AND o.started IS NOT NULL
),
edges AS (
    SELECT worker, 1 AS change, greatest(begun, $start) AS moment FROM flights WHERE begun < ended AND begun < $end
    UNION ALL
    SELECT worker, -1, least(ended, $end) FROM flights WHERE begun < ended AND begun < $end
)
SELECT worker, moment - moment % $width AS bucket, wk_int(sum(change)) AS n, wk_int(sum(change * (moment % $width))) AS later
FROM edges
GROUP BY 1, 2
ORDER BY 1, 2
