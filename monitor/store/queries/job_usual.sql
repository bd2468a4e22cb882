-- How long the jobs of each worker of a host that were done since $since usually take.
SELECT worker, count(seconds) AS n, wk_p99(seconds) AS p99
FROM jobs
WHERE host = $host AND ts >= wk_ts($since) AND outcome = 'done'
GROUP BY worker
