-- Commands ($names) that ran within $near µs before the end of a run, the newest first: one of them may have sent the signal that ended it.
WITH me AS (
    SELECT * FROM runs WHERE run = $run
)
SELECT s.run, s.pid, s.name, s.cmdline, s.member
FROM me INNER JOIN runs AS s ON s.host = me.host AND s.boot_id = me.boot_id AND wk_in(s.name, $names)
WHERE s.run <> me.run AND s.cmdline <> ''
    AND wk_us(s.start_ts) <= wk_us(me.end_ts) + 50000 AND wk_us(s.end_ts) >= wk_us(me.end_ts) - $near
ORDER BY s.start_ts DESC
LIMIT 50
