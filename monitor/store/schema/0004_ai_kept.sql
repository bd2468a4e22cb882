-- Version 4. What was decided or noticed about model engines, to be known again after a restart.

-- `kind` drift: an engine (`name`) has become slower. `kind` settings: how a model (`name`) is loaded on this machine. `value` is JSON.
CREATE TABLE ai_kept (
    host TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, ts TIMESTAMP NOT NULL, value JSON NOT NULL
);
