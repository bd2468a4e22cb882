-- Sources of a host.
SELECT source, kind, wk_us(first_seen) AS first_seen, found_by FROM log_sources WHERE host = $host
