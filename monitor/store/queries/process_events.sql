-- Events of processes, the newest first. `total` counts all that match. With `pattern_levels`, new patterns of these levels only. Alerts of the machine belong to each of several `runs`.
SELECT run, name, kind, wk_us(ts) AS ts, message, details, count(*) OVER () AS total
FROM events
WHERE host = $host AND subject = 'process'
-- :if since is given
    AND ts >= wk_ts($since)
-- :endif
-- :if until is given
    AND ts < wk_ts($until)
-- :endif
-- :if kinds is given
    AND wk_in(kind, $kinds)
-- :endif
-- :if pattern_levels is given
    AND (kind <> 'NEW_PATTERN' OR wk_in(coalesce(wk_field(details, '$."details"."level"'), ''), $pattern_levels))
-- :endif
-- :if run is given
    AND run = $run
-- :endif
-- :if runs is given
    AND (wk_in(run, $runs) OR (run IS NULL AND kind = 'ALERT'))
-- :endif
-- :if q is given
    AND wk_icontains(concat(name, ' ', message, ' ', details), $q)
-- :endif
ORDER BY ts DESC, run, kind
LIMIT $limit
