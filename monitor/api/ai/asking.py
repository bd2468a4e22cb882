"""Questions of the API to the service: a deadline for each, and its errors as the API answers them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.responses import Response

from ai.core.errors import InputError, ModelMissing, NoEngine, TooSlow
from monitor.api.http.context import Context
from monitor.api.http.errors import DeadlinePassed, NotFound, error_answer
from monitor.api_models import ai as ai_models
from monitor.core.errors import Reported

if TYPE_CHECKING:
    from ai.service.service import AiService

ASK_S: Final = 15.0
ANSWER_S: Final = 30.0
"""Beside the deadline of the call itself, for what is done around it."""
T = TypeVar("T")


class Asking:
    """Calls of the service, each with a deadline, with its errors as errors of the API."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def ask(self, question: "Callable[[AiService], Awaitable[T]]", deadline_s: float = ASK_S) -> T:
        """The service's answer.

        Raises:
            DeadlinePassed: it took too long.
        """
        try:
            answer: T = await self._context.ai.call(question, deadline_s=deadline_s)
        except TooSlow as error:
            raise DeadlinePassed(error.message, hint=error.hint) from error
        return answer

    async def ask_of_newest(self, question: "Callable[[AiService], Awaitable[T]]") -> T:
        """The service's answer; where it knows no such engine or model, once more after a check: one that was just made or started counts.

        Raises:
            DeadlinePassed: it took too long.
        """
        try:
            return await self.ask(question)
        except (InputError, ModelMissing, NoEngine):
            await self._context.engines.refresh()
            return await self.ask(question)

    async def report(self, benchmark: str) -> ai_models.BenchmarkReport:
        """A finished benchmark.

        Raises:
            NotFound: there is none of that id.
        """
        found = await self.ask(lambda service: service.history.report(benchmark[:40]))
        if found is None:
            raise NotFound(f"there is no benchmark {benchmark[:40]!r}", hint="the AI page lists them below History")
        return found

    def answer_s(self) -> float:
        """Deadline of a whole analysis: that of the call, and some more."""
        return float(self._context.settings().ai.answer_s) + ANSWER_S


def refused(error: Reported, status: int) -> Response:
    """An error of the service, with the status that suits the request."""
    return error_answer(status, type(error).__name__, error.message, error.hint)
