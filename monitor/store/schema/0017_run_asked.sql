-- Version 17. Who asked for the end of a run, in words, as `stopped by Ada`; NULL where nobody did, or it crashed instead.

ALTER TABLE runs ADD COLUMN asked TEXT;
