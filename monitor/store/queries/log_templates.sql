-- All templates of log records, or those of one host.
SELECT number, id, pattern, text, words, example, source, level, wk_us(first_seen) AS first_seen, wk_us(last_seen) AS last_seen, wk_us(noticed) AS noticed, learned
FROM log_templates
-- :if host is given
WHERE host = $host
-- :endif
ORDER BY number
