-- Templates of a host that were neither seen nor noticed since $cut, that no record has, also none of the archive, and that stand for no other that stays. None
-- while the host was not sampled both in the hours and in the days before $now: the clock may be wrong.
WITH unused AS (
    SELECT number FROM log_templates
    WHERE host = $host AND number > 0 AND last_seen < wk_ts($cut) AND noticed < wk_ts($cut)
      AND wk_us(last_seen) < coalesce((SELECT wk_us(min(first_ts)) FROM log_archive) - $margin, $cut)
      AND number NOT IN (SELECT template_id FROM log_records WHERE template_id IS NOT NULL)
)
SELECT number FROM unused
WHERE number NOT IN (SELECT pattern FROM log_templates WHERE host = $host AND number NOT IN (SELECT number FROM unused))
  AND EXISTS (SELECT 1 FROM host_samples WHERE ts >= wk_ts($now - 8 * $margin) AND ts < wk_ts($now - $margin))
