"""Rows of a query as JSON values that JavaScript reads without loss."""

from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa

MAX_SAFE: Final = 2**53


def plain(value: Any) -> Any:
    """One value: times as ISO 8601 in UTC, integers beyond 2^53 as decimal strings, bytes as text."""
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
    """The rows of a table as lists of JSON values. A value without a Python type is written as Arrow prints it."""
    columns = [[plain(value) for value in _values(column)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):  # ValueError: nanoseconds that are no whole microseconds
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        pass
    if isinstance(scalar, pa.ListScalar):
        return [_value(item) for item in scalar.values]
    return scalar.cast(pa.string()).as_py()
