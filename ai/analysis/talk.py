"""What happened while a model was asked about a posting, and the result that tells it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ai.analysis.ask import Reply
from ai.analysis.assemble import Assembly
from ai.analysis.prompt import PROMPT_VERSION
from ai.analysis.schema import Attempt, JobAnalysisResult, ModelAnswer, Provenance, Timing
from ai.analysis.text import guess_language
from ai.types import Figure

RULES: Final = "rules"
"""Who answers when no engine does."""
_ANSWERED: Final = frozenset({"answered", "repaired"})


@dataclass(frozen=True, slots=True)
class Said:
    """A usable answer about a piece of the posting, and whose it is."""

    answer: ModelAnswer
    piece: str
    backend: str


@dataclass(slots=True)
class Talk:
    """Questions and answers about one posting. `short` is a question for what rules left open; `unanswered` counts pieces."""

    said: list[Said] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    repaired: bool = False
    short: bool = False
    chunks: int = 1
    unanswered: int = 0
    max_tokens: int = 0


def result_of(assembly: Assembly, talk: Talk, seconds: float, *, with_rules: bool) -> JobAnalysisResult:
    """The result, and how it came to be. Where rules had a say (`with_rules`), `backend` is an engine only if a field is from it."""
    text = assembly.plain.original
    engine = _who(assembly, talk) if with_rules else talk.said[-1].backend
    if talk.said and engine is None:
        _nothing_held(talk)
    finals = [reply.final for reply in talk.replies]
    first = finals[0].timings.ttft if finals else None
    provenance = Provenance(
        how="rules" if engine is None else "model, repaired" if talk.repaired else "model",
        model=finals[-1].model[:200] if engine is not None else "",
        prompt_version=PROMPT_VERSION if talk.replies else "",
        text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        text_chars=len(text),
        language=guess_language(assembly.plain.text),
        chunks=talk.chunks,
        prompt_tokens=_sum(f.usage.prompt_tokens for f in finals),
        completion_tokens=_sum(f.usage.completion_tokens for f in finals),
        fields=assembly.source,
        unsupported=assembly.unsupported,
        notes=[note[:300] for note in talk.notes[:20]],
        attempts=talk.attempts[:30],
    )
    timing = Timing(
        total_s=seconds,
        first_token_s=first.value if first is not None else None,
        model_s=sum((f.t_ns - f.sent_ns) / 1e9 for f in finals) if finals else None,
    )
    return JobAnalysisResult(backend=engine or RULES, timing=timing, provenance=provenance, **assembly.result_fields())


def _who(assembly: Assembly, talk: Talk) -> str | None:
    """The engine that answered last among those a field is from; None when all is from rules."""
    held = set(assembly.source.values())
    return next((said.backend for said in reversed(talk.said) if said.backend in held), None)


def _nothing_held(talk: Talk) -> None:
    """Say of an engine that it answered, and that nothing of it is in the result."""
    names = ", ".join(dict.fromkeys(said.backend for said in talk.said))
    talk.notes.insert(0, f"{names} answered, and nothing of it held: no field is from it.")
    talk.attempts = [
        a.model_copy(update={"detail": f"{a.detail} Nothing of it held.".strip()[:400]})
        if a.outcome in _ANSWERED
        else a
        for a in talk.attempts
    ]


def _sum(figures: Iterable[Figure | None]) -> int | None:
    known = [int(figure.value) for figure in figures if figure is not None]
    return sum(known) if known else None
