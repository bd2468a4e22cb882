-- Requests since a time: answered at all, answered by another engine than the first, answered by none.
SELECT count(*) AS requests, wk_count_if(answered = 1) AS answered, wk_count_if(answered = 1 AND tries > 1) AS by_fallback,
    wk_count_if(answered = 0) AS unanswered
FROM (
    SELECT call, count(*) AS tries, max(CASE WHEN outcome = 'answered' THEN 1 ELSE 0 END) AS answered
    FROM ai_calls WHERE host = $host AND ts >= wk_ts($since) GROUP BY call
) AS requests
