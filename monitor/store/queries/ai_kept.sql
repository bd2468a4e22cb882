-- What is kept of one kind, newest first.
SELECT name, wk_us(ts) AS ts, value FROM ai_kept WHERE host = $host AND kind = $kind ORDER BY ts DESC, name
