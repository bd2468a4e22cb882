"""The record of one try of a request."""

from collections.abc import Callable

from ai.core.errors import BackendError
from ai.core.protocol import Backend, Completion
from ai.core.types import Figure
from ai.shapes.engines import CallRecord

CallSink = Callable[[CallRecord], None]
"""Takes the record of each try; must be quick and not raise."""
Tag = tuple[str, int, str]
"""The request's id, the number of the try, and why this back end was asked."""


def record_of(
    tag: Tag,
    ts: int,
    seconds: float,
    *,
    purpose: str,
    backend: Backend,
    model: str,
    done: Completion | None = None,
    error: BackendError | None = None,
) -> CallRecord:
    """The row of one try, answered or failed.

    Args:
        tag: which try of which request, and why.
        ts: when it began, microseconds since the epoch.
        seconds: how long it took.
        purpose: what the answer is for.
        backend: who was asked.
        model: the model that was asked for, where the engine does not say.
        done: the answer.
        error: why there is none.
    """
    final = done.final if done else None
    rate = final.generation_rate() if final else None
    usage = final.usage if final else None
    return CallRecord(
        call=tag[0], attempt=tag[1], ts=ts, purpose=purpose, backend=backend.name, engine=str(backend.engine),
        model=(final.model if final else "") or model,
        outcome="answered" if error is None else type(error).__name__, message="" if error is None else error.message,
        total_s=seconds, ttft_s=final.timings.ttft.value if final and final.timings.ttft else None,
        tokens_per_s=rate.value if rate else None, tokens_per_s_origin=rate.origin if rate else None,
        prompt_tokens=_whole(usage.prompt_tokens if usage else None), completion_tokens=_whole(usage.completion_tokens if usage else None),
        explanation=tag[2],
    )  # fmt: skip


def _whole(figure: Figure | None) -> int | None:
    return int(figure.value) if figure is not None else None
