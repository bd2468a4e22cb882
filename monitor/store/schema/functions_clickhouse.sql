-- The functions that queries share, as ClickHouse SQL user-defined functions: the same names and meanings as in
-- functions_duckdb.sql. `us` is microseconds since the epoch; a TIMESTAMP column is DateTime64(6, 'UTC').

-- Times
CREATE OR REPLACE FUNCTION wk_ts AS (us) -> fromUnixTimestamp64Micro(toInt64(us), 'UTC');
CREATE OR REPLACE FUNCTION wk_us AS (ts) -> toUnixTimestamp64Micro(ts);
CREATE OR REPLACE FUNCTION wk_bucket AS (ts, width_us) -> fromUnixTimestamp64Micro(toUnixTimestamp64Micro(ts) - toUnixTimestamp64Micro(ts) % width_us, 'UTC');
CREATE OR REPLACE FUNCTION wk_bucket_us AS (ts, width_us) -> toUnixTimestamp64Micro(ts) - toUnixTimestamp64Micro(ts) % width_us;

-- Text
CREATE OR REPLACE FUNCTION wk_matches AS (body, pattern) -> match(body, concat('(?s)', pattern));
CREATE OR REPLACE FUNCTION wk_imatches AS (body, pattern) -> match(body, concat('(?is)', pattern));
CREATE OR REPLACE FUNCTION wk_contains AS (body, needle) -> position(body, needle) > 0;
CREATE OR REPLACE FUNCTION wk_icontains AS (body, needle) -> positionCaseInsensitiveUTF8(body, needle) > 0;
CREATE OR REPLACE FUNCTION wk_glob AS (body, pattern) -> match(body, concat('(?s)^', replaceAll(replaceAll(regexpQuoteMeta(pattern), '\\*', '.*'), '\\?', '.'), '$'));
CREATE OR REPLACE FUNCTION wk_length AS (body) -> length(body);

-- Lists and JSON
CREATE OR REPLACE FUNCTION wk_in AS (value, list) -> has(list, value);
CREATE OR REPLACE FUNCTION wk_glob_any AS (body, patterns) -> arrayExists(p -> match(body, concat('(?s)^', replaceAll(replaceAll(regexpQuoteMeta(p), '\\*', '.*'), '\\?', '.'), '$')), patterns);
CREATE OR REPLACE FUNCTION wk_json AS (doc, key) -> if(JSONHas(doc, key), JSONExtractString(doc, key), NULL);

-- Aggregates
CREATE OR REPLACE FUNCTION wk_p50 AS (x) -> quantileExactInclusive(0.50)(x);
CREATE OR REPLACE FUNCTION wk_p95 AS (x) -> quantileExactInclusive(0.95)(x);
CREATE OR REPLACE FUNCTION wk_p99 AS (x) -> quantileExactInclusive(0.99)(x);
CREATE OR REPLACE FUNCTION wk_last AS (x, ts) -> argMax(x, ts);
CREATE OR REPLACE FUNCTION wk_first AS (x, ts) -> argMin(x, ts);
CREATE OR REPLACE FUNCTION wk_any AS (x) -> any(x);
CREATE OR REPLACE FUNCTION wk_count_if AS (x) -> countIf(x);
CREATE OR REPLACE FUNCTION wk_float AS (x) -> toFloat64(x);
CREATE OR REPLACE FUNCTION wk_int AS (x) -> toInt64(x);
