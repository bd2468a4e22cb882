-- The parent of a run and its children, whether they run or have ended: `place` is parent or child, the newest first.
WITH me AS (
    SELECT * FROM runs WHERE run = $run
)
SELECT 'parent' AS place, p.run, p.pid, p.name, p.cmdline, p.member, wk_us(p.start_ts) AS start_ts
FROM me INNER JOIN runs AS p ON p.host = me.host AND p.boot_id = me.boot_id AND p.pid = me.ppid
WHERE p.run <> me.run AND p.start_ts <= me.start_ts AND (p.end_ts IS NULL OR p.end_ts >= me.start_ts)
UNION ALL
SELECT 'child' AS place, c.run, c.pid, c.name, c.cmdline, c.member, wk_us(c.start_ts) AS start_ts
FROM me INNER JOIN runs AS c ON c.host = me.host AND c.boot_id = me.boot_id AND c.ppid = me.pid
WHERE c.run <> me.run AND c.start_ts >= me.start_ts AND (me.end_ts IS NULL OR c.start_ts <= me.end_ts)
ORDER BY 1, 7 DESC
LIMIT $most
