-- The names of all sources that records were read from, of any machine.
SELECT DISTINCT source FROM log_sources ORDER BY source
