"""A model's opinion on log records: what it is asked on, and what it says."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from ai.core.types import Shape

NOTICE: Final = "A model's opinion. It may be wrong: look at the records it cites."
MAX_FACT_IDS: Final = 5


class Fact(Shape):
    """One thing that is so, in a sentence, and some of the records that show it (the first five)."""

    text: str = Field(max_length=400)
    records: list[str] = Field(max_length=MAX_FACT_IDS)


class EvidenceRecord(Shape):
    """A log record that may be cited by its id; or, with `counted` off, a reading or a process written as a sentence, which facts leave out."""

    id: str = Field(min_length=1, max_length=80)
    text: str = Field(max_length=100_000)
    ts: str = Field(default="", max_length=40)
    level: str = Field(default="", max_length=10)
    counted: bool = True


class Explanation(Shape):
    """The opinion. `cited` are ids that exist; `invented` counts ids that do not and were taken out.

    `dropped` counts sentences that were taken out: repeated, broken off, or on nothing that was given (`ai.explain.prose`).
    `omitted` counts given records that did not fit and were not shown to the model. `facts` are counted by us over all given records:
    they are no opinion.
    """

    text: Annotated[str, StringConstraints(max_length=1200)]
    next_step: Annotated[str, StringConstraints(max_length=400)]
    cited: list[str]
    invented: int
    dropped: int = 0
    omitted: int
    backend: str
    model: str
    notice: str = NOTICE
    seconds: float
    facts: list[Fact] = Field(default_factory=list)
    supported: bool
    """Whether at least one existing record is cited; without one the opinion rests on nothing."""
