-- The functions that queries share, as DuckDB macros: queries use these and standard SQL only, so that another engine needs no more than
-- these. `us` is microseconds since the epoch.

-- Times
CREATE OR REPLACE MACRO wk_ts(us) AS make_timestamp(us);
CREATE OR REPLACE MACRO wk_us(ts) AS epoch_us(ts);
CREATE OR REPLACE MACRO wk_bucket(ts, width_us) AS make_timestamp(epoch_us(ts) - epoch_us(ts) % width_us);
CREATE OR REPLACE MACRO wk_bucket_us(ts, width_us) AS epoch_us(ts) - epoch_us(ts) % width_us;

-- Text: `wk_matches` is an RE2 search anywhere in the text; the `i` forms ignore case.
CREATE OR REPLACE MACRO wk_matches(body, pattern) AS regexp_matches(body, pattern, 's');
CREATE OR REPLACE MACRO wk_imatches(body, pattern) AS regexp_matches(body, pattern, 'is');
CREATE OR REPLACE MACRO wk_contains(body, needle) AS contains(body, needle);
CREATE OR REPLACE MACRO wk_icontains(body, needle) AS contains(lower(body), lower(needle));

-- Values of a record by name: of its fields, where `path` is a JSON path, and of a text, where the first group of `pattern` is the value,
-- without or with a unit behind it. Lists of one are names for values, which would be made twice otherwise; to trim is the dearest of it.
CREATE OR REPLACE MACRO wk_field(fields, path) AS json_extract_string(fields, path);
CREATE OR REPLACE MACRO wk_trimmed(body) AS CASE WHEN regexp_matches(body, '^["''.,;:]|["''.,;:]$') THEN nullif(trim(body, '"''.,;:'), '') ELSE body END;
CREATE OR REPLACE MACRO wk_pair(body, name, pattern) AS
    CASE WHEN contains(body, name) THEN list_transform([regexp_extract(body, pattern, 1)], lambda x: CASE WHEN x <> '' THEN wk_trimmed(x) END)[1] END;
CREATE OR REPLACE MACRO wk_part(body, pattern, unit) AS list_transform([regexp_extract(body, pattern, 1)], lambda x: CASE WHEN x <> '' THEN x || unit END)[1];
CREATE OR REPLACE MACRO wk_found(body, pattern) AS regexp_extract(body, pattern);

-- Numbers in a text, as `logs/query/quantities.py` reads them: in seconds, in bytes, or as they stand there
-- whatever their unit. A number without a unit counts `bare`.
CREATE OR REPLACE MACRO wk_finite(x) AS list_transform([x], lambda number: CASE WHEN isfinite(number) THEN number END)[1];
CREATE OR REPLACE MACRO wk_amount(body, units, factors) AS list_transform(
    [regexp_extract(body, '^(?:([-+]?[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]{1,3})?) ?([A-Za-zµμ]{1,7}|%)?)$', ['number', 'unit'])],
    lambda part: try_cast(part.number AS DOUBLE) * factors[list_position(units, part.unit)])[1];
CREATE OR REPLACE MACRO wk_compound(body) AS CASE WHEN regexp_full_match(body, '(?:[0-9]+(?:[.][0-9]+)?(?:ns|us|µs|μs|ms|s|m|h|d)){2,8}') THEN list_sum(list_transform(
    list_zip(regexp_extract_all(body, '([0-9]+(?:[.][0-9]+)?)(ns|us|µs|μs|ms|s|m|h|d)', 1), regexp_extract_all(body, '([0-9]+(?:[.][0-9]+)?)(ns|us|µs|μs|ms|s|m|h|d)', 2)),
    lambda part: try_cast(part[1] AS DOUBLE) * CASE part[2]
        WHEN 'ns' THEN 1e-9 WHEN 'us' THEN 1e-6 WHEN 'µs' THEN 1e-6 WHEN 'μs' THEN 1e-6 WHEN 'ms' THEN 1e-3
        WHEN 's' THEN 1 WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 END)) END;
