-- Version 6. The patterns of log records: `log_records.template_id` is a `number` here (0: one of too many; NULL: stored before there were patterns).

-- A template is what messages have in common. `pattern`: the number of the template that stands for this one, for itself too. `id` and `text` are public; `words` (JSON)
-- is what the id follows from. `source`: of the first record. `level`: the highest. `noticed`: when the first came in, by the clock; the other times are those of the records.
CREATE TABLE log_templates (
    host TEXT NOT NULL, number BIGINT NOT NULL, id TEXT NOT NULL, pattern BIGINT NOT NULL, text TEXT NOT NULL, words JSON NOT NULL, example TEXT NOT NULL,
    source TEXT NOT NULL, level UTINYINT NOT NULL, first_seen TIMESTAMP NOT NULL, last_seen TIMESTAMP NOT NULL, noticed TIMESTAMP NOT NULL, learned BOOLEAN NOT NULL
);
