-- One benchmark with its report.
SELECT benchmark, wk_us(started) AS started, wk_us(ended) AS ended, state, reference, backends, verdict, blocks, flagged, replay_of,
    manifest_sha256, report
FROM benchmark_runs WHERE host = $host AND benchmark = $benchmark