CREATE OR REPLACE MACRO wk_seconds(body, bare) AS list_transform([body], lambda x: wk_finite(coalesce(wk_amount(x,
    ['', 'ms', 's', 'us', '%', 'ns', 'µs', 'μs', 'sec', 'secs', 'second', 'seconds', 'm', 'min', 'mins', 'minute', 'minutes', 'h', 'hr', 'hour', 'hours', 'd', 'day', 'days'],
    [bare, 0.001, 1.0, 1e-06, bare, 1e-09, 1e-06, 1e-06, 1.0, 1.0, 1.0, 1.0, 60.0, 60.0, 60.0, 60.0, 60.0, 3600.0, 3600.0, 3600.0, 3600.0, 86400.0, 86400.0, 86400.0]), wk_compound(x))))[1];
CREATE OR REPLACE MACRO wk_bytes(body, bare) AS wk_finite(wk_amount(body,
    ['', 'B', 'KB', 'MB', 'GB', 'KiB', 'MiB', '%', 'kB', 'kb', 'mb', 'gb', 'TB', 'tb', 'K', 'M', 'GiB', 'G', 'TiB', 'T'],
    [bare, 1.0, 1000.0, 1000000.0, 1000000000.0, 1024.0, 1048576.0, bare, 1000.0, 1000.0, 1000000.0, 1000000000.0, 1000000000000.0, 1000000000000.0, 1024.0, 1048576.0, 1073741824.0, 1073741824.0, 1099511627776.0, 1099511627776.0]));
CREATE OR REPLACE MACRO wk_number(body) AS list_transform([body], lambda x: wk_finite(coalesce(wk_amount(x,
    ['', 'ms', 's', 'B', 'KB', 'MB', 'GB', 'KiB', 'MiB', 'us', '%', 'ns', 'µs', 'μs', 'sec', 'secs', 'second', 'seconds', 'm', 'min', 'mins', 'minute', 'minutes', 'h', 'hr', 'hour', 'hours', 'd', 'day', 'days', 'kB', 'kb', 'mb', 'gb', 'TB', 'tb', 'K', 'M', 'GiB', 'G', 'TiB', 'T'],
    list_resize([1.0], 42, 1.0)), wk_compound(x))))[1];

-- Lists: `*` in a glob is any text.
CREATE OR REPLACE MACRO wk_in(value, list) AS list_contains(list, value);
CREATE OR REPLACE MACRO wk_glob_any(body, patterns) AS len(list_filter(patterns, lambda p: body GLOB p)) > 0;

-- Aggregates: percentiles; the value at the newest time.
CREATE OR REPLACE MACRO wk_p50(x) AS quantile_cont(x, 0.50);
CREATE OR REPLACE MACRO wk_p95(x) AS quantile_cont(x, 0.95);
CREATE OR REPLACE MACRO wk_p99(x) AS quantile_cont(x, 0.99);
CREATE OR REPLACE MACRO wk_last(x, ts) AS arg_max(x, ts);
CREATE OR REPLACE MACRO wk_any(x) AS any_value(x);
CREATE OR REPLACE MACRO wk_count_if(x) AS count_if(x);
CREATE OR REPLACE MACRO wk_float(x) AS CAST(x AS DOUBLE);
CREATE OR REPLACE MACRO wk_int(x) AS CAST(x AS BIGINT);

-- Whether an end is a failure, as `failed` in `monitor/core/exit_words.py`.
CREATE OR REPLACE MACRO wk_failed(code, number, asked) AS asked IS NULL AND (coalesce(code, 0) <> 0 OR number IS NOT NULL);

-- The first line of an error, and what it has in common with others of its kind: without words that have a digit or a slash, and without what
-- stands in quotes.
CREATE OR REPLACE MACRO wk_error_line(error) AS trim(left(split_part(coalesce(error, ''), chr(10), 1), 500));
CREATE OR REPLACE MACRO wk_error_form(line) AS
    regexp_replace(regexp_replace(line, '(^|[^[:word:]])(?:"[^"]*"|''[^'']*'')', '\1…', 'g'), '[^ ]*[0-9/][^ ]*', '…', 'g');

-- Whether a job was not over when its worker was: it was closed then, or told the exception by which Python ends a program.
CREATE OR REPLACE MACRO wk_broken_off(outcome, error) AS outcome = 'interrupted'
    OR (outcome = 'failed' AND (starts_with(error, 'KeyboardInterrupt') OR starts_with(error, 'SystemExit')));
