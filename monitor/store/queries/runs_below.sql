-- What a run began, and what that began, and so on, the newest $most: their lines stand for those of a shell.
WITH RECURSIVE below(run, host, boot_id, pid, start_ts, end_ts, depth) AS (
    SELECT run, host, boot_id, pid, start_ts, end_ts, 0 FROM runs WHERE run = $run
    UNION ALL
    SELECT c.run, c.host, c.boot_id, c.pid, c.start_ts, c.end_ts, b.depth + 1
    FROM below AS b INNER JOIN runs AS c ON c.host = b.host AND c.boot_id = b.boot_id AND c.ppid = b.pid
    WHERE c.run <> b.run AND b.depth < 3 AND c.start_ts >= b.start_ts AND (b.end_ts IS NULL OR c.start_ts <= b.end_ts)
)
SELECT run FROM below WHERE depth > 0 ORDER BY start_ts DESC LIMIT $most
