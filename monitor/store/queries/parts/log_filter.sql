-- The conditions of a log filter (`LogFilter.params`), behind a WHERE; `where` is a parsed query.
-- :if since is given
  AND ts >= wk_ts($since)
-- :endif
-- :if until is given
  AND ts < wk_ts($until)
-- :endif
-- :if least is given
  AND level >= $least
-- :endif
-- :if levels is given
  AND wk_in(level, $levels)
-- :endif
-- :if sources is given
  AND wk_glob_any(source, $sources)
-- :endif
-- :if source is given
  AND source = $source
-- :endif
-- :if pid is given
  AND pid = $pid
-- :endif
-- :if run is given
  AND run = $run
-- :endif
-- :if runs is given
  AND wk_in(run, $runs)
-- :endif
-- :if file_id is given
  AND file_id = $file_id
-- :endif
-- :if where is given
  AND {{ where }}
-- :endif
-- :if blocks is given
  AND {{ blocks }}
-- :endif
