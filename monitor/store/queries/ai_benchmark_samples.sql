-- The measurements of one benchmark, in the order they were made.
SELECT wk_us(ts) AS ts, block, position, backend, batch, prompt, used, flags, total_s, ttft_s, tokens_per_s, tokens_per_s_origin,
    prompt_tokens_per_s, prompt_tokens, completion_tokens, energy_j, error
FROM benchmark_samples WHERE host = $host AND benchmark = $benchmark ORDER BY ts, block, position LIMIT $limit
