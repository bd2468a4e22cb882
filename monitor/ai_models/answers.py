"""What engines are asked for: what postings say, and opinions on records."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.models import Shape


class AnalyzeRequest(BaseModel):
    """One posting, or several."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, max_length=400_000)
    texts: list[str] | None = Field(default=None, max_length=100)
    concurrency: int = Field(default=2, ge=1, le=8)


class Evidence(Shape):
    """Where a value stands in the posting."""

    field: str
    value: str
    start: int
    end: int
    text: str
    exact: bool = True


class JobAnalysis(Shape):
    """What a posting says, where it says so, and how that was found out."""

    model_config = ConfigDict(frozen=True, extra="allow")

    backend: str
    evidence: list[Evidence] = Field(default_factory=list)
    timing: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


class JobAnalyses(Shape):
    """Several, in the order given."""

    results: list[JobAnalysis]


class ExplainRequest(BaseModel):
    """Log records by id (with `around` neighbours each), the newest of a log filter, the errors and warnings of a time, or with `readings` what
    the machine did in that time.
    """

    model_config = ConfigDict(extra="forbid")

    records: list[str] = Field(default=[], max_length=60)
    since: str | None = Field(default=None, max_length=60)
    until: str | None = Field(default=None, max_length=60)
    level: str | None = Field(default=None, max_length=10)
    filters: dict[str, str | int] | None = Field(default=None, max_length=12)
    around: int = Field(default=0, ge=0, le=30)
    readings: bool = False
    question: str = Field(default="", max_length=400)
    wait: bool = True


class Citation(Shape):
    """What an opinion rests on: a record, a process (`run:<run>`) or a reading (`reading:<metric>`). `number` is the one the model knew it by."""

    id: str
    kind: Literal["record", "process", "reading"]
    number: int
    text: str
    ts: int | None
    level: str | None
    source: str | None


class Fact(Shape):
    """Something counted in the records, in a sentence, and ids of records that show it."""

    text: str
    records: list[str]


class Opinion(Shape):
    """A model's opinion on records; `cited` exist, `invented` did not and were taken out, `dropped` sentences too. `facts` are counted, no opinion."""

    text: str
    next_step: str
    cited: list[str]
    invented: int
    dropped: int = 0
    omitted: int
    backend: str
    model: str
    notice: str
    seconds: float
    supported: bool
    facts: list[Fact] = Field(default=[])
    matched: int | None = None
    records: int | None = None
    citations: list[Citation] = Field(default=[])


class OpinionAsked(Shape):
    """A question that was begun."""

    id: str


class Problem(Shape):
    """What went wrong, and what to do."""

    kind: str
    message: str
    hint: str = ""


class OpinionState(Shape):
    """A question under way, or what became of it. `records` were found of `matched`; `span` in µs; `limit_s` bounds the answer.

    `measured` are the processes and readings that the model was given: they hold without it.
    """

    id: str
    state: Literal["running", "done", "failed", "cancelled"]
    phase: Literal["reading", "answering"]
    started: int
    elapsed_s: float
    limit_s: float
    records: int | None
    matched: int | None
    span: tuple[int, int] | None
    measured: list[Citation] = Field(default=[])
    opinion: Opinion | None
    error: Problem | None
