"""Analysing job postings: asks a model, checks what it says against the posting, and always answers."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import ValidationError

from ai.analysis.ask import Asker, NoAnswer, Reply
from ai.analysis.assemble import Assembly, add_answer, add_assembly, add_rules
from ai.analysis.choices import as_answer, short_question
from ai.analysis.chunks import room_for_text, split
from ai.analysis.evidence import Searchable
from ai.analysis.prompt import (
    OVERHEAD_TOKENS,
    PROMPT_VERSION,
    answer_tokens,
    parse_object,
    repair_request,
    request_for,
)
from ai.analysis.rules import Draft, extract
from ai.analysis.schema import Attempt, JobAnalysisResult, ModelAnswer, Provenance, Timing, model_schema
from ai.analysis.text import guess_language, plain_text
from ai.analysis.trust import Trust, compare_sure
from ai.errors import ContextOverflow

DEFAULT_CONTEXT: Final = 2048
_DOUBTED_OFTEN: Final = 2
_FILLED_BY_DOUBTED: Final = ("title", "company", "locations", "summary")
"""Fields that nearly every posting fills: what a doubted model says there, and the posting too, is better than nothing."""
_CHARS_IN_A_TOKEN_AT_MOST: Final = 9


@dataclass(slots=True)
class _Talk:
    """What happened while a model was asked about one posting."""

    answers: list[ModelAnswer] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    repaired: bool = False
    short: bool = False
    chunks: int = 1
    unanswered: int = 0
    max_tokens: int = 0


class JobAnalyzer:
    """Analyses postings; remembers of each model how many answers in a row did not hold, and then asks it a shorter question.

    Args:
        asker: gives a model's answers; None for rules alone.
        fill: let the rules fill the fields that the model left empty, or speak first where the model is not to be believed
            (`provenance.fields` says who filled which).
        budget_s: seconds after which no further piece of a long posting is asked about; rules read all of it anyway. Without `fill` there is no limit.
    """

    def __init__(self, asker: Asker | None = None, *, fill: bool = True, budget_s: float = 60.0) -> None:
        self._asker = asker
        self._fill = fill
        self._budget_s = budget_s
        self._latest = ""
        self._doubts: dict[str, int] = {}
        self._schema: dict[str, Any] = model_schema()

    async def analyze(self, job_description: str) -> JobAnalysisResult:
        """What the posting says. It always answers: when no model can, the rules do, and the result says so.

        Raises:
            ConfigError: the text is longer than any posting.
        """
        begun = time.perf_counter()
        plain = plain_text(job_description)
        talk = _Talk()
        draft = extract(plain.text) if self._fill or self._asker is None else None
        if self._asker is not None and plain.text.strip():
            if draft is not None and self._doubts.get(self._latest, 0) >= _DOUBTED_OFTEN:
                await self._consult_shortly(self._asker, plain.text, draft, talk)
            else:
                await self._consult(self._asker, plain.text, talk)
        source = talk.replies[-1].backend if talk.answers else "rules"
        modelled = Assembly(plain)
        search = Searchable.of(plain.text)
        for answer in talk.answers:
            add_answer(modelled, answer, search, source)
        assembly = modelled
        if not talk.answers or self._fill:
            assembly = self._joined(modelled, talk, draft or extract(plain.text))
        return self._result(assembly, talk, source, time.perf_counter() - begun)

    def _joined(self, modelled: Assembly, talk: _Talk, draft: Draft) -> Assembly:
        """Model and rules together: who is to be believed more speaks first, the other fills what is left empty."""
        checks = [compare_sure(answer, draft) for answer in talk.answers]
        supported = len(modelled.evidence) + modelled.has("summary")
        trust = Trust(
            supported + len(modelled.unsupported),
            supported,
            sum(n for n, _ in checks),
            sum(agreed for _, agreed in checks),
        )
        if talk.answers and not talk.short:
            self._latest = talk.replies[-1].final.model
            self._doubts[self._latest] = 0 if trust.enough else self._doubts.get(self._latest, 0) + 1
        if not talk.answers or trust.enough:
            add_rules(modelled, draft, only_missing=bool(talk.answers))
            return modelled
        talk.notes.append(trust.note())
        assembly = Assembly(modelled.plain, unsupported=modelled.unsupported)
        add_rules(assembly, draft)
        add_assembly(assembly, modelled, _FILLED_BY_DOUBTED)
        return assembly

    async def analyze_many(self, job_descriptions: Sequence[str], *, concurrency: int = 4) -> list[JobAnalysisResult]:
        """Analyse several postings, at most `concurrency` at a time; results in the order given.

        Raises:
            ConfigError: one of the texts is longer than any posting.
        """
        slots = asyncio.Semaphore(max(concurrency, 1))

        async def one(text: str) -> JobAnalysisResult:
            async with slots:
                return await self.analyze(text)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(text)) for text in job_descriptions]
        return [task.result() for task in tasks]

    async def _consult(self, asker: Asker, text: str, talk: _Talk) -> None:
        """Ask about every piece of the text; a piece that turns out too long is asked about in halves."""
        context = await asker.context() or DEFAULT_CONTEXT
        waiting = split(text, room_for_text(context, OVERHEAD_TOKENS, answer_tokens(context)))
        waiting.reverse()
        talk.chunks = len(waiting)
        talk.max_tokens = answer_tokens(context)
        begun = time.monotonic()
        while waiting:
            if self._fill and talk.answers and (why := self._enough(talk, time.monotonic() - begun)):
                talk.unanswered += len(waiting)
                talk.notes.append(why)
                return
            piece = waiting.pop()
            try:
                whole = await self._ask_about(asker, piece, talk)
            except NoAnswer as error:
                talk.attempts.extend(error.attempts)
                if not isinstance(error.last, ContextOverflow):
                    talk.unanswered += 1 + len(waiting)
                    return
                whole = False
            if not whole:
                if len(piece) < 400:
                    talk.unanswered += 1
                    continue
                halves = split(piece, len(piece) // 2 + 200)
                talk.chunks += len(halves) - 1
                waiting.extend(reversed(halves))

    def _enough(self, talk: _Talk, spent: float) -> str:
        """Why no more pieces of a long posting are asked about; empty while it is worth while."""
        if spent > self._budget_s:
            return f"The engine was asked for {spent:.0f} s; the rest of the posting was read by rules only."
        said, supported = _weighed(talk.pieces[-1], talk.answers[-1])
        doubted = not Trust(said, supported, 0, 0).enough
        return "Most of what the engine says does not stand in the posting; it was asked no further." if doubted else ""

    async def _consult_shortly(self, asker: Asker, text: str, draft: Draft, talk: _Talk) -> None:
        """Ask a model whose whole answers did not hold for what it can tell; not in its form means not answered."""
        question = short_question(text, draft)
        talk.short = True
        talk.notes.append(
            "The engine's earlier answers did not hold: it was asked for a summary and where rules found nothing."
        )
        try:
            reply = await asker.ask(question.request)
        except NoAnswer as error:
            talk.attempts.extend(error.attempts)
            return
        talk.attempts.extend(reply.attempts)
        talk.replies.append(reply)
        self._latest = reply.final.model  # another model than before is asked for all again
        try:
            answer = as_answer(parse_object(reply.text), question)
        except ValueError:
            answer = None
        if answer is not None:
            talk.answers.append(answer)

    async def _ask_about(self, asker: Asker, piece: str, talk: _Talk) -> bool:
        """Ask about one piece; False when the model did not see all of it."""
        request = request_for(piece, self._schema, talk.max_tokens)
        reply = await asker.ask(request)
        talk.attempts.extend(reply.attempts)
        if was_truncated(reply, sum(len(m.content) for m in request.messages)):
            talk.notes.append(f"{reply.name} dropped a part of the prompt; the text was read in smaller pieces.")
            return False
        talk.replies.append(reply)
        answer, problem = check_answer(reply)
        if answer is None:
            talk.repaired = True
            again = await asker.ask(repair_request(request, reply.text, problem))
            talk.replies.append(again)
            answer, problem = check_answer(again)
            outcome = "repaired" if answer is not None else "BadOutput"
            talk.attempts.extend(
                a.model_copy(update={"outcome": outcome, "detail": problem[:400]}) for a in again.attempts[-1:]
            )
        if answer is None:
            talk.unanswered += 1
            talk.notes.append(f"A piece of the posting got no usable answer: {problem[:200]}")
        else:
            talk.answers.append(answer)
            talk.pieces.append(piece)
        return True

    def _result(self, assembly: Assembly, talk: _Talk, source: str, seconds: float) -> JobAnalysisResult:
        text = assembly.plain.original
        if talk.answers and talk.unanswered:
            talk.notes.append(f"{talk.unanswered} piece(s) of the posting were read by rules only.")
            add_rules(assembly, extract(assembly.plain.text), only_missing=True)
        how: Literal["model", "model, repaired", "rules"] = "rules"
        if talk.answers:
            how = "model, repaired" if talk.repaired else "model"
        finals = [reply.final for reply in talk.replies]
        first = finals[0].timings.ttft if finals else None
        provenance = Provenance(
            how=how,
            model=finals[-1].model[:200] if talk.answers else "",
            prompt_version=PROMPT_VERSION if talk.replies else "",
            text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            text_chars=len(text),
            language=guess_language(assembly.plain.text),
            chunks=talk.chunks,
            prompt_tokens=_sum(f.usage.prompt_tokens.value if f.usage.prompt_tokens else None for f in finals),
            completion_tokens=_sum(
                f.usage.completion_tokens.value if f.usage.completion_tokens else None for f in finals
            ),
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
        return JobAnalysisResult(backend=source, timing=timing, provenance=provenance, **assembly.result_fields())


def _weighed(piece: str, answer: ModelAnswer) -> tuple[int, int]:
    """(values an answer gives about a piece, those of them that stand there)."""
    scratch = Assembly(plain_text(piece))
    add_answer(scratch, answer, Searchable.of(scratch.plain.text), "model")
    supported = len(scratch.evidence) + scratch.has("summary")
    return supported + len(scratch.unsupported), supported


def was_truncated(reply: Reply, prompt_chars: int) -> bool:
    """Whether the model saw less than it was sent: it says so, or counts fewer tokens than the text can have."""
    tokens = reply.final.usage.prompt_tokens
    too_few = (
        tokens is not None and tokens.origin == "reported" and tokens.value * _CHARS_IN_A_TOKEN_AT_MOST < prompt_chars
    )
    return reply.final.truncated or too_few


def check_answer(reply: Reply) -> tuple[ModelAnswer | None, str]:
    """The answer when it has the right form, else None and what is wrong with it."""
    try:
        return ModelAnswer.model_validate(parse_object(reply.text)), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return None, f"{where or 'the object'}: {first['msg']}."
    except ValueError as error:
        cut = " It was cut off at its token limit." if reply.final.finish_reason == "length" else ""
        return None, f"{error}{cut}"


def _sum(values: Any) -> int | None:
    known = [int(v) for v in values if v is not None]
    return sum(known) if known else None


def analyze_job_content(job_description: str, *, asker: Asker | None = None, fill: bool = True) -> JobAnalysisResult:
    """What a job posting says; for callers outside of an event loop (`JobAnalyzer` is for those inside).

    Without an asker, and whenever it cannot answer, the rules answer; `result.backend` says who did.

    Raises:
        ConfigError: the text is longer than any posting.
        RuntimeError: called from inside an event loop.
    """
    return asyncio.run(JobAnalyzer(asker, fill=fill).analyze(job_description))
