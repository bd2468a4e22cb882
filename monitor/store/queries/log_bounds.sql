-- The oldest and newest time of all records; with `stored_only`, without those of the archive.
SELECT wk_us(min(oldest)) AS oldest, wk_us(max(newest)) AS newest
FROM (
    SELECT min(ts) AS oldest, max(ts) AS newest FROM log_records
-- :if not stored_only
    UNION ALL
    SELECT min(first_ts) AS oldest, max(last_ts) AS newest FROM log_archive
-- :endif
) AS bounds
