"""What can go wrong with a model engine, classed by what a caller should do.

    AiError                      the base: message, hint, exit code
    ├── InputError               what was given is wrong: a posting, a choice, a file of labels
    ├── RecordsError             calls or benchmarks cannot be kept, or asked for, now
    ├── BenchmarkBusy, NoEngine, TooSlow, NothingToUse       what the service refuses
    └── BackendError             something an engine did
    ├── BackendDown              nobody answers at its address, or its worker ended      → another engine
    ├── BackendTimeout           it answers too late; `phase` says at what              → another engine
    ├── BackendOverloaded        its queue is full (429, 503)                           → later, or another engine
    │   └── BackendLoading       it is loading its model                                → soon, or another engine
    ├── BackendOutOfMemory       it ran out of (GPU) memory                             → another engine, less context
    ├── ContextOverflow          the prompt does not fit                                → shorten; no outage
    ├── ModelMissing             it does not have the model                             → fetch it; no outage
    ├── BadRequest               it refused what was asked                              → correct it; no outage
    ├── BadOutput                it answered, but not what was asked for                → try once more
    ├── StreamCut                the answer ended before its end                        → another engine
    ├── MissingPiece             a package, a GPU or a file it needs is not there       → install it; no outage
    ├── BadModelFile             the model's file is damaged, hostile or of an unknown kind   → another file; no outage
    └── Cancelled                the caller stopped it                                  → nothing

`outage` is true for what tells against the engine's health (a circuit breaker counts it).
"""

from typing import ClassVar, Literal

Phase = Literal["connect", "load", "first token", "between tokens", "total", "health"]


class AiError(Exception):
    """Base of the errors of `ai`: something a person can do something about.

    Args:
        message: what happened, one sentence.
        hint: what to do about it, one sentence; empty when there is nothing to do.
    """

    exit_code: int = 1
    """What the command line ends with."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(hint)  # a program that does not catch it shows the remedy below its traceback


class InputError(AiError):
    """What was given is wrong: a posting, a choice, a file of labels."""

    exit_code = 2


class RecordsError(AiError):
    """Calls or benchmarks cannot be kept, or asked for, now."""

    exit_code = 4


class BenchmarkBusy(AiError):
    """Another benchmark runs."""

    exit_code = 6


class NoEngine(AiError):
    """No engine can be measured."""

    exit_code = 6


class TooSlow(AiError):
    """The answer took longer than its deadline."""

    exit_code = 6


class NothingToUse(AiError):
    """No settings were shown to be faster, or there is no engine to use them with."""


class BackendError(AiError):
    """Something a model engine did. `backend` is its name; `retry_after_s` how long it wants to be left alone, seconds, where it says so."""

    exit_code: int = 6
    outage: ClassVar[bool] = True

    def __init__(self, message: str, *, backend: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.backend = backend
        self.retry_after_s: float | None = None


class BackendDown(BackendError):
    """Nobody answers at the engine's address, or its worker process ended."""


class BackendTimeout(BackendError):
    """The engine answers too late. `phase` says what was waited for, `waited_s` how long."""

    def __init__(self, message: str, *, phase: Phase, waited_s: float, backend: str = "", hint: str = "") -> None:
        super().__init__(message, backend=backend, hint=hint)
        self.phase = phase
        self.waited_s = waited_s


class BackendOverloaded(BackendError):
    """The engine's queue is full."""


class BackendLoading(BackendOverloaded):
    """The engine is loading its model, and will answer when it is done."""


class BackendOutOfMemory(BackendError):
    """The engine ran out of memory, of the machine or of the GPU."""


class ContextOverflow(BackendError):
    """The prompt (and what it should answer) is longer than the context. Tokens; None when not told."""

    outage: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        prompt_tokens: int | None = None,
        context: int | None = None,
        backend: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, backend=backend, hint=hint)
        self.prompt_tokens = prompt_tokens
        self.context = context


class ModelMissing(BackendError):
    """The engine does not have the model."""

    outage: ClassVar[bool] = False


class BadRequest(BackendError):
    """The engine refused the request as wrong."""

    outage: ClassVar[bool] = False


class Filtered(BadRequest):
    """A content filter of the engine refused the question, or its answer."""


class BadOutput(BackendError):
    """The engine answered, but not in a form that can be used."""


class StreamCut(BackendError):
    """The answer's stream ended before its last message."""


class MissingPiece(BackendError):
    """A package, a GPU or a file that the engine needs is not there."""

    outage: ClassVar[bool] = False


class BadModelFile(BackendError):
    """The model's file is damaged, hostile, or of a kind this program does not know."""

    outage: ClassVar[bool] = False


class Cancelled(BackendError):
    """The caller stopped the request."""

    outage: ClassVar[bool] = False
