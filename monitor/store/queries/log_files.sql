-- Files of a host and how far each is read.
SELECT file_id, source, path, dev, inode, head_hash, head_len, marker_hash, format, state, generation, size, stored_to, backfill_from, backfill_to,
  lines, records, bytes, truncations, missed_bytes, emptied_bytes, rotated_bytes, gaps, begins_at, told_to, error, reading, wk_us(first_seen) AS first_seen, wk_us(updated) AS updated
FROM log_files
WHERE host = $host
ORDER BY first_seen, file_id
