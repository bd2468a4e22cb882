-- When each key was used last.
SELECT key_name, count(*) AS calls, wk_us(max(ts)) AS last_ts FROM gateway_calls WHERE host = $host AND key_name <> '' GROUP BY key_name ORDER BY key_name
