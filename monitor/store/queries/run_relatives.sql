-- Those above a run, the nearest first, and its children, the newest first, whether they run or have ended: `place` is parent or child. Whose pid
-- was used twice is known by its time.
WITH RECURSIVE me AS (
    SELECT * FROM runs WHERE run = $run
), up AS (
    SELECT 0 AS level, host, boot_id, run, pid, ppid, name, cmdline, member, start_ts FROM me
    UNION ALL
    SELECT up.level + 1, p.host, p.boot_id, p.run, p.pid, p.ppid, p.name, p.cmdline, p.member, p.start_ts
    FROM up INNER JOIN runs AS p ON p.host = up.host AND p.boot_id = up.boot_id AND p.pid = up.ppid
    WHERE p.run <> up.run AND p.start_ts <= up.start_ts AND (p.end_ts IS NULL OR p.end_ts >= up.start_ts) AND up.level < $highest
)
SELECT 'parent' AS place, run, pid, ppid, name, cmdline, member, wk_us(start_ts) AS start_ts, level
FROM up WHERE level > 0
UNION ALL
SELECT * FROM (
    SELECT 'child' AS place, c.run, c.pid, c.ppid, c.name, c.cmdline, c.member, wk_us(c.start_ts) AS start_ts, 0 AS level
    FROM me INNER JOIN runs AS c ON c.host = me.host AND c.boot_id = me.boot_id AND c.ppid = me.pid
    WHERE c.run <> me.run AND c.start_ts >= me.start_ts AND (me.end_ts IS NULL OR c.start_ts <= me.end_ts)
    ORDER BY c.start_ts DESC
    LIMIT $most
)
ORDER BY level, start_ts DESC
