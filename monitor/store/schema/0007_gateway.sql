-- Version 7. Calls of programs to model engines, through the gateway.

-- One row a call: who made it (`run`, where the process was seen; `key_name`), what it asked for (`wanted`), who answered (`backend`, `model`; of `attempts`
-- engines), how much and how fast. What was asked and answered is not kept.
CREATE TABLE gateway_calls (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, call TEXT NOT NULL, api TEXT, route TEXT, run BIGINT, pid INTEGER, uid INTEGER, program TEXT,
    key_name TEXT, wanted TEXT, backend TEXT, model TEXT, stream BOOLEAN, attempts INTEGER, outcome TEXT NOT NULL, status INTEGER, message TEXT,
    queued_s DOUBLE, ttft_s DOUBLE, total_s DOUBLE, prompt_tokens INTEGER, completion_tokens INTEGER, tokens_origin TEXT, tokens_per_s DOUBLE,
    bytes_in BIGINT, bytes_out BIGINT
);
