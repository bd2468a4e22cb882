-- Version 15. Alerts: one row for each time that a rule fired.

-- `subject`: which file system, GPU or run, or empty; `runs`: those that the alert is about or names; `details`: the whole alert as JSON.
CREATE TABLE alerts (
    host TEXT NOT NULL, id TEXT NOT NULL, ts TIMESTAMP NOT NULL, ended TIMESTAMP, rule TEXT NOT NULL, subject TEXT NOT NULL,
    runs BIGINT[], details JSON NOT NULL
);
