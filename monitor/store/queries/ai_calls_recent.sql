-- The newest tries, newest first.
SELECT host, wk_us(ts) AS ts, call, attempt, purpose, backend, engine, model, outcome, message, total_s, ttft_s, tokens_per_s,
    tokens_per_s_origin, prompt_tokens, completion_tokens, explanation
FROM ai_calls
WHERE host = $host
-- :if since is given
  AND ts >= wk_ts($since)
-- :endif
ORDER BY ts DESC, attempt DESC LIMIT $limit
