-- Positions of a file's records that have no line number yet: its newest part was read before its lines were counted.
SELECT pos FROM log_records WHERE file_id = $file_id AND line_no IS NULL ORDER BY pos
