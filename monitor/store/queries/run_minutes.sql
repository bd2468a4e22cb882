-- The minutes of a run that are kept: when each begins, µs.
SELECT wk_us(ts) AS ts FROM run_samples_1m WHERE run = $run
