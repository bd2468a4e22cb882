"""The same weights are given the same text: the chat template is applied once, and every engine that has this file is sent what came out.

Two engines apply a template each in their own way, and one may add a system message of its own: the same question was 38 tokens to one and 59
to the other. Their speeds then are not of the same work.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ai.benchmark.contender import Contender
from ai.benchmark.samples.comparable import alike
from ai.core.errors import BackendError
from ai.core.protocol import RawPrompts, Templating
from ai.core.types import GenRequest
from ai.shapes.report import LoadRow


class Loaded(Protocol):
    """A contender with what it loaded."""

    contender: Contender
    load: LoadRow | None


class SameText:
    """Decides once all are loaded; then makes the requests of those that share their weights."""

    def __init__(self) -> None:
        self._template: Templating | None = None
        self._names: tuple[str, ...] = ()
        self._own = False

    @property
    def notes(self) -> list[str]:
        """What a reader must know."""
        if self._own or not self._names:
            return []
        *most, last = self._names
        return [
            f"{', '.join(most)} and {last} have the same file of weights: each prompt was sent to them as the same text, the chat template applied once."
        ]

    async def decide(self, entries: Sequence[Loaded]) -> None:
        """Find those with the same weights as an engine that can apply their template; mark their loads."""
        for entry in entries:
            backend = entry.contender.backend
            if entry.load is None or not isinstance(backend, Templating):
                continue
            group = [one for one in entries if _takes(one) and one.load and alike(one.load.weights, entry.load.weights)]
            if len(group) < 2:
                continue
            self._template, self._names = backend, tuple(one.contender.backend.name for one in group)
            # Settings of one engine: nobody would expect another file
            self._own = all(isinstance(one.contender.backend, Templating) for one in group)
            for one in group:
                assert one.load is not None  # noqa: S101 - chosen for it
                one.load = one.load.model_copy(update={"raw": True})
            return

    async def request(self, name: str, request: GenRequest) -> GenRequest:
        """The request as this contender is sent it."""
        if self._template is None or name not in self._names:
            return request
        try:
            return replace(request, raw=await self._template.prompt_text(request.messages))
        except BackendError:
            return request  # the engine that applies the template is away: its own measurement says so


def _takes(entry: Loaded) -> bool:
    return isinstance(entry.contender.backend, RawPrompts) and entry.contender.backend.takes_raw
