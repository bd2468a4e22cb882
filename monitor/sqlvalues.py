"""Rows of a query as JSON values, losing nothing that JavaScript would lose."""

from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa

MAX_SAFE: Final = 2**53


def plain(value: Any) -> Any:
    """One value: times as ISO 8601 in UTC, integers past 2^53 as decimal strings, bytes as text."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if value is None or isinstance(value, bool | str | float | int):
        return str(value) if type(value) is int and abs(value) > MAX_SAFE else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, date) else str(value)


def plain_rows(table: pa.Table) -> list[list[Any]]:
    """The rows of a table as lists of JSON values."""
    columns = [[plain(value) for value in column.to_pylist()] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]
