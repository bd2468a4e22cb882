"""What all models share, the model of an error, and those of ad-hoc queries.

Times are integer microseconds since the epoch, UTC; sizes bytes; rates per second. `None` means *not available*.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ai.core.types import Shape

__all__ = ["LEVELS", "ErrorAnswer", "ErrorBody", "Level", "QueryAnswer", "QueryRequest", "Shape", "plain"]

Level = Literal["trace", "debug", "info", "warn", "error", "fatal"]
LEVELS: tuple[Level, ...] = ("trace", "debug", "info", "warn", "error", "fatal")


def plain(value: object) -> dict[str, Any]:
    """A model as the dictionary that it is written out as: what `msgspec` needs to encode models inside other values.

    Raises:
        NotImplementedError: it is no model.
    """
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    raise NotImplementedError


class ErrorBody(Shape):
    """What went wrong, in one sentence, and what to do about it."""

    kind: str = Field(description="Class of the error.")
    message: str
    hint: str = ""
    problems: dict[str, str] = Field(default={}, description="One sentence per wrong key.")


class ErrorAnswer(Shape):
    """Every error's body."""

    error: ErrorBody


class QueryRequest(Shape):
    """A read-only SQL query."""

    sql: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(default=1000, ge=1, le=100_000)


class QueryAnswer(Shape):
    """Rows; `truncated` if there were more than the limit."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
