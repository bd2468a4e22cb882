-- Log files of a host without an older part that still waits: below `stored_to` nothing changes any more; behind it stands at most the
-- newest record, which may still grow.
SELECT file_id, path, stored_to, size, wk_us(updated) AS updated_us
FROM log_files
WHERE host = $host AND coalesce(backfill_from, 0) <= coalesce(backfill_to, 0)
ORDER BY file_id
