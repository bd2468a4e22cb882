-- Version 16. Which of several equal processes a run is, as `rank 3`: a number of its environment; NULL where that has none.

ALTER TABLE runs ADD COLUMN member TEXT;
