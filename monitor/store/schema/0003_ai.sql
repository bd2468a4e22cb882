-- Version 3. What the model engines did, and how they were measured.

-- One row a try: a request that fell back from one engine to another has one row for each, with the same `call`.
CREATE TABLE ai_calls (
    host TEXT NOT NULL, ts TIMESTAMP NOT NULL, call TEXT NOT NULL, attempt INTEGER NOT NULL, purpose TEXT, backend TEXT NOT NULL,
    engine TEXT, model TEXT, outcome TEXT NOT NULL, message TEXT, total_s DOUBLE, ttft_s DOUBLE, tokens_per_s DOUBLE,
    tokens_per_s_origin TEXT, prompt_tokens INTEGER, completion_tokens INTEGER, explanation TEXT
);

-- One comparison: `report` is the whole of it, from which it can be shown, exported and repeated.
CREATE TABLE benchmark_runs (
    host TEXT NOT NULL, benchmark TEXT NOT NULL, started TIMESTAMP NOT NULL, ended TIMESTAMP, state TEXT NOT NULL, reference TEXT,
    backends TEXT, verdict TEXT, blocks INTEGER, flagged INTEGER, replay_of TEXT, manifest_sha256 TEXT, report JSON
);

-- One measurement, used or not: `flags` (comma list) says what was wrong with it.
CREATE TABLE benchmark_samples (
    host TEXT NOT NULL, benchmark TEXT NOT NULL, ts TIMESTAMP NOT NULL, block INTEGER, position INTEGER, backend TEXT NOT NULL,
    batch INTEGER, prompt TEXT, used BOOLEAN NOT NULL, flags TEXT, total_s DOUBLE, ttft_s DOUBLE, tokens_per_s DOUBLE,
    tokens_per_s_origin TEXT, prompt_tokens_per_s DOUBLE, prompt_tokens INTEGER, completion_tokens INTEGER, energy_j DOUBLE, error TEXT
);
