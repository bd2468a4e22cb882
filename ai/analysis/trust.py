"""How far a model's answer on a posting may be believed, told from that answer alone, not from the model's name.

Two signs: how much of what it says stands in the posting, and whether it agrees with what rules read there with hardly a mistake
(pay, years, terms: precision 0.98 and more on held-out postings). A large model passes and speaks first; a tiny one that invents does
not, and then the rules take precedence.
"""

from dataclasses import dataclass
from typing import Final

from ai.analysis.posting.model_answer import ModelAnswer
from ai.analysis.rules import Draft
from ai.analysis.rules.lexicon.languages import canonical_language

_SUPPORTED: Final = 0.7
_AGREES: Final = 0.6
_LEAST_COMPARED: Final = 2


@dataclass(frozen=True, slots=True)
class Trust:
    """Values the answer gave and how many stand in the posting; sure fields both filled and how many agree."""

    said: int
    supported: int
    compared: int
    agreed: int

    @property
    def enough(self) -> bool:
        """Whether the model takes precedence over the rules."""
        if self.said and self.supported / self.said < _SUPPORTED:
            return False
        return self.compared < _LEAST_COMPARED or self.agreed / self.compared >= _AGREES

    def note(self) -> str:
        """Why the rules took precedence."""
        return (
            f"The rules take precedence here: {self.supported} of {self.said} values of the model are in the posting, "
            f"and it agrees with {self.agreed} of {self.compared} that rules are sure of."
        )


def compare_sure(answer: ModelAnswer, draft: Draft) -> tuple[int, int]:
    """(fields compared, fields that agree) among those that rules hardly get wrong and that both filled."""
    pairs: list[tuple[object, object]] = [
        (answer.remote_policy, draft.remote_policy and draft.remote_policy.value),
        (answer.employment_type, draft.employment_type and draft.employment_type.value),
        (answer.years_experience, draft.years_experience and draft.years_experience.value),
    ]
    checks = [said == found for said, found in pairs if said is not None and found is not None]
    if draft.salary is not None and (answer.salary_min or answer.salary_max):
        known = {draft.salary.salary.minimum, draft.salary.salary.maximum}
        checks.append(any(float(bound) in known for bound in (answer.salary_min, answer.salary_max) if bound))
    if draft.languages and answer.languages:
        spoken = {hit.value for hit in draft.languages}
        checks.append(any(canonical_language(name) in spoken for name in answer.languages))
    return len(checks), sum(checks)
