memory AS (
    SELECT run, wk_any(message) AS message
    FROM events
    WHERE subject = 'run' AND kind = 'STOP' AND details LIKE '%"out_of_memory"%'
      AND run IN (SELECT run FROM chosen WHERE exit_signal IS NOT NULL) AND ts >= (SELECT min(end_ts) FROM chosen WHERE exit_signal IS NOT NULL)
    GROUP BY run
)
