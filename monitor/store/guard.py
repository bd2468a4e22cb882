"""What a person's own SQL may be: one statement that reads.

Three fences: the statement must be one SELECT (or EXPLAIN) by the engine's own parser; it runs in a read-only
transaction; and the engine itself has no way to files, network, extensions or settings.
"""

from typing import Final

import duckdb

from monitor.errors import QueryError
from monitor.store.engine import wrong_query

_READING: Final = {"SELECT", "EXPLAIN"}
_HINT: Final = "Give one SELECT; `SHOW TABLES` and `DESCRIBE <table>` tell what there is."


def check_reading(cursor: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one statement of `sql`.

    Raises:
        QueryError: it is not one statement that reads.
    """
    if "\0" in sql:
        raise QueryError("The query holds a NUL character.", hint=_HINT)
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise wrong_query(error) from error
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements were given; one is allowed.", hint=_HINT)
    statement = statements[0]
    kind = statement.type.name
    if kind not in _READING:
        raise QueryError(f"{kind} is not allowed here: only queries that read are.", hint=_HINT)
    if statement.named_parameters:
        raise QueryError("The query has parameters, which have no values here.", hint="Write the values into the SQL.")
    return str(statement.query)
