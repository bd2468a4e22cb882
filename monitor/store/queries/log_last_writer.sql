-- The run that wrote the newest records of a file, where one run alone wrote them: its pid, its end, µs, and how the end became known. Records from
-- the position on are those whose end was not sure when it was read last; they are read again, so they say more than those before it.
WITH newest AS (
    SELECT pos, run FROM log_records WHERE file_id = $file_id AND pos < $pos ORDER BY pos DESC LIMIT 20
), open_ones AS (
    SELECT pos, run FROM log_records WHERE file_id = $file_id AND pos >= $pos
), telling AS (
    SELECT pos, run FROM open_ones WHERE run IS NOT NULL
    UNION ALL
    SELECT pos, run FROM newest WHERE NOT EXISTS (SELECT 1 FROM open_ones WHERE run IS NOT NULL)
)
SELECT r.run, r.pid, wk_us(r.end_ts) AS end_ts, r.end_source
FROM (SELECT run FROM telling ORDER BY pos DESC LIMIT 1) AS last
JOIN runs AS r ON r.run = last.run
WHERE (SELECT count(DISTINCT run) FROM telling) = 1
