"""What happened while a model was asked about a posting, and the result that tells it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ai.analysis.ask import Reply
from ai.analysis.assemble import Assembly
from ai.analysis.posting.languages import unread_language
from ai.analysis.posting.model_answer import ModelAnswer
from ai.analysis.posting.text import guess_language
from ai.analysis.prompt import PROMPT_VERSION
from ai.core.types import Figure
from ai.shapes.posting import Attempt, JobAnalysisResult, Provenance, Timing

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
class Conversation:
    """Questions and answers about one posting. `short` is a question for what rules left open; `unanswered` counts pieces."""

    said: list[Said] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    repaired: bool = False
    short: bool = False
    chunks: int = 1
    unanswered: int = 0
    avoid: set[str] = field(default_factory=set)
    """Back ends whose answers to this posting, or to those before it, were of no use."""
    max_tokens: int = 0


def result_of(assembly: Assembly, conversation: Conversation, seconds: float, *, with_rules: bool) -> JobAnalysisResult:
    """The result, and how it came to be. Where rules had a say (`with_rules`), `backend` is an engine only if a field is from it."""
    text = assembly.plain.original
    engine = _who(assembly, conversation) if with_rules else conversation.said[-1].backend
    if conversation.said and engine is None:
        _nothing_held(conversation)
    finals = [reply.final for reply in conversation.replies]
    first = finals[0].timings.ttft if finals else None
    provenance = Provenance(
        how="rules" if engine is None else "model, repaired" if conversation.repaired else "model",
        model=finals[-1].model[:200] if engine is not None else "",
        prompt_version=PROMPT_VERSION if conversation.replies else "",
        text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        text_chars=len(text),
        language=None if unread_language(assembly.plain.text) else guess_language(assembly.plain.text),
        chunks=conversation.chunks,
        prompt_tokens=_sum(f.usage.prompt_tokens for f in finals),
        completion_tokens=_sum(f.usage.completion_tokens for f in finals),
        fields=assembly.source,
        unsupported=assembly.unsupported,
        notes=[note[:300] for note in conversation.notes[:20]],
        attempts=conversation.attempts[:30],
    )
    timing = Timing(
        total_s=seconds,
        first_token_s=first.value if first is not None else None,
        model_s=sum((f.t_ns - f.sent_ns) / 1e9 for f in finals) if finals else None,
    )
    return JobAnalysisResult(backend=engine or RULES, timing=timing, provenance=provenance, **assembly.result_fields())


def _who(assembly: Assembly, conversation: Conversation) -> str | None:
    """The engine that answered last among those a field is from; None when all is from rules."""
    held = set(assembly.source.values())
    return next((said.backend for said in reversed(conversation.said) if said.backend in held), None)


def _nothing_held(conversation: Conversation) -> None:
    """Say of an engine that it answered, and that nothing of it is in the result."""
    names = ", ".join(dict.fromkeys(said.backend for said in conversation.said))
    conversation.notes.insert(0, f"{names} answered, but the posting supports none of its values.")
    conversation.attempts = [
        a.model_copy(update={"detail": f"{a.detail} Nothing of it held.".strip()[:400]})
        if a.outcome in _ANSWERED
        else a
        for a in conversation.attempts
    ]


def _sum(figures: Iterable[Figure | None]) -> int | None:
    known = [int(figure.value) for figure in figures if figure is not None]
    return sum(known) if known else None
