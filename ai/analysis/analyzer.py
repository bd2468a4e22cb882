"""Analysing job postings: asks a model, checks what it says against the posting, and always answers."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from ai.analysis.ask import Asker, NoAnswer, Reply
from ai.analysis.assemble import Assembly, add_answer, add_assembly, add_rules
from ai.analysis.choices import as_answer, short_question
from ai.analysis.conversation import Conversation, Said, result_of
from ai.analysis.evidence import Searchable
from ai.analysis.posting.chunks import room_for_text, split
from ai.analysis.posting.languages import Unread, unread_language
from ai.analysis.posting.model_answer import ModelAnswer, model_schema, read_answer
from ai.analysis.posting.text import plain_text
from ai.analysis.prompt import (
    OVERHEAD_TOKENS,
    answer_tokens,
    parse_object,
    repair_request,
    request_for,
)
from ai.analysis.rules import Draft, extract
from ai.analysis.trust import Trust, compare_sure
from ai.core.errors import ContextOverflow
from ai.core.types import GenRequest
from ai.shapes.posting import JobAnalysisResult

DEFAULT_CONTEXT: Final = 2048
_SMALLEST_CUT: Final = 400
"""Characters of the smallest piece that is cut again when an engine did not read it whole."""
_DOUBTED_OFTEN: Final = 2
_USELESS_OFTEN: Final = 4
_SAYS_SOMETHING: Final = 2
_LEAST_LETTERS: Final = 8
"""A text with fewer letters has nothing that an engine could find; small models then write until they are stopped."""
_OF_A_POSTING: Final = ("title", "company", "salary", "employment_type", "years_experience", "education")
_NO_POSTING: Final = "This does not read like a job posting: no title, employer, pay or terms were found."
_HOPELESS: Final = "{} gave no answer that held the last times, and is not asked again until its model changes."
_FILLED_BY_DOUBTED: Final = ("title", "company", "locations", "summary")
"""Fields that nearly every posting fills: what a doubted model says there, and the posting too, is better than nothing."""


class JobAnalyzer:
    """Analyses postings; remembers of each model how many answers in a row did not hold, and then asks it a shorter question.

    Args:
        asker: gives a model's answers; None for rules alone.
        fill: let the rules fill the fields that the model left empty, or take precedence where the model cannot be trusted
            (`provenance.fields` says who filled which).
        budget_s: seconds after which no further piece of a long posting is asked about; rules read all of it anyway. Without `fill` there is no limit.
    """

    def __init__(self, asker: Asker | None = None, *, fill: bool = True, budget_s: float = 60.0) -> None:
        self._asker = asker
        self._fill = fill
        self._budget_s = budget_s
        self._latest = ""
        self._doubts: dict[str, int] = {}
        self._useless: dict[str, tuple[str, int]] = {}
        self._schema: dict[str, Any] = model_schema()

    async def analyze(self, job_description: str) -> JobAnalysisResult:
        """What the posting says. It always answers: when no model can, the rules do, and the result says so.

        Raises:
            InputError: the text is longer than any posting.
        """
        begun = time.perf_counter()
        plain = plain_text(job_description)
        conversation = Conversation()
        unread = unread_language(plain.text)
        if unread is not None:
            conversation.notes.append(unread.note())
        draft = self._draft(plain.text, unread) if self._fill or self._asker is None else None
        if self._asker is not None and sum(map(str.isalpha, plain.text)) >= _LEAST_LETTERS:
            conversation.avoid |= self._hopeless(self._asker)
            if conversation.avoid:
                conversation.notes.append(_HOPELESS.format(", ".join(sorted(conversation.avoid))))
            if draft is not None and self._doubts.get(self._latest, 0) >= _DOUBTED_OFTEN:
                await self._consult_shortly(self._asker, plain.text, draft, conversation)
            else:
                await self._consult(self._asker, plain.text, conversation)
        assembly = Assembly(plain)
        search = Searchable.of(plain.text)
        for said in conversation.said:
            add_answer(assembly, said.answer, search, said.backend)
        with_rules = self._fill or not conversation.said or conversation.unanswered > 0
        if not conversation.said or self._fill:
            assembly = self._joined(assembly, conversation, draft or self._draft(plain.text, unread))
        if conversation.said and conversation.unanswered:
            conversation.notes.append(f"{conversation.unanswered} piece(s) of the posting were read by rules only.")
            add_rules(assembly, self._draft(plain.text, unread), only_missing=True)
        if plain.text.strip() and unread is None and not any(assembly.has(name) for name in _OF_A_POSTING):
            conversation.notes.append(_NO_POSTING)
        return result_of(assembly, conversation, time.perf_counter() - begun, with_rules=with_rules)

    def _draft(self, text: str, unread: Unread | None) -> Draft:
        """What the rules find; nothing in letters that they do not read, where each word they know would be a guess."""
        return Draft() if unread is not None and unread.letters else extract(text)

    def _joined(self, modelled: Assembly, conversation: Conversation, draft: Draft) -> Assembly:
        """Model and rules together: who is to be believed more speaks first, the other fills what is left empty."""
        checks = [compare_sure(said.answer, draft) for said in conversation.said]
        supported = len(modelled.evidence) + modelled.has("summary")
        trust = Trust(
            supported + len(modelled.unsupported),
            supported,
            sum(n for n, _ in checks),
            sum(agreed for _, agreed in checks),
        )
        if conversation.said and not conversation.short:
            self._latest = conversation.replies[-1].final.model
            self._doubts[self._latest] = 0 if trust.enough else self._doubts.get(self._latest, 0) + 1
        if not conversation.said or trust.enough:
            add_rules(modelled, draft, only_missing=bool(conversation.said))
            return modelled
        conversation.notes.append(trust.note())
        assembly = Assembly(modelled.plain, unsupported=modelled.unsupported)
        add_rules(assembly, draft)
        add_assembly(assembly, modelled, _FILLED_BY_DOUBTED)
        return assembly

    async def analyze_many(self, job_descriptions: Sequence[str], *, concurrency: int = 4) -> list[JobAnalysisResult]:
        """Analyse several postings, at most `concurrency` at a time; results in the order given.

        Raises:
            InputError: one of the texts is longer than any posting.
        """
        slots = asyncio.Semaphore(max(concurrency, 1))

        async def one(text: str) -> JobAnalysisResult:
            async with slots:
                return await self.analyze(text)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(text)) for text in job_descriptions]
        return [task.result() for task in tasks]

    async def _consult(self, asker: Asker, text: str, conversation: Conversation) -> None:
        """Ask about every piece of the text; a piece that turns out too long is asked about in halves."""
        context = await asker.context() or DEFAULT_CONTEXT
        waiting = split(text, room_for_text(context, OVERHEAD_TOKENS, answer_tokens(context)))
        waiting.reverse()
        conversation.chunks = len(waiting)
        conversation.max_tokens = answer_tokens(context)
        begun = time.monotonic()
        while waiting:
            if self._fill and conversation.said and (why := self._enough(conversation, time.monotonic() - begun)):
                conversation.unanswered += len(waiting)
                conversation.notes.append(why)
                return
            piece = waiting.pop()
            try:
                whole = await self._ask_about(asker, piece, conversation)
            except NoAnswer as error:
                conversation.attempts.extend(error.attempts)
                if not isinstance(error.last, ContextOverflow):
                    conversation.unanswered += 1 + len(waiting)
                    return
                whole = False
            if not whole:
                if len(piece) < _SMALLEST_CUT:
                    conversation.unanswered += 1
                    continue
                halves = split(piece, min(len(piece) // 2 + 200, len(piece) * 3 // 4))
                conversation.chunks += len(halves) - 1
                waiting.extend(reversed(halves))

    def _enough(self, conversation: Conversation, spent: float) -> str:
        """Why no more pieces of a long posting are asked about; empty while it is worth while."""
        if spent > self._budget_s:
            return f"The engine was asked for {spent:.0f} s; the rest of the posting was read by rules only."
        said, supported = _weighed(conversation.said[-1])
        doubted = not Trust(said, supported, 0, 0).enough
        return (
            "Most of the engine's values are not in the posting, so it was not asked about the rest." if doubted else ""
        )

    async def _consult_shortly(self, asker: Asker, text: str, draft: Draft, conversation: Conversation) -> None:
        """Ask a model whose whole answers did not hold for what it can tell; not in its form means not answered."""
        question = short_question(text, draft)
        conversation.short = True
        conversation.notes.append(
            "The engine's earlier answers were not supported by the text, so it was asked only for a summary and where rules found nothing."
        )
        try:
            reply = await asker.ask(question.request, avoid=conversation.avoid)
        except NoAnswer as error:
            conversation.attempts.extend(error.attempts)
            return
        conversation.attempts.extend(reply.attempts)
        conversation.replies.append(reply)
        self._latest = reply.final.model  # another model than before is asked for all again
        try:
            answer = as_answer(parse_object(reply.text), question)
        except ValueError:
            answer = None
        said = Said(answer, text, reply.backend) if answer is not None else None
        if said is not None:
            conversation.said.append(said)
        if said is not None and _weighed(said)[1] > 0:
            self._useless.pop(reply.name, None)
        else:
            self._note_useless(asker, reply.name)

    async def _ask_about(self, asker: Asker, piece: str, conversation: Conversation) -> bool:
        """Ask about one piece, the next engine where an answer is of no use; False when the model did not see all of it."""
        request = request_for(piece, self._schema, conversation.max_tokens)
        hollow: Said | None = None
        problem = ""
        while True:
            try:
                reply = await asker.ask(request, avoid=conversation.avoid)
            except NoAnswer as error:
                if not problem or (hollow is None and isinstance(error.last, ContextOverflow)):
                    raise
                conversation.attempts.extend(error.attempts)
                self._without_use(conversation, hollow, problem)
                return True
            conversation.attempts.extend(reply.attempts)
            if reply.final.truncated:
                conversation.notes.append(
                    f"{reply.name} dropped a part of the prompt; the text was read in smaller pieces."
                )
                return False
            conversation.replies.append(reply)
            answer, problem = await self._checked(asker, request, reply, conversation)
            said = Said(answer, piece, conversation.replies[-1].backend) if answer is not None else None
            if said is not None and holds(said):
                self._useless.pop(reply.name, None)
                conversation.said.append(said)
                return True
            problem = problem or "The posting supports none of its values."
            hollow = hollow or said
            self._note_useless(asker, reply.name)
            conversation.avoid.add(reply.name)

    def _without_use(self, conversation: Conversation, hollow: Said | None, problem: str) -> None:
        """No engine gave an answer that holds: an empty one is kept, to be told of."""
        if hollow is not None:
            conversation.said.append(hollow)
            return
        conversation.unanswered += 1
        conversation.notes.append(f"A piece of the posting got no usable answer: {problem[:200]}")

    async def _checked(
        self, asker: Asker, request: GenRequest, reply: Reply, conversation: Conversation
    ) -> tuple[ModelAnswer | None, str]:
        """The answer, asked for once more where it has not the right form; None and what is wrong with it."""
        answer, problem = check_answer(reply)
        if answer is not None:
            if problem:
                conversation.notes.append(f"{reply.name} left something out, or wrote it wrongly: {problem[:200]}")
            return answer, ""
        conversation.repaired = True
        try:
            again = await asker.ask(repair_request(request, reply.text, problem), avoid=conversation.avoid)
        except NoAnswer as error:
            conversation.attempts.extend(error.attempts)
            return None, problem
        conversation.replies.append(again)
        answer, problem = check_answer(again)
        outcome = "repaired" if answer is not None else "BadOutput"
        conversation.attempts.extend(
            a.model_copy(update={"outcome": outcome, "detail": problem[:400]}) for a in again.attempts[-1:]
        )
        return answer, problem

    def _note_useless(self, asker: Asker, name: str) -> None:
        """One more answer of an engine that was of no use."""
        model, times = asker.models().get(name, ""), 0
        if name in self._useless and self._useless[name][0] == model:
            times = self._useless[name][1]
        self._useless[name] = model, times + 1

    def _hopeless(self, asker: Asker) -> set[str]:
        """Engines whose answers were of no use so often that they are not asked again before their model changes."""
        models = asker.models()
        return {
            name
            for name, (model, times) in self._useless.items()
            if times >= _USELESS_OFTEN and models.get(name) == model
        }


def holds(said: Said) -> bool:
    """Whether the piece supports anything of an answer that says something."""
    values, supported = _weighed(said)
    return values < _SAYS_SOMETHING or supported > 0


def _weighed(said: Said) -> tuple[int, int]:
    """(values an answer gives about a piece, those of them that stand there)."""
    scratch = Assembly(plain_text(said.piece))
    add_answer(scratch, said.answer, Searchable.of(scratch.plain.text), said.backend)
    supported = len(scratch.evidence) + scratch.has("summary")
    return supported + len(scratch.unsupported), supported


def check_answer(reply: Reply) -> tuple[ModelAnswer | None, str]:
    """The answer as far as it can be read, else None; and what is wrong with it."""
    try:
        answer, problems = read_answer(parse_object(reply.text))
    except ValueError as error:
        cut = " It was cut off at its token limit." if reply.final.finish_reason == "length" else ""
        return None, reply.final.instead or f"{error}{cut}"
    return answer, " ".join(problems)


def analyze_job_content(job_description: str, *, asker: Asker | None = None, fill: bool = True) -> JobAnalysisResult:
    """What a job posting says; for callers outside of an event loop (`JobAnalyzer` is for those inside).

    Without an asker, and whenever it cannot answer, the rules answer; `result.backend` says who did.

    Raises:
        InputError: the text is longer than any posting.
        RuntimeError: called from inside an event loop.
    """
    return asyncio.run(JobAnalyzer(asker, fill=fill).analyze(job_description))
