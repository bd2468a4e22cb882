"""What a rule found, and where."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """A value (of one field) and its span in the text it was found in; `exact` as in `Evidence`."""

    value: str | float
    start: int
    end: int
    exact: bool = True
