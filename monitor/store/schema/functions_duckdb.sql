-- The functions that queries share, as DuckDB macros. functions_clickhouse.sql has the same names; queries use these and
-- standard SQL only (tests/monitor/store/test_store_statements.py holds this). `us` is microseconds since the epoch.

-- Times
CREATE OR REPLACE MACRO wk_ts(us) AS make_timestamp(us);
CREATE OR REPLACE MACRO wk_us(ts) AS epoch_us(ts);
CREATE OR REPLACE MACRO wk_bucket(ts, width_us) AS make_timestamp(epoch_us(ts) - epoch_us(ts) % width_us);
CREATE OR REPLACE MACRO wk_bucket_us(ts, width_us) AS epoch_us(ts) - epoch_us(ts) % width_us;

-- Text: `wk_matches` is an RE2 search anywhere in the text; the `i` forms ignore case; `*` in a glob is any text.
CREATE OR REPLACE MACRO wk_matches(body, pattern) AS regexp_matches(body, pattern, 's');
CREATE OR REPLACE MACRO wk_imatches(body, pattern) AS regexp_matches(body, pattern, 'is');
CREATE OR REPLACE MACRO wk_contains(body, needle) AS contains(body, needle);
CREATE OR REPLACE MACRO wk_icontains(body, needle) AS contains(lower(body), lower(needle));
CREATE OR REPLACE MACRO wk_glob(body, pattern) AS body GLOB pattern;
CREATE OR REPLACE MACRO wk_length(body) AS strlen(body);

-- Lists and JSON: `wk_json` gives the text of one top-level key, NULL when absent.
CREATE OR REPLACE MACRO wk_in(value, list) AS list_contains(list, value);
CREATE OR REPLACE MACRO wk_glob_any(body, patterns) AS len(list_filter(patterns, lambda p: body GLOB p)) > 0;
CREATE OR REPLACE MACRO wk_json(doc, key) AS (doc ->> key);

-- Aggregates: percentiles; the value at the newest / oldest time.
CREATE OR REPLACE MACRO wk_p50(x) AS quantile_cont(x, 0.50);
CREATE OR REPLACE MACRO wk_p95(x) AS quantile_cont(x, 0.95);
CREATE OR REPLACE MACRO wk_p99(x) AS quantile_cont(x, 0.99);
CREATE OR REPLACE MACRO wk_last(x, ts) AS arg_max(x, ts);
CREATE OR REPLACE MACRO wk_first(x, ts) AS arg_min(x, ts);
CREATE OR REPLACE MACRO wk_any(x) AS any_value(x);
CREATE OR REPLACE MACRO wk_count_if(x) AS count_if(x);
CREATE OR REPLACE MACRO wk_float(x) AS CAST(x AS DOUBLE);
CREATE OR REPLACE MACRO wk_int(x) AS CAST(x AS BIGINT);
