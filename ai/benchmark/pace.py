"""How many pairs there is time for, by what the first ones took: when to stop, and how long it will be."""

import math
import time
from collections.abc import Callable
from typing import Final

from ai.shapes.report import BenchmarkPlan
from ai.statistics.sequential import MIN_BLOCKS, SequentialPlan

_MOST_WITH_LOADS: Final = 4
"""Loading in turn is not counted into the time for the pairs, up to this many times that time in all."""
_LEAST: Final = 1 / 3
"""Of the time for the pairs, whatever loading took."""
_OVERTIME: Final = 2.0
"""So many times its time may a standard plan take where that gives a verdict, and it would have none without."""
_FOR_FIGURES: Final = 3
"""Blocks that are measured where even that gives no verdict: for figures alone."""


class Pace:
    """The time of the pairs.

    Args:
        plan: with the time that they may take.
        elapsed_s: what passed since the benchmark began.
        reloaded_s: time of loads so far; those during the pairs are not theirs.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        plan: BenchmarkPlan,
        *,
        elapsed_s: float = 0.0,
        reloaded_s: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._plan, self._clock, self._loads = plan, clock, reloaded_s
        self._begun = clock()
        self._budget = plan.budget_s
        if plan.verdict_s is not None:
            self._budget = max(min(plan.budget_s, plan.verdict_s - elapsed_s), _LEAST * plan.budget_s)
        self._prompts = list(plan.prompts)
        self._taken: dict[str, list[float]] = {}
        self._spent = 0.0
        self._done = 0
        self._hopeless = ""
        self.notes: list[str] = []
        self.sequential = self._planned(plan.max_blocks)

    def prompt(self, block: int) -> str:
        """The prompt of a block."""
        return self._prompts[block % len(self._prompts)]

    def block_done(self, prompt: str, reloaded_s: float) -> None:
        """A block of this prompt was measured."""
        spent = max(self._clock() - self._begun - (reloaded_s - self._loads), 1e-6)
        self._taken.setdefault(prompt, []).append(spent - self._spent)
        self._spent, self._done = spent, self._done + 1
        without_hope = self._done == 1 and self._needed(spent) > _OVERTIME * self._budget
        if without_hope or self._done == len(self._plan.prompts):
            self._look()

    def is_up(self) -> str:
        """Why this block was the last, in words; empty while there is time."""
        if self._done >= self.sequential.looks[-1].blocks:
            return "the planned number of pairs is done"
        if self._hopeless and self._done >= _FOR_FIGURES:
            return self._hopeless
        whole = self._clock() - self._begun
        if self._spent + self._each() > self._budget or whole > _MOST_WITH_LOADS * self._budget:
            return self._hopeless or "the time is up"
        return ""

    def left_s(self) -> float:
        """Seconds until the last pair at the latest, loads in turn included."""
        whole = self._clock() - self._begun
        planned = _FOR_FIGURES if self._hopeless else self.sequential.looks[-1].blocks
        blocks = max(planned - self._done, 0) * self._each()
        return min(blocks, max(self._budget - self._spent, 0.0)) * whole / self._spent

    def _each(self) -> float:
        """A block, by the mean of each prompt that is still asked."""
        means = [sum(self._taken[p]) / len(self._taken[p]) for p in self._prompts if p in self._taken]
        return sum(means) / len(means) if means else self._spent / max(self._done, 1)

    def _look(self) -> None:
        """After each prompt was asked once: how many pairs fit, and what to do where they are too few for a verdict."""
        standard, self._hopeless = self._plan.verdict_s is not None, ""
        if standard and self._needed(self._each()) > self._budget:
            cheapest = min(self._taken, key=lambda p: self._taken[p][0])
            if len(self._prompts) > 1 and self._taken[cheapest][0] < 0.7 * self._each():
                self._prompts = [cheapest]
                self.notes.append(
                    f"Only the prompt {cheapest!r} was repeated: with all of them there would be too few pairs in {self._budget:.0f} s."
                )
        if standard and (needed := self._needed(self._each())) > self._budget:
            if needed <= _OVERTIME * self._budget:
                self._budget = 1.1 * needed
            else:
                minutes = math.ceil(needed / 60)
                self._hopeless = (
                    f"{MIN_BLOCKS} pairs would take about {minutes} min: give it the time with --seconds {60 * minutes}"
                )
        room = self._done + int((self._budget - self._spent) / max(self._each(), 1e-6))
        self.sequential = self._planned(max(MIN_BLOCKS, min(self._plan.max_blocks, room)))

    def _needed(self, each: float) -> float:
        """Seconds of the pairs that a verdict needs at least."""
        return self._spent + max(MIN_BLOCKS - self._done, 0) * each

    def _planned(self, blocks: int) -> SequentialPlan:
        plan = self._plan
        return SequentialPlan(blocks, plan.alpha, plan.margin, plan.settle)
