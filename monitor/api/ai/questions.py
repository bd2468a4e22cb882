"""Questions to a model that run in the background: ask, follow, cancel, read later."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.api.ai.evidence import Evidence
from monitor.api_models.ai import Citation, Opinion, OpinionState, Problem
from monitor.core.errors import REPORTED, AgentError, Reported

KEPT: Final = 50
"""Number of questions that are kept. The oldest finished one is dropped first."""
AT_ONCE: Final = 3
State = Literal["running", "done", "failed", "cancelled"]
Phase = Literal["reading", "answering"]
Gather = Callable[[], Evidence]
Ask = Callable[[Evidence, str], Awaitable[Opinion]]


class TooManyAsked(AgentError):
    """Too many questions are running."""


@dataclass(slots=True)
class Question:
    """A question and its state. Times in µs; `limit_s` is the deadline of the answer."""

    id: str
    started: int
    limit_s: float
    state: State = "running"
    phase: Phase = "reading"
    ended: int | None = None
    evidence: Evidence | None = None
    opinion: Opinion | None = None
    error: Reported | None = None
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def state_at(self, now: int) -> OpinionState:
        """The question for the API."""
        span = self.evidence.span if self.evidence else None
        error = self.error
        return OpinionState(
            id=self.id, state=self.state, phase=self.phase, started=self.started, limit_s=self.limit_s,
            elapsed_s=((self.ended or now) - self.started) / 1e6,
            records=self.evidence.records if self.evidence else None, matched=self.evidence.matched if self.evidence else None,
            span=span, measured=self._measured(), opinion=self.opinion,
            error=Problem(kind=type(error).__name__, message=error.message, hint=error.hint) if error else None,
        )  # fmt: skip

    def _measured(self) -> list[Citation]:
        """Processes and readings, most important first."""
        items = list(enumerate(self.evidence.items, 1)) if self.evidence else []
        return [item.cited(number) for number, item in reversed(items) if item.kind != "record"]


class ExplainService:
    """Belongs to the agent's event loop.

    Args:
        now: µs since the epoch.
        ask: puts evidence, and a person's own words, before a model; its opinion. Cancelling it frees the engine.
    """

    def __init__(self, now: Callable[[], int], ask: Ask) -> None:
        self._now, self._ask = now, ask
        self._questions: dict[str, Question] = {}

    def begin(self, gather: Gather, limit_s: float, words: str = "") -> Question:
        """Begin a question; `gather` reads the evidence, on a thread; `words` are the person's own.

        Raises:
            TooManyAsked: others are under way.
        """
        if sum(one.state == "running" for one in self._questions.values()) >= AT_ONCE:
            raise TooManyAsked(f"{AT_ONCE} questions are already running", hint="wait for one, or cancel one")
        question = Question(uuid.uuid4().hex[:12], self._now(), limit_s)
        self._questions[question.id] = question
        question.task = asyncio.create_task(self._run(question, gather, words), name=f"opinion {question.id}")
        ended = [name for name, one in self._questions.items() if one.state != "running"]
        for name in ended[: max(0, len(self._questions) - KEPT)]:
            del self._questions[name]
        return question

    def find(self, name: str) -> Question | None:
        """A question that is still kept."""
        return self._questions.get(name)

    def cancel(self, name: str) -> bool:
        """Cancel a question; returns whether it was running."""
        question = self._questions.get(name)
        if question is None or question.state != "running" or question.task is None:
            return False
        self._end(question, "cancelled")
        question.task.cancel()
        return True

    async def _run(self, question: Question, gather: Gather, words: str) -> None:
        try:
            question.evidence = await asyncio.to_thread(gather)
            question.phase = "answering"
            question.opinion = await self._ask(question.evidence, words)
        except REPORTED as error:
            question.error = error
            self._end(question, "failed")
        else:
            self._end(question, "done")

    def _end(self, question: Question, state: State) -> None:
        if question.state == "running":
            question.state, question.ended = state, self._now()
