-- Live figures by backend since a time.
SELECT backend, count(*) AS calls, wk_count_if(outcome <> 'answered') AS errors, wk_p50(ttft_s) AS ttft_p50_s, wk_p95(ttft_s) AS ttft_p95_s,
    wk_p50(tokens_per_s) AS tokens_per_s, wk_p95(total_s) AS total_p95_s, wk_us(max(ts)) AS last_ts
FROM ai_calls WHERE host = $host AND ts >= wk_ts($since) GROUP BY backend ORDER BY backend
