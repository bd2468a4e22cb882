-- The conditions of a log filter (`LogFilter.params`), behind a WHERE.
-- :if since
  AND ts >= wk_ts($since)
-- :end
-- :if until
  AND ts < wk_ts($until)
-- :end
-- :if least
  AND level >= $least
-- :end
-- :if levels
  AND wk_in(level, $levels)
-- :end
-- :if sources
  AND wk_glob_any(source, $sources)
-- :end
-- :if source
  AND source = $source
-- :end
-- :if pid
  AND pid = $pid
-- :end
-- :if run
  AND run = $run
-- :end
-- :if file_id
  AND file_id = $file_id
-- :end
-- :if raw
-- :if text
  AND wk_contains(coalesce(raw, concat(prefix, message)), $text)
-- :end
-- :if itext
  AND wk_icontains(coalesce(raw, concat(prefix, message)), $itext)
-- :end
-- :if regex
  AND wk_matches(coalesce(raw, concat(prefix, message)), $regex)
-- :end
-- :if iregex
  AND wk_imatches(coalesce(raw, concat(prefix, message)), $iregex)
-- :end
-- :else
-- :if text
  AND wk_contains(message, $text)
-- :end
-- :if itext
  AND wk_icontains(message, $itext)
-- :end
-- :if regex
  AND wk_matches(message, $regex)
-- :end
-- :if iregex
  AND wk_imatches(message, $iregex)
-- :end
-- :end
