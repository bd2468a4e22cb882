"""What lets a search pass over records: the texts that every record found must contain (`needles`, `expressions`), and small filters of the texts that many records contain (`grams`).

In: parsed queries, and texts of records. Out: filters as bytes, and tests of queries on them. A filter may say "perhaps" of what it does not hold, and never "no" of what it holds.
"""
