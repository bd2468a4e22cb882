"""Analysing job postings: asks a model, checks what it says against the posting, and always answers."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from ai.analysis.ask import Asker, NoAnswer, Reply
from ai.analysis.assemble import Assembly, add_answer, add_assembly, add_rules
from ai.analysis.choices import as_answer, short_question
from ai.analysis.chunks import room_for_text, split
from ai.analysis.evidence import Searchable
from ai.analysis.prompt import (
    OVERHEAD_TOKENS,
    answer_tokens,
    parse_object,
    repair_request,
    request_for,
)
from ai.analysis.rules import Draft, extract
from ai.analysis.schema import JobAnalysisResult, ModelAnswer, model_schema
from ai.analysis.talk import Said, Talk, result_of
from ai.analysis.text import plain_text
from ai.analysis.trust import Trust, compare_sure
from ai.errors import ContextOverflow

DEFAULT_CONTEXT: Final = 2048
_SMALLEST_CUT: Final = 400
"""Characters of the smallest piece that is cut again when an engine did not read it whole."""
_DOUBTED_OFTEN: Final = 2
_FILLED_BY_DOUBTED: Final = ("title", "company", "locations", "summary")
"""Fields that nearly every posting fills: what a doubted model says there, and the posting too, is better than nothing."""


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
        talk = Talk()
        draft = extract(plain.text) if self._fill or self._asker is None else None
        if self._asker is not None and plain.text.strip():
            if draft is not None and self._doubts.get(self._latest, 0) >= _DOUBTED_OFTEN:
                await self._consult_shortly(self._asker, plain.text, draft, talk)
            else:
                await self._consult(self._asker, plain.text, talk)
        assembly = Assembly(plain)
        search = Searchable.of(plain.text)
        for said in talk.said:
            add_answer(assembly, said.answer, search, said.backend)
        with_rules = self._fill or not talk.said or talk.unanswered > 0
        if not talk.said or self._fill:
            assembly = self._joined(assembly, talk, draft or extract(plain.text))
        if talk.said and talk.unanswered:
            talk.notes.append(f"{talk.unanswered} piece(s) of the posting were read by rules only.")
            add_rules(assembly, extract(plain.text), only_missing=True)
        return result_of(assembly, talk, time.perf_counter() - begun, with_rules=with_rules)

    def _joined(self, modelled: Assembly, talk: Talk, draft: Draft) -> Assembly:
        """Model and rules together: who is to be believed more speaks first, the other fills what is left empty."""
        checks = [compare_sure(said.answer, draft) for said in talk.said]
        supported = len(modelled.evidence) + modelled.has("summary")
        trust = Trust(
            supported + len(modelled.unsupported),
            supported,
            sum(n for n, _ in checks),
            sum(agreed for _, agreed in checks),
        )
        if talk.said and not talk.short:
            self._latest = talk.replies[-1].final.model
            self._doubts[self._latest] = 0 if trust.enough else self._doubts.get(self._latest, 0) + 1
        if not talk.said or trust.enough:
            add_rules(modelled, draft, only_missing=bool(talk.said))
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

    async def _consult(self, asker: Asker, text: str, talk: Talk) -> None:
        """Ask about every piece of the text; a piece that turns out too long is asked about in halves."""
        context = await asker.context() or DEFAULT_CONTEXT
        waiting = split(text, room_for_text(context, OVERHEAD_TOKENS, answer_tokens(context)))
        waiting.reverse()
        talk.chunks = len(waiting)
        talk.max_tokens = answer_tokens(context)
        begun = time.monotonic()
        while waiting:
            if self._fill and talk.said and (why := self._enough(talk, time.monotonic() - begun)):
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
                if len(piece) < _SMALLEST_CUT:
                    talk.unanswered += 1
                    continue
                halves = split(piece, min(len(piece) // 2 + 200, len(piece) * 3 // 4))
                talk.chunks += len(halves) - 1
                waiting.extend(reversed(halves))

    def _enough(self, talk: Talk, spent: float) -> str:
        """Why no more pieces of a long posting are asked about; empty while it is worth while."""
        if spent > self._budget_s:
            return f"The engine was asked for {spent:.0f} s; the rest of the posting was read by rules only."
        said, supported = _weighed(talk.said[-1])
        doubted = not Trust(said, supported, 0, 0).enough
        return "Most of what the engine says does not stand in the posting; it was asked no further." if doubted else ""

    async def _consult_shortly(self, asker: Asker, text: str, draft: Draft, talk: Talk) -> None:
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
            talk.said.append(Said(answer, text, reply.backend))

    async def _ask_about(self, asker: Asker, piece: str, talk: Talk) -> bool:
        """Ask about one piece; False when the model did not see all of it."""
        request = request_for(piece, self._schema, talk.max_tokens)
        reply = await asker.ask(request)
        talk.attempts.extend(reply.attempts)
        if reply.final.truncated:
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
            talk.said.append(Said(answer, piece, talk.replies[-1].backend))
        return True


def _weighed(said: Said) -> tuple[int, int]:
    """(values an answer gives about a piece, those of them that stand there)."""
    scratch = Assembly(plain_text(said.piece))
    add_answer(scratch, said.answer, Searchable.of(scratch.plain.text), said.backend)
    supported = len(scratch.evidence) + scratch.has("summary")
    return supported + len(scratch.unsupported), supported


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


def analyze_job_content(job_description: str, *, asker: Asker | None = None, fill: bool = True) -> JobAnalysisResult:
    """What a job posting says; for callers outside of an event loop (`JobAnalyzer` is for those inside).

    Without an asker, and whenever it cannot answer, the rules answer; `result.backend` says who did.

    Raises:
        ConfigError: the text is longer than any posting.
        RuntimeError: called from inside an event loop.
    """
    return asyncio.run(JobAnalyzer(asker, fill=fill).analyze(job_description))
