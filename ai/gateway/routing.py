"""Which engines a call may go to, in which order: by the model it names, the policy's order, and which of them answer at the moment."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ai.core.breaker import BreakerPolicy, CircuitBreaker
from ai.core.errors import BackendError, BackendTimeout, ModelMissing
from ai.gateway.link.messages import Engine, Model, Need, Table

AUTO: Final = frozenset({"", "auto", "auto:latest"})
"""Model names that leave the choice to the policy."""


@dataclass(frozen=True, slots=True)
class Target:
    """An engine, and the model it is to answer with."""

    engine: Engine
    model: str


class Routes:
    """The engines that calls may go to. Failures of an engine are remembered for as long as it stays at its address.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}
        self._silent: set[str] = set()
        """Engines that were left alone because they said nothing: what else they answer tells nothing of that."""
        self.doubted: set[str] = set()
        """Engines that owe a call its first byte for longer than they should: asked behind the others."""
        self.table = Table()

    def take(self, table: Table) -> None:
        """Go on with these engines."""
        self.table = table
        places = {(engine.name, engine.address) for engine in table.engines}
        self._breakers = {place: self._breakers.get(place) or self._new() for place in places}

    def plan(self, wanted: str, need: Need) -> list[Target]:
        """The engines that have what is wanted, the first choice first. An engine's name may stand alone, or before a model's: `ollama/llama3.2`.

        Raises:
            ModelMissing: none has it; the message says why, and the hint what there is.
        """
        engines = self.table.engines
        if wanted in AUTO:
            found = [Target(e, model) for e in engines if (model := _own(e, need))]
            if found:
                return found
            raise ModelMissing(self._nothing(need), hint="The AI page says what each engine lacks.")
        for engine in engines:
            if wanted.removesuffix(":latest") == engine.name and (model := _own(engine, need)):
                return [Target(engine, model)]
        found = [Target(engine, name) for engine in engines if (name := _has(engine, wanted))]
        if found:
            return found
        for engine in engines:
            if wanted.startswith(f"{engine.name}/") and (name := _has(engine, wanted.removeprefix(f"{engine.name}/"))):
                return [Target(engine, name)]
        raise self._missing(wanted)

    def order(self, plan: list[Target], *, streams: bool) -> tuple[list[Target], Target | None]:
        """The plan without engines that are left alone after failures. One whose time is over is tried again: in its place where a silent one would be
        noticed (the answer is a stream), else behind the others. Where all are left alone, the first is asked all the same.

        Returns:
            The targets, and the one of them that is tried again: `left_untried` has to be asked about it afterwards.
        """
        again: Target | None = None
        plan = sorted(plan, key=lambda target: target.engine.name in self.doubted)
        able = [target for target in plan if self.breaker(target.engine).allows()]
        for place, target in enumerate(plan):
            breaker = self.breaker(target.engine)
            if breaker.probe_due() and breaker.begin_probe():
                behind = [t for t in able if plan.index(t) > place]
                able.insert(able.index(behind[0]) if behind and streams else len(able), target)
                again = target
                break
        return able or plan[:1], again

    def left_untried(self, target: Target) -> bool:
        """Whether a target that was to be tried again was not asked, because another one answered, or the program hung up.

        Its next try comes after a pause; where True, it may be looked at meanwhile: it was not silence that it was left alone for.
        """
        breaker = self.breaker(target.engine)
        if not breaker.probing:
            return False
        breaker.abandon_probe()
        return target.engine.name not in self._silent

    def was_silent(self, engine: Engine) -> bool:
        """Whether it was left alone because it said nothing."""
        return engine.name in self._silent

    def breaker(self, engine: Engine) -> CircuitBreaker:
        """What is known of an engine's health."""
        place = (engine.name, engine.address)
        if place not in self._breakers:  # it left the table while a call was under way
            return self._new()
        return self._breakers[place]

    def failed(self, engine: Engine, error: BackendError) -> None:
        """A call was not answered."""
        if isinstance(error, BackendTimeout) and error.phase != "connect":
            self._silent.add(engine.name)
        else:
            self._silent.discard(engine.name)
        self.breaker(engine).failed(error)

    def resting(self) -> dict[str, str]:
        """Engines that are left alone, with the reason."""
        return {name: b.reason for (name, _), b in self._breakers.items() if not b.allows()}

    def models(self) -> Mapping[str, tuple[Engine, Model]]:
        """Every model once, with the first engine that has it."""
        found: dict[str, tuple[Engine, Model]] = {}
        for engine in self.table.engines:
            for model in engine.models:
                found.setdefault(model.name, (engine, model))
        return found

    def _new(self) -> CircuitBreaker:
        return CircuitBreaker(BreakerPolicy(cool_down_s=5.0, longest_s=60.0), self._clock)

    def _nothing(self, need: Need) -> str:
        if not self.table.engines:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.table.excluded.items())
            return f"No engine can be used now ({why})." if why else "No engine can be used now."
        return (
            "No engine has a model that makes embeddings."
            if need == "embed"
            else "No engine has a model that can chat."
        )

    def _missing(self, wanted: str) -> ModelMissing:
        excluded = self.table.excluded.get(wanted)
        if excluded:
            return ModelMissing(f"The engine {wanted} is not used: {excluded.rstrip('.')}.")
        names = list(self.models())
        has = ", ".join(names[:12]) + (" and others" if len(names) > 12 else "")
        return ModelMissing(
            f"No engine has the model '{wanted[:100]}'.", hint=f"There is auto, {has}." if has else "There is none now."
        )


def _own(engine: Engine, need: Need) -> str:
    """The model that an engine answers with where none is named; empty where it has none for this."""
    if need == "chat":
        return engine.model
    return next((model.name for model in engine.models if model.embeds), "")


def _has(engine: Engine, wanted: str) -> str:
    """The engine's own name of a model; Ollama's `:latest` may be left out."""
    bare = wanted.removesuffix(":latest")
    return next((m.name for m in engine.models if m.name == wanted or m.name.removesuffix(":latest") == bare), "")
