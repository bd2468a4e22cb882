-- The GPU memory of one run, that of all GPUs together, in buckets of $width µs over [$start, $end): least, mean, greatest.
WITH used AS (
    SELECT ts, sum(mem_bytes) AS mem FROM gpu_run_samples WHERE run = $run AND ts >= wk_ts($start) AND ts < wk_ts($end) GROUP BY ts
)
SELECT
    wk_bucket_us(ts, $width) AS bucket, wk_float(min(mem)) AS gpu_mem_min, wk_float(avg(mem)) AS gpu_mem_avg, wk_float(max(mem)) AS gpu_mem_max
FROM used
GROUP BY 1
ORDER BY 1
