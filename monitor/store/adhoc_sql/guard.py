"""Ad-hoc SQL must be one statement that reads.

Three fences: the statement must be one SELECT (or EXPLAIN) by the engine's own parser; it runs in a read-only
transaction; and the engine itself has no way to files, network, extensions or settings.
"""

from typing import Final

import duckdb

from monitor.core.errors import QueryError

_READING: Final = {"SELECT", "EXPLAIN"}
_HINT: Final = "give one SELECT; `SHOW TABLES` and `DESCRIBE <table>` show what there is"


def check_reading(cursor: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one statement of `sql`.

    Raises:
        QueryError: it is not one statement that reads.
    """
    if "\0" in sql:
        raise QueryError("the query holds a NUL character", hint=_HINT)
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise wrong_query(error) from error
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements were given; one is allowed", hint=_HINT)
    statement = statements[0]
    kind = statement.type.name
    if kind not in _READING:
        raise QueryError(f"{kind} is not allowed here: only queries that read are", hint=_HINT)
    if statement.named_parameters:
        raise QueryError("the query has parameters, which have no values here", hint="write the values into the SQL")
    return str(statement.query)


def wrong_query(error: Exception) -> QueryError:
    """An error in the query, in the engine's words."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("the query needs more memory than the store may use", hint="ask for less at a time")
    return QueryError(f"the query is wrong: {str(error).strip()}", hint="correct the SQL")


def too_much_memory(budget_mb: int) -> QueryError:
    """The query would have taken more than `budget_mb`, in MiB."""
    return QueryError(
        f"the query needs more memory than the {budget_mb} MiB it may use",
        hint="ask for fewer rows or shorter values, or raise `store.memory_limit_mb`",
    )
