-- The oldest and newest time of all records.
SELECT wk_us(min(ts)) AS oldest, wk_us(max(ts)) AS newest FROM log_records
