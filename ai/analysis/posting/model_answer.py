"""What a model may answer about a posting, and the JSON schema it is constrained to."""

import re
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ai.shapes.posting import EmploymentType, Period, RemotePolicy, Seniority

_HUMPS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORDS: Final = re.compile(r"[\s-]+")


class ModelAnswer(BaseModel):
    """What a model may answer: the same fields, flat. `model_schema` asks for still less, so that a small model ends its answer.

    Without bounds a constrained model can go on for ever inside one string or number.
    """

    model_config = ConfigDict(extra="ignore")

    title: Annotated[str, StringConstraints(max_length=100)] | None = None
    company: Annotated[str, StringConstraints(max_length=80)] | None = None
    locations: list[Annotated[str, StringConstraints(max_length=50)]] = Field(default=[], max_length=5)
    remote_policy: RemotePolicy | None = None
    employment_type: EmploymentType | None = None
    seniority: Seniority | None = None
    salary_min: int | None = Field(default=None, ge=0, le=9_999_999)
    salary_max: int | None = Field(default=None, ge=0, le=9_999_999)
    salary_currency: Annotated[str, StringConstraints(max_length=3)] | None = None
    salary_period: Period | None = None
    skills_required: list[Annotated[str, StringConstraints(max_length=30)]] = Field(default=[], max_length=10)
    skills_preferred: list[Annotated[str, StringConstraints(max_length=30)]] = Field(default=[], max_length=6)
    years_experience: int | None = Field(default=None, ge=0, le=40)
    languages: list[Annotated[str, StringConstraints(max_length=20)]] = Field(default=[], max_length=4)
    education: Annotated[str, StringConstraints(max_length=100)] | None = None
    summary: Annotated[str, StringConstraints(max_length=240)] | None = None
    red_flags: list[Annotated[str, StringConstraints(max_length=80)]] = Field(default=[], max_length=3)


def read_answer(said: object) -> tuple[ModelAnswer, list[str]]:
    """What a model said, and what was wrong with single fields, which are left out; the others stay.

    Raises:
        ValueError: it is no answer at all: no object, or one without any of the fields, or with none that can be read.
    """
    if not isinstance(said, dict):
        msg = "it is no JSON object."
        raise ValueError(msg)  # noqa: TRY004 - what a model said is a value
    values = _known(said)
    if not values:  # some wrap the answer in an object of one key
        values = next((found for inner in said.values() if isinstance(inner, dict) and (found := _known(inner))), {})
    if not values:
        msg = "it has none of the keys that were asked for."
        raise ValueError(msg)
    problems: list[str] = []
    missing = [name for name in ModelAnswer.model_fields if name not in values]
    while True:
        try:
            answer = ModelAnswer.model_validate(values)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            name = str(wrong["loc"][0])
            problems.append(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}.")
            del values[name]
            if not values:
                raise ValueError(problems[0]) from error
        else:
            return answer, [*problems, *([f"Missing: {', '.join(missing)}."] if missing else [])]


def _known(said: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object that were asked for, however their names are written: `Title`, `salaryMin`, `salary min`."""
    plain = {_WORDS.sub("_", _HUMPS.sub("_", key)).strip("_").lower(): value for key, value in said.items()} | said
    return {name: plain[name] for name in ModelAnswer.model_fields if name in plain}


def model_schema() -> dict[str, Any]:
    """The JSON schema a model's answer is constrained to: flat, every property required, nothing unbounded."""

    def text(limit: int) -> dict[str, Any]:
        return {"type": "string", "maxLength": limit}

    def maybe(kind: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [kind, {"type": "null"}]}

    def many(limit: int, size: int) -> dict[str, Any]:
        return {"type": "array", "items": text(size), "maxItems": limit}

    def one_of(*values: str) -> dict[str, Any]:
        return {"enum": [*values, None]}

    properties = {
        "title": maybe(text(100)),
        "company": maybe(text(80)),
        "locations": many(3, 40),
        "remote_policy": one_of("onsite", "hybrid", "remote"),
        "employment_type": one_of(
            "full_time", "part_time", "contract", "temporary", "internship", "freelance", "apprenticeship"
        ),
        "seniority": one_of("intern", "junior", "mid", "senior", "lead", "executive"),
        "salary_min": maybe({"type": "integer", "minimum": 0, "maximum": 9_999_999}),
        "salary_max": maybe({"type": "integer", "minimum": 0, "maximum": 9_999_999}),
        "salary_currency": maybe(text(3)),
        "salary_period": one_of("hour", "day", "week", "month", "year"),
        "skills_required": many(8, 24),
        "skills_preferred": many(5, 24),
        "years_experience": maybe({"type": "integer", "minimum": 0, "maximum": 40}),
        "languages": many(3, 16),
        "education": maybe(text(80)),
        "summary": maybe(text(160)),
        "red_flags": many(2, 60),
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
