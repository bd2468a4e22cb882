-- The records of the store, and those of its archive that the range reaches (`archived`, which the store fills in) unless `stored_only` is given.
-- :if archived is given and not stored_only
FROM {{ archived }} AS log_records
-- :else
FROM log_records
-- :endif
