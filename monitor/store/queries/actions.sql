-- What people did, the newest first. `total` counts all that match.
SELECT wk_us(ts) AS ts, actor, action, target, pid, run, outcome, details, count(*) OVER () AS total
FROM actions
WHERE host = $host
-- :if since is given
    AND ts >= wk_ts($since)
-- :endif
-- :if until is given
    AND ts < wk_ts($until)
-- :endif
-- :if run is given
    AND run = $run
-- :endif
-- :if runs is given
    AND wk_in(run, $runs)
-- :endif
-- :if target is given
    AND target = $target
-- :endif
ORDER BY ts DESC, action, target
LIMIT $limit
