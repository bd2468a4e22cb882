-- Version 9. How each log file is read is kept with how far it is read (`reading`, JSON; NULL: not decided yet).

ALTER TABLE log_files ADD COLUMN reading TEXT;
