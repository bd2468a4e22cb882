-- How a run ended, as far as the store knows: `ended_with` says it in words.
SELECT
    wk_us(r.end_ts) AS end_ts, r.exit_code, r.exit_signal, r.asked,
    (SELECT wk_any(message) FROM events WHERE run = $run AND kind = 'STOP') AS ended_with
FROM runs AS r
WHERE r.run = $run
