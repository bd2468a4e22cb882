"""Asking for one answer, whoever gives it: a single backend, or a router over several."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ai.core.errors import BackendError
from ai.core.protocol import Backend, complete
from ai.core.types import DEFAULT_DEADLINES, Deadlines, Final, GenRequest, LoadSpec
from ai.shapes.posting import Attempt


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and who gave it after which attempts. `backend` is the engine's kind, `name` the backend's own name."""

    text: str
    backend: str
    name: str
    final: Final
    attempts: tuple[Attempt, ...]


class NoAnswer(BackendError):
    """No backend answered; `attempts` says what each did, `last` is the last one's error."""

    outage = False

    def __init__(self, message: str, attempts: Sequence[Attempt], *, last: BackendError | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.attempts = tuple(attempts)
        self.last = last


class Asker(Protocol):
    """Gives answers."""

    async def ask(self, request: GenRequest, *, avoid: Collection[str] = ()) -> Reply:
        """One whole answer, from none of the back ends in `avoid`.

        Raises:
            NoAnswer: nobody could answer.
        """
        ...

    def models(self) -> Mapping[str, str]:
        """The model of each back end, by the back end's name."""
        ...

    async def context(self) -> int | None:
        """Tokens that prompt and answer may take together; None when not known."""
        ...

    def leaves_machine(self) -> bool:
        """Whether a text may be sent to another machine."""
        ...


class BackendAsker:
    """Asks one backend, with its model loaded as `spec` says."""

    def __init__(self, backend: Backend, spec: LoadSpec, *, deadlines: Deadlines = DEFAULT_DEADLINES) -> None:
        self._backend = backend
        self._spec = spec
        self._deadlines = deadlines
        self._context: int | None = spec.context

    async def ask(self, request: GenRequest, *, avoid: Collection[str] = ()) -> Reply:
        """One whole answer.

        Raises:
            NoAnswer: the backend failed, or is one to avoid.
        """
        if self._backend.name in avoid:
            raise NoAnswer("There is no other engine to ask.", [], last=None)
        begun = time.perf_counter()
        try:
            report = await self._backend.ensure_loaded(self._spec, deadline_s=self._deadlines.load_s)
            self._context = report.context or self._spec.context
            done = await complete(self._backend, request, deadlines=self._deadlines)
        except BackendError as error:
            attempt = failed_attempt(self._backend.name, error, time.perf_counter() - begun)
            raise NoAnswer(error.message, [attempt], last=error, hint=error.hint) from error
        taken = time.perf_counter() - begun
        attempt = Attempt(backend=self._backend.name, outcome="answered", seconds=taken)
        return Reply(done.text, str(self._backend.engine), self._backend.name, done.final, (attempt,))

    def models(self) -> Mapping[str, str]:
        """Its model."""
        return {self._backend.name: self._spec.model}

    async def context(self) -> int | None:
        """What was asked for, or what is in force once loaded."""
        return self._context

    def leaves_machine(self) -> bool:
        """Whether the backend is remote."""
        return self._backend.capabilities().remote


def failed_attempt(backend: str, error: BackendError, seconds: float) -> Attempt:
    """The record of an attempt that failed."""
    return Attempt(backend=backend, outcome=type(error).__name__, detail=error.message[:400], seconds=max(seconds, 0.0))
