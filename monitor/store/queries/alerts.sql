-- Alerts, those that fire first, then the newest. `total` counts all that match.
SELECT subject, details, count(*) OVER () AS total
FROM alerts
WHERE host = $host
-- :if open is given
    AND ended IS NULL
-- :endif
-- :if since is given
    AND (ended IS NULL OR ended >= wk_ts($since))
-- :endif
-- :if until is given
    AND ts < wk_ts($until)
-- :endif
-- :if rule is given
    AND rule = $rule
-- :endif
-- :if id is given
    AND id = $id
-- :endif
-- :if run is given
    AND wk_in($run, runs)
-- :endif
ORDER BY ended IS NULL DESC, ts DESC, id
LIMIT $limit
