-- Version 14. The working directory of a run when it was first seen or began its program; NULL where nobody could tell.

ALTER TABLE runs ADD COLUMN cwd TEXT;
