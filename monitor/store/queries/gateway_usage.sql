-- Who used which model since a time, the most tokens first. `run` is the newest that did.
SELECT program, key_name, model, backend, count(*) AS calls, wk_count_if(outcome <> 'answered') AS failed, sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens, wk_p50(ttft_s) AS ttft_p50_s, wk_p95(ttft_s) AS ttft_p95_s, wk_p50(tokens_per_s) AS tokens_per_s,
    wk_last(run, ts) AS run, wk_us(max(ts)) AS last_ts
FROM gateway_calls
WHERE host = $host AND ts >= wk_ts($since)
GROUP BY program, key_name, model, backend
ORDER BY completion_tokens DESC NULLS LAST, calls DESC, program, model LIMIT $limit
