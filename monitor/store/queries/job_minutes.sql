-- The jobs of each worker of a host whose name has $of, that were over in [$start, $end), in buckets of $width µs.
SELECT worker, wk_bucket_us(ts, $width) AS bucket, count(*) AS n, wk_int(wk_count_if(outcome = 'failed')) AS failed, wk_p50(seconds) AS p50
-- :include "parts/jobs_over.sql"
WHERE host = $host AND ts >= wk_ts($start) AND ts < wk_ts($end) AND wk_icontains(worker, $of)
GROUP BY 1, 2
ORDER BY 1, 2
