-- What these runs took as far as their samples say, since the start of the oldest; and which of them the kernel ended for memory, in words.
WITH chosen AS (
    SELECT run, start_ts, end_ts, exit_signal FROM runs WHERE wk_in(run, $runs)
), used AS (
    SELECT run, max(rss) AS rss, max(cpu_user_s + cpu_system_s) AS cpu_s, max(read_bytes) AS bytes_read, max(write_bytes) AS bytes_written
    FROM run_samples
    WHERE run IN (SELECT run FROM chosen) AND ts >= (SELECT min(start_ts) FROM chosen)
    GROUP BY run
),
-- :include "parts/memory_ends.sql"
SELECT c.run, u.rss, u.cpu_s, u.bytes_read, u.bytes_written, m.message AS out_of_memory
FROM chosen AS c
LEFT JOIN used AS u ON u.run = c.run
LEFT JOIN memory AS m ON m.run = c.run
