"""Why a worker failed, as an error that says what to do: from what it told, how it ended, and what it wrote last."""

from typing import Final

from ai.core.errors import BackendDown, BackendError, BackendOutOfMemory, BadModelFile, MissingPiece
from ai.worker.process import Ended

_OOM_WORDS: Final = (
    "out of memory",
    "failed to allocate",
    "bad_alloc",
    "cannot allocate memory",
    "unable to allocate",
    "memoryerror",
)
_KINDS: Final[dict[str, tuple[type[BackendError], str]]] = {
    "out of memory": (BackendOutOfMemory, "Use a shorter context, a smaller cache type or a smaller model."),
    "bad model": (BadModelFile, "Fetch the model again, or name another one."),
    "missing": (MissingPiece, "`watchkeeper doctor` says what to install."),
}


def reported(name: str, kind: str, message: str) -> BackendError:
    """The error that a worker reported, by its kind."""
    error, hint = _KINDS.get(kind, (BackendDown, ""))
    return error(f"{name}: {message}", backend=name, hint=hint)


def error_of_end(name: str, reason: str, ended: Ended) -> BackendError:
    """The error of a worker that ended, told by why it was killed (`reason`), if it was, and by its last words."""
    if reason == "memory" or any(word in ended.tail.lower() for word in _OOM_WORDS):
        return BackendOutOfMemory(
            f"The worker of {name} needed more memory than it may have ({ended.words}).",
            backend=name,
            hint="Use a shorter context, a smaller cache type or a smaller model, or raise its memory limit.",
        )
    if reason == "hung":
        return BackendDown(
            f"The worker of {name} hung and was ended.", backend=name, hint="It is started again when needed."
        )
    last = ended.tail.strip().splitlines()[-1:] or [""]
    hint = (
        "The kernel may have killed it because memory ran out."
        if ended.code == -9
        else "It is started again when needed."
    )
    said = f": {last[0][:200]}" if last[0] else ""
    return BackendDown(f"The worker of {name} is gone; {ended.words}{said}.", backend=name, hint=hint)


def with_complaint(error: BackendError, tail: str) -> BackendError:
    """The error with the last complaint: libraries say why on standard error, and no more than "it failed" in what they raise."""
    lines = [line for line in tail.splitlines() if " E " in line or "error" in line.lower()]
    if lines:
        error.message = f"{error.message.rstrip('.')}: {lines[-1].strip()[:200]}."
        error.args = (error.message,)
    return error
