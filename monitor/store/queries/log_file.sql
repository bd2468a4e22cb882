-- One file.
SELECT file_id, source, path FROM log_files WHERE file_id = $file_id LIMIT 1
