"""Rows of a query as JSON values that JavaScript reads without loss."""

from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa

MAX_SAFE: Final = 2**53
_END_OF_DAY: Final = "24:00:00"
_DAY: Final = {"time64[us]": 86_400_000_000, "time64[ns]": 86_400_000_000_000}
"""How long a day is in the unit of a type of times."""


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
    if _has_clocks(column.type):
        return [_with_clocks(scalar) for scalar in column]
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):  # ValueError: nanoseconds that are no whole microseconds
        return [_value(scalar) for scalar in column]
    return values


def _has_clocks(kind: pa.DataType) -> bool:
    """Whether values of this type are times of a day, or have some in them."""
    if pa.types.is_time(kind):
        return True
    return any(_has_clocks(kind.field(number).type) for number in range(kind.num_fields))


def _with_clocks(scalar: pa.Scalar) -> Any:  # noqa: PLR0911 - one kind of value a line
    """A value with the end of a day as DuckDB has it, 24:00:00; Python's clocks would begin the day again."""
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.Time64Scalar):
        return _END_OF_DAY if scalar.value == _DAY[str(scalar.type)] else _value(scalar)
    if isinstance(scalar, pa.MapScalar):
        return [(_with_clocks(item["key"]), _with_clocks(item["value"])) for item in scalar.values]
    if isinstance(scalar, pa.ListScalar):
        return [_with_clocks(item) for item in scalar.values]
    if isinstance(scalar, pa.StructScalar):
        return {name: _with_clocks(item) for name, item in scalar.items()}
    if isinstance(scalar, pa.UnionScalar):
        return _with_clocks(scalar.value)
    return _value(scalar)


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        pass
    if isinstance(scalar, pa.ListScalar):
        return [_value(item) for item in scalar.values]
    return scalar.cast(pa.string()).as_py()
