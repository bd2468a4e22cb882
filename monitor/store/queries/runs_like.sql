-- Earlier runs of the command of a run (of several equal ones those of the same member) in its directory, as far as that is known, the newest first. `total` counts those since $since.
WITH me AS (
    SELECT * FROM runs WHERE run = $run
)
SELECT
    r.run, r.pid, r.name, r.cmdline, r.member, wk_us(r.start_ts) AS start_ts, wk_us(r.end_ts) AS end_ts, r.exit_code, r.exit_signal, r.asked, r.end_source,
    count(*) OVER () AS total
FROM me INNER JOIN runs AS r ON r.host = me.host AND r.name = me.name AND r.cmdline = me.cmdline AND r.uid = me.uid
    AND coalesce(r.cwd, me.cwd, '') = coalesce(me.cwd, r.cwd, '') AND coalesce(r.member, '') = coalesce(me.member, '')
WHERE r.run <> me.run AND r.start_ts < me.start_ts AND r.start_ts >= wk_ts($since)
ORDER BY r.start_ts DESC, r.run
LIMIT $limit
