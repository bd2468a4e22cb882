-- Version 13. Minutes of the processes that are worth it (see the query `rollup`), so that their lines outlive the raw rows. The columns of
-- the readings follow from the catalogue.

CREATE TABLE run_samples_1m (host TEXT NOT NULL, ts TIMESTAMP NOT NULL, run BIGINT NOT NULL, n INTEGER NOT NULL);
