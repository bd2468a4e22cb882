-- How far each spool file of a host was read.
SELECT file, inode, position, generation, worker_run FROM job_files WHERE host = $host ORDER BY file
