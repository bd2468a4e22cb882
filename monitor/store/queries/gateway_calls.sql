-- The newest calls through the gateway, newest first.
SELECT wk_us(ts) AS ts, call, api, route, run, pid, uid, program, key_name, wanted, backend, model, stream, attempts, outcome, status, message,
    queued_s, ttft_s, total_s, prompt_tokens, completion_tokens, tokens_origin, tokens_per_s, bytes_in, bytes_out
FROM gateway_calls
WHERE host = $host
-- :if since is given
  AND ts >= wk_ts($since)
-- :endif
-- :if run is given
  AND run = $run
-- :endif
ORDER BY ts DESC, call LIMIT $limit
