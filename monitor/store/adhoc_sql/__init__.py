"""A person's own SQL: it can only read, in a process of its own that has hard limits. SQL comes in; an answer as bytes, or a `QueryError`, goes out."""
