-- Version 8. The audit table: what people did to services and processes.

-- `actor`: who, as far as it is known. `target`: the service, or the process's name. `outcome`: done, or why not. `details` is JSON.
CREATE TABLE actions (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, actor TEXT, action TEXT NOT NULL, target TEXT NOT NULL, pid INTEGER, run BIGINT,
    outcome TEXT NOT NULL, details JSON
);
