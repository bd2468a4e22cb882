"""What an Ollama has in memory, asked before each call: somebody loaded a model with a context, and a call without one would load it anew with another.

An engine's OpenAI routes use a context of their own, which is learned where nothing was loaded when a call came. While a model has that one, calls go
there as they are.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from ai.core.errors import BackendError
from ai.gateway.routing import Target

_WELL: Final = 200
_ASK_S: Final = 1.0
Ask = Callable[[Target, str, float], Awaitable[tuple[int, bytes]]]
"""Asks an engine a small question by its path, within so many seconds: status and body."""


class Held(NamedTuple):
    """What a call to an Ollama has to know: the tokens of context to name (None where it may stay as it is), and whether it loads the model."""

    context: int | None = None
    loads: bool = False


class Contexts:
    """The contexts that calls have to keep.

    Args:
        ask: see `Ask`.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._usual: dict[tuple[str, str, str], int] = {}
        self._loading: set[tuple[str, str, str]] = set()

    async def kept(self, target: Target, *, unsaid: bool) -> Held:
        """What a call has to know.

        Args:
            target: an Ollama, and the model.
            unsaid: the call names its context nowhere, so it is for this one to do; False for a route on which it cannot be named.
        """
        place = (target.engine.name, target.engine.address, target.model)
        try:
            status, body = await self._ask(target, "/api/ps", _ASK_S)
        except BackendError:
            return Held()  # the call itself shows what is wrong
        held = context_of(body, target.model) if status == _WELL else None
        if held is None:
            self._loading.add(place)  # by this call, with the usual context
            return Held(loads=status == _WELL)
        if place in self._loading:
            self._loading.discard(place)
            self._usual[place] = held
        return Held(held if unsaid or self._usual.get(place) != held else None)


def context_of(body: bytes, model: str, now: datetime | None = None) -> int | None:
    """The context that a model has in memory by `/api/ps`; None where it is not there, or on its way out."""
    try:
        rows = msgspec.json.decode(body)["models"]
        row = next(row for row in rows if _same(str(row.get("model") or row.get("name")), model))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, StopIteration):
        return None
    context = row.get("context_length")
    return context if isinstance(context, int) and context > 0 and not _over(row, now or datetime.now(UTC)) else None


def _same(one: str, other: str) -> bool:
    return one.lower().removesuffix(":latest") == other.lower().removesuffix(":latest")


def _over(row: dict[str, Any], now: datetime) -> bool:
    """Whether it was let go: it is listed for a moment, its end in the past."""
    try:
        end = datetime.fromisoformat(str(row.get("expires_at")))
    except ValueError:
        return False
    return end.tzinfo is not None and end < now
