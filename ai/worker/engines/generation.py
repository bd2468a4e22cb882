"""One thread that owns a token generator: everything that touches the GPU happens in it, in turns of all running jobs.

ExLlamaV2's and V3's dynamic generators look the same from here: `enqueue`, `cancel`, `iterate`, `num_remaining_jobs`.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ai.core.types import Sampling

Sink = Callable[[dict[str, Any]], None]
"""Takes one result of the generator, or `{"failed": message}`; called in the generator's thread."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to generate, in tokens."""

    ids: list[int]
    max_tokens: int
    sampling: Sampling
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None
    ignore_eos: bool = False


class TokenEngine(Protocol):
    """An engine that takes tokens. `generator` has `enqueue`, `cancel`, `iterate` and `num_remaining_jobs`.

    `reserved` are tokens of the context that the generator needs for itself, beside the prompt and the answer.
    """

    generator: Any
    context: int
    parallel: int
    reserved: int

    def encode(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text; `special`: names of special tokens in it become those tokens."""
        ...

    def new_job(self, job: Job, identifier: int) -> Any:
        """The generator's own job."""
        ...

    def vram(self) -> int | None:
        """Bytes reserved on the GPUs."""
        ...


@dataclass(slots=True)
class _Command:
    job: Job | None
    identifier: int
    sink: Sink | None = field(default=None)


class GenerationThread:
    """Feeds the generator and hands its results out.

    Args:
        engine: the engine; touched only in this thread from now on.
        broken: called when the generator failed: it cannot be used any more, and neither can the process.
    """

    def __init__(self, engine: TokenEngine, broken: Callable[[BaseException], None]) -> None:
        self._engine = engine
        self._broken = broken
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._running: dict[int, tuple[Any, Sink]] = {}
        self._numbers = iter(range(1, 2**62))
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)
        self._thread.start()

    @property
    def active(self) -> int:
        """Jobs that are not done."""
        return len(self._running)

    def submit(self, job: Job, sink: Sink) -> int:
        """Begin a job; its results go to `sink`. Returns its number, for `cancel`."""
        number = next(self._numbers)
        self._commands.put(_Command(job, number, sink))
        return number

    def cancel(self, number: int) -> None:
        """End a job, free its place; unknown numbers are left alone."""
        self._commands.put(_Command(None, number))

    def _run(self) -> None:
        try:
            while True:
                self._obey(wait=not self._running)
                if self._running:
                    for result in self._engine.generator.iterate():
                        self._hand_out(result)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the generator is done for: everyone is told, the process ends
            for _, sink in self._running.values():
                sink({"failed": str(error) or type(error).__name__})
            self._broken(error)

    def _obey(self, *, wait: bool) -> None:
        while wait or not self._commands.empty():
            command = self._commands.get()
            wait = False
            if command.job is None:
                found = self._running.pop(command.identifier, None)
                if found is not None:
                    self._engine.generator.cancel(found[0])
            elif command.sink is not None:
                self._begin(command.job, command.identifier, command.sink)

    def _begin(self, job: Job, number: int, sink: Sink) -> None:
        try:
            made = self._engine.new_job(job, number)
            self._engine.generator.enqueue(made)
        except (ValueError, TypeError, AssertionError, ImportError) as error:
            sink({"refused": str(error) or type(error).__name__})
            return
        self._running[number] = (made, sink)

    def _hand_out(self, result: dict[str, Any]) -> None:
        if result.get("stage") == "error":
            raise result["error"]  # V3's, which names none of these jobs: without this the caller would wait for ever
        number = result.get("identifier")
        found = self._running.get(number) if isinstance(number, int) else None
        if found is None:
            return
        if result.get("eos"):
            self._running.pop(result["identifier"], None)
        found[1](result)
