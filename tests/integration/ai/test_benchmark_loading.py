"""Contenders that do not fit into memory together, or not at all: loaded in turn, or refused with a remedy; never both at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import pytest

from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, BenchmarkReport, Contender, Progress
from ai.benchmark.schedule import block_order, turns
from ai.benchmark.watch import NoMeter
from ai.core.errors import BackendOutOfMemory
from ai.core.types import DEFAULT_DEADLINES, Deadlines, Event, GenRequest, LoadReport, LoadSpec
from tests.doubles.scripted_backend import Script, ScriptedBackend
from tests.integration.ai.test_benchmark_run import Quiet

MIB = 1024 * 1024
PLAN = BenchmarkPlan(max_tokens=6, max_blocks=10, budget_s=30, batches=[1, 2], prompts=["summary"])


@dataclass
class Machine:
    """So much memory, and who holds how much of it."""

    size: int
    held: dict[str, int] = field(default_factory=dict)
    most: int = 0


class Holding(ScriptedBackend):
    """An engine that really needs its memory."""

    def __init__(self, name: str, machine: Machine, size: int, per_token: float) -> None:
        super().__init__(name, Script(ttft=0.004, per_token=per_token, tokens=64, memory=size))
        self._machine, self._size = machine, size

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Takes the memory.

        Raises:
            BackendOutOfMemory: there is not enough left.
        """
        machine = self._machine
        others = sum(size for name, size in machine.held.items() if name != self.name)
        if others + self._size > machine.size:
            raise BackendOutOfMemory(f"{self.name} found no memory.", backend=self.name, hint="Use less of it.")
        machine.held[self.name] = self._size
        machine.most = max(machine.most, sum(machine.held.values()))
        return await super().ensure_loaded(spec, deadline_s=deadline_s)

    async def unload(self) -> None:
        """Gives it back."""
        self._machine.held.pop(self.name, None)
        await super().unload()

    async def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[Event, None]:
        """Answers only what is loaded."""
        assert self.name in self._machine.held, f"{self.name} is asked while it is not in memory"
        async for event in super().stream(request, deadlines=deadlines, cancel=cancel):
            yield event


def run(
    machine: Machine, sizes: dict[str, int], *, predicted: bool = True, on_progress: Callable[[Progress], None] | None = None
) -> BenchmarkReport:  # fmt: skip
    """A benchmark of engines of these sizes; the second is twice as fast as the first."""
    speeds = [0.004, 0.002, 0.004]
    contenders = [
        Contender(
            Holding(name, machine, size, speed),
            LoadSpec("m", parallel=2),
            size if predicted else None,
            in_memory=predicted,
            remedy="Use a shorter context.",
        )
        for (name, size), speed in zip(sizes.items(), speeds, strict=False)
    ]
    available = lambda: machine.size - sum(machine.held.values())  # noqa: E731 - as the benchmark wants it
    benchmark = AIBackendBenchmark(contenders, PLAN, watch=Quiet(), meter=NoMeter(), available=available)
    return asyncio.run(benchmark.run(on_progress=on_progress))


@pytest.mark.parametrize("predicted", [True, False])
def test_what_does_not_fit_together_is_loaded_in_turn(*, predicted: bool) -> None:
    """By the prediction, or after the second one found no memory: one at a time, a verdict all the same, and the report says how."""
    machine = Machine(1000 * MIB)
    seen: list[str] = []
    report = run(
        machine,
        {"slow": 600 * MIB, "fast": 700 * MIB},
        predicted=predicted,
        on_progress=lambda p: seen.append(p.message),
    )
    assert machine.most <= 700 * MIB
    assert not any(c.unusable for c in report.contenders)
    (comparison,) = report.comparisons
    assert comparison.kind in {"faster", "not shown"}  # a busy machine may hide a difference, never turn it
    assert report.blocks >= 8
    assert "do not fit into memory at the same time" in report.notes[0]
    assert "Close other programs" in report.notes[0]
    assert "Loading fast again" in seen
    assert all(len(c.batches) == 2 and c.metrics["memory"].value for c in report.contenders)
    assert any(s.block == -1 and s.backend == "fast" for s in report.samples[4:])


def test_what_fits_together_stays_in_memory() -> None:
    """No turns where there is room."""
    machine = Machine(2000 * MIB)
    report = run(machine, {"slow": 600 * MIB, "fast": 700 * MIB})
    assert machine.most == 1300 * MIB
    assert not any("in turn" in note for note in report.notes)


def test_what_never_fits_is_refused_with_a_remedy_and_the_others_are_measured() -> None:
    """It is not even tried; the report says what would help."""
    machine = Machine(1500 * MIB)
    report = run(machine, {"slow": 500 * MIB, "fast": 600 * MIB, "huge": 4000 * MIB})
    huge = report.contenders[2]
    assert huge.unusable == "It was not loaded. Use a shorter context."
    assert "huge" not in machine.held
    assert report.comparisons[0].kind in {"faster", "not shown"}
    assert machine.most == 1100 * MIB


def test_turns_keep_the_order_that_was_drawn() -> None:
    """Both measurements of an engine follow each other; who begins is as often the one as the other."""
    orders = [turns(block_order(["a", "b"], block, 5)) for block in range(200)]
    assert {tuple(order) for order in orders} == {("a", "a", "b", "b"), ("b", "b", "a", "a")}
    assert 60 < sum(order[0] == "a" for order in orders) < 140
