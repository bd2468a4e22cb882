"""How long an engine may be silent before the next one is asked.

A short prompt: `first_token_s`. An engine that has answered before: three times as long as a prompt of this length took it then, if
that is more. One that has not: a second more for each hundred tokens above a thousand. An engine on this machine that computes is
reading, not hanging: it is waited for as long as its share of the call's time lasts. One that loads its model with the first
request has the deadline of a load.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ai.core.pacing import late
from ai.core.protocol import Backend, Completion, Watched, complete
from ai.core.types import Deadlines, GenRequest
from ai.prompt_integrity.check import CHARACTERS_PER_TOKEN

_TIMES: Final = 3.0
_SHORT: Final = 1000
_TOKENS_A_SECOND: Final = 100.0


def patience(first_token_s: float, request: GenRequest, reading_s: Callable[[float], float | None]) -> float:
    """Seconds that an engine may take to begin, by the length of the prompt.

    Args:
        first_token_s: for a short prompt.
        request: what is asked.
        reading_s: how long the engine took for a prompt of so many tokens until now, seconds; None when it has not answered yet.
    """
    tokens = sum(len(message.content) for message in request.messages) / CHARACTERS_PER_TOKEN
    known = reading_s(tokens)
    if known is not None:
        return max(first_token_s, _TIMES * known)
    return first_token_s + max(tokens - _SHORT, 0.0) / _TOKENS_A_SECOND


async def begun_in_time(
    backend: Backend, request: GenRequest, limits: Deadlines, silent_s: float, cancel: asyncio.Event | None
) -> Completion:
    """A whole answer that begins within `silent_s`; longer only while the engine can be seen at work.

    Raises:
        BackendTimeout: it did not begin; it is let go.
        BackendError: whatever the stream raises.
    """
    if silent_s >= limits.first_token_s:
        return await complete(backend, request, deadlines=limits, cancel=cancel)
    begun, began = time.perf_counter(), asyncio.Event()
    work = asyncio.create_task(complete(backend, request, deadlines=limits, cancel=cancel, began=began))
    first = asyncio.create_task(began.wait())
    try:
        await asyncio.wait({work, first}, timeout=silent_s, return_when=asyncio.FIRST_COMPLETED)
        while not (work.done() or began.is_set()):
            if not (isinstance(backend, Watched) and await backend.working()) and not (work.done() or began.is_set()):
                raise late(backend.name, "first token", time.perf_counter() - begun)
        return await work
    finally:
        for task in (work, first):
            task.cancel()
        await asyncio.gather(work, first, return_exceptions=True)
