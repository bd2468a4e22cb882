-- Benchmarks, newest first, without their reports.
SELECT benchmark, wk_us(started) AS started, wk_us(ended) AS ended, state, reference, backends, verdict, blocks, flagged, replay_of,
    manifest_sha256
FROM benchmark_runs WHERE host = $host ORDER BY started DESC LIMIT $limit
