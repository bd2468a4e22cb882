-- The run that wrote the newest records of a file before a position, where one run alone wrote them: its pid, its end, µs, and
-- how the end became known.
WITH newest AS (
    SELECT pos, run FROM log_records WHERE file_id = $file_id AND pos < $pos ORDER BY pos DESC LIMIT 20
)
SELECT r.run, r.pid, wk_us(r.end_ts) AS end_ts, r.end_source
FROM (SELECT run FROM newest ORDER BY pos DESC LIMIT 1) AS last
JOIN runs AS r ON r.run = last.run
WHERE (SELECT count(DISTINCT run) FROM newest) = 1
