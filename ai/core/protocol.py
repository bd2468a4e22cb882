"""What every model engine looks like to the rest of the program.

The protocol is **asynchronous**: one event loop can keep a deadline, a cancellation and several streams at once, and
ending a stream closes its connection, which is what frees the engine's slot. A backend object belongs to the event
loop that first uses it.

    async with aclosing(backend.stream(request)) as events:
        async for event in events:
            match event:
                case Chunk(): ...
                case Final(): ...   # always the last one; without it the answer is not complete and an error is raised
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ai.core.errors import StreamCut
from ai.core.types import (
    DEFAULT_DEADLINES,
    Capabilities,
    Chunk,
    Deadlines,
    EngineName,
    Event,
    Figure,
    Final,
    GenRequest,
    Health,
    LoadReport,
    LoadSpec,
    MemoryReport,
    Message,
)

EventStream = AsyncGenerator[Event, None]


@runtime_checkable
class Backend(Protocol):
    """A way to reach models.

    `name` tells this backend from the others (several servers may have the same `engine`). Every method that talks to
    the engine raises the errors of `ai.core.errors`, with `backend` set, and ends by its deadline.
    """

    @property
    def name(self) -> str:
        """Unique among the configured backends, short, shown to people."""
        ...

    @property
    def engine(self) -> EngineName | str:
        """The kind of engine."""
        ...

    def capabilities(self) -> Capabilities:
        """What it can do; known without asking it."""
        ...

    async def health(self, deadline_s: float = 2.0) -> Health:
        """Whether it is there. Never raises for what the engine does: a dead engine is an answer."""
        ...

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Have the model in memory as `spec` says; quick when it already is."""
        ...

    def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> EventStream:
        """The answer, piece by piece, then one `Final`.

        Uses what `ensure_loaded` was last asked for, and loads it again when it went away meanwhile. Setting `cancel`, closing
        the stream, and any deadline free the engine's slot; the first raises `Cancelled`, the last `BackendTimeout`.
        """
        ...

    async def count_tokens(self, content: str | tuple[Message, ...]) -> Figure:
        """Tokens of a text, or of a conversation with its template around it; `estimated` where the engine cannot count."""
        ...

    async def memory(self) -> MemoryReport:
        """What it holds now."""
        ...

    async def unload(self) -> None:
        """Free the model's memory; it is loaded again when needed."""
        ...

    async def close(self) -> None:
        """Let go of connections and end what was started; nothing may be called afterwards."""
        ...


@runtime_checkable
class Yielding(Protocol):
    """An engine that generates with fewer threads while other programs use the cores."""

    def fewest_threads(self, *, anew: bool = False) -> int | None:
        """The fewest that generated since this was last asked `anew`; None: all that it was given."""
        ...


@runtime_checkable
class Restarting(Protocol):
    """An engine in a worker of this program, which is started again when it ends."""

    @property
    def restarts_itself(self) -> bool:
        """True."""
        ...


@runtime_checkable
class SharedServer(Protocol):
    """A server that others use, too: a benchmark leaves it as it found it."""

    async def remember(self, model: str) -> bool:
        """Note what it has in memory; whether this model is there already, loaded by somebody else.

        Raises:
            BackendError: it does not answer.
        """
        ...

    async def restore(self) -> None:
        """Have in memory again what was noted, as it was, and nothing that was loaded since. Without a note, nothing.

        Raises:
            BackendError: it does not answer, or cannot load it.
        """
        ...


@runtime_checkable
class RawPrompts(Protocol):
    """A backend that may take a prompt as text (`GenRequest.raw`), and applies no template to it."""

    @property
    def takes_raw(self) -> bool:
        """Whether it does, once it is loaded: not every server of a kind."""
        ...


@runtime_checkable
class Templating(RawPrompts, Protocol):
    """A backend that can say what its model's template makes of a conversation."""

    async def prompt_text(self, messages: tuple[Message, ...]) -> str:
        """The prompt as text, with the model's chat template applied.

        Raises:
            BackendError: it does not answer.
        """
        ...


@runtime_checkable
class Watched(Protocol):
    """A backend whose engine can be seen at work from here."""

    async def working(self) -> bool:
        """Whether the engine computes at this moment; False where that cannot be seen. Takes about half a second."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. `arrivals` are (t_ns, characters) of its chunks; `answered_ns` is when the first of its text came, after all reasoning."""

    text: str
    reasoning: str
    final: Final
    arrivals: tuple[tuple[int, int], ...]
    answered_ns: int | None = None

    @property
    def thought(self) -> bool:
        """Whether the model reasoned, in a field of its own or between `<think>` and `</think>`."""
        return bool(self.reasoning.strip()) or self.text.lstrip().startswith(_THOUGHT) or _THOUGHT_END in self.text


_THOUGHT = "<think>"
_THOUGHT_END = "</think>"


def _answered(pieces: Sequence[tuple[int, str]]) -> int | None:
    """When the first of an answer came that is no thought; a thought's begin mark may have been in the prompt."""
    text = "".join(said for _, said in pieces)
    end = text.rfind(_THOUGHT_END)
    if end < 0 and text.lstrip().startswith(_THOUGHT):
        return None
    begin = end + len(_THOUGHT_END) if end >= 0 else 0
    begin += len(text[begin:]) - len(text[begin:].lstrip())
    so_far = 0
    for at, said in pieces:
        so_far += len(said)
        if so_far > begin:
            return at
    return None


async def complete(
    backend: Backend,
    request: GenRequest,
    *,
    deadlines: Deadlines = DEFAULT_DEADLINES,
    cancel: asyncio.Event | None = None,
    began: asyncio.Event | None = None,
) -> Completion:
    """The whole answer at once; streamed inside, so that a deadline frees the engine's slot. `began` is set with its first piece.

    Raises:
        BackendError: whatever the stream raises.
    """
    parts: dict[str, list[str]] = {"content": [], "reasoning": []}
    arrivals: list[tuple[int, int]] = []
    contents: list[tuple[int, str]] = []
    async with aclosing(backend.stream(request, deadlines=deadlines, cancel=cancel)) as events:
        async for event in events:
            if began is not None:
                began.set()
            if isinstance(event, Chunk):
                parts[event.kind].append(event.text)
                arrivals.append((event.t_ns, len(event.text)))
                contents += [(event.t_ns, event.text)] if event.kind == "content" else []
            else:
                said, thought = "".join(parts["content"]), "".join(parts["reasoning"])
                return Completion(said, thought, event, tuple(arrivals), _answered(contents))
    raise StreamCut(f"{backend.name} ended its answer without saying so.", backend=backend.name)
