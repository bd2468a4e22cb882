"""What an analysis of a job posting says: every string, list and number has a bound.

Values are plain; where each was found stands in `evidence`, one span per value. What is not in the posting is null or
empty, never guessed.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from ai.core.types import Shape

RemotePolicy = Literal["onsite", "hybrid", "remote"]
EmploymentType = Literal["full_time", "part_time", "contract", "temporary", "internship", "freelance", "apprenticeship"]
Seniority = Literal["intern", "junior", "mid", "senior", "lead", "executive"]
Period = Literal["hour", "day", "week", "month", "year"]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]

MAX_POSTING: Final = 400_000
"""Characters of a posting that is accepted; longer ones are refused, not cut."""


def _text(limit: int) -> Any:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=limit)


Title = Annotated[str, _text(120)]
Company = Annotated[str, _text(100)]
Location = Annotated[str, _text(60)]
Skill = Annotated[str, _text(40)]
Language = Annotated[str, _text(30)]
Education = Annotated[str, _text(160)]
Summary = Annotated[str, _text(400)]
RedFlag = Annotated[str, _text(160)]
Amount = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]
Years = Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)]


class Salary(Shape):
    """Pay as stated. `currency` is an ISO 4217 code; `period` and each bound are null when not stated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum: Amount | None = None
    maximum: Amount | None = None
    currency: Currency | None = None
    period: Period | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            msg = "the lower bound of a salary is above its upper bound"
            raise ValueError(msg)
        return self


class Evidence(Shape):
    """Where a value was found: `text` is `posting[start:end]` (cut at 400 characters).

    `exact` is false when it was found by meaning (another spelling, a word of another language) rather than letter for letter.
    """

    field: str = Field(max_length=40)
    value: str = Field(max_length=400)
    start: int = Field(ge=0, le=MAX_POSTING)
    end: int = Field(ge=0, le=MAX_POSTING)
    text: str = Field(max_length=400)
    exact: bool = True


class Attempt(Shape):
    """One try with one backend: `outcome` is `answered`, `repaired`, `skipped` or the error's class name."""

    backend: str = Field(max_length=100)
    outcome: str = Field(max_length=60)
    detail: str = Field(default="", max_length=400)
    seconds: float = Field(ge=0, le=1e6)


class Timing(Shape):
    """Seconds: in all, until the first token, and in the model; null when no model was asked."""

    total_s: float = Field(ge=0, le=1e6)
    first_token_s: float | None = Field(default=None, ge=0, le=1e6)
    model_s: float | None = Field(default=None, ge=0, le=1e6)


class Provenance(Shape):
    """How the answer came to be.

    `fields` says which backend each filled field is from; `unsupported` lists what a model said and the posting does not
    (left out of the result); `chunks` is in how many pieces the posting was read, all of it.
    """

    how: Literal["model", "model, repaired", "rules"]
    model: str = Field(default="", max_length=200)
    prompt_version: str = Field(default="", max_length=20)
    text_sha256: str = Field(max_length=64)
    text_chars: int = Field(ge=0, le=MAX_POSTING)
    language: str | None = Field(default=None, max_length=8)
    chunks: int = Field(default=1, ge=0, le=10_000)
    prompt_tokens: int | None = Field(default=None, ge=0, le=100_000_000)
    completion_tokens: int | None = Field(default=None, ge=0, le=100_000_000)
    fields: dict[str, str] = Field(default_factory=dict, max_length=40)
    unsupported: list[Annotated[str, StringConstraints(max_length=200)]] = Field(default_factory=list, max_length=60)
    notes: list[Annotated[str, StringConstraints(max_length=300)]] = Field(default_factory=list, max_length=20)
    attempts: list[Attempt] = Field(default_factory=list, max_length=30)


class JobAnalysisResult(Shape):
    """What a job posting says, where it says so, and how that was found out."""

    title: Title | None = None
    company: Company | None = None
    locations: list[Location] = Field(default_factory=list, max_length=10)
    remote_policy: RemotePolicy | None = None
    employment_type: EmploymentType | None = None
    seniority: Seniority | None = None
    salary: Salary | None = None
    skills_required: list[Skill] = Field(default_factory=list, max_length=40)
    skills_preferred: list[Skill] = Field(default_factory=list, max_length=30)
    years_experience: Years | None = None
    languages: list[Language] = Field(default_factory=list, max_length=10)
    education: Education | None = None
    summary: Summary | None = None
    red_flags: list[RedFlag] = Field(default_factory=list, max_length=12)
    evidence: list[Evidence] = Field(default_factory=list, max_length=200)
    backend: str = Field(max_length=100)
    """`llamacpp`, `ollama`, … or `rules`."""
    timing: Timing
    provenance: Provenance

    def spans(self, field: str) -> list[Evidence]:
        """The evidence of one field, in the order of its values."""
        return [e for e in self.evidence if e.field == field]


class FollowedAnalysis(Shape):
    """An analysis on its way. `rules`: what they found, at once. `state`: `asking` an engine, `done`, or `cancelled`; `asked` is the first engine, empty where there is none. `result` is there once an engine was asked. `started`: µs."""

    id: str = Field(max_length=40)
    state: str = Field(max_length=20)
    asked: str = Field(default="", max_length=100)
    started: int = 0
    rules: JobAnalysisResult
    result: JobAnalysisResult | None = None

    def best(self) -> JobAnalysisResult:
        """The engine's answer, checked and filled by the rules; what the rules found until it is there."""
        return self.result or self.rules


FIELDS: Final = (
    "title",
    "company",
    "locations",
    "remote_policy",
    "employment_type",
    "seniority",
    "salary",
    "skills_required",
    "skills_preferred",
    "years_experience",
    "languages",
    "education",
    "summary",
    "red_flags",
)
"""The fields that are taken from the posting, in the order they are shown."""
