"""How many pairs there is time for, by what was measured so far: when to stop, and how long it will be."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from ai.shapes.report import BenchmarkPlan
from ai.statistics.sequential import MIN_BLOCKS, SequentialPlan

_MOST_WITH_LOADS: Final = 4
"""Loading in turn is not counted into the time for the pairs, up to this many times that time in all."""
_LEAST: Final = 1 / 3
"""Of the time for the pairs, whatever loading took."""
_OVERTIME: Final = 5 / 3
"""So many times its time may a plan take: a standard one where that gives a verdict and it would have none without, any one in the middle of a pair."""
_FOR_FIGURES: Final = 3
"""Blocks that are measured where even that gives no verdict: for figures alone."""
_COLD: Final = 2.0
"""The first answer of an engine may take so many times as long as those that follow."""


class Pace:
    """The time of the pairs.

    Args:
        plan: with the time that they may take.
        elapsed_s: what passed since the benchmark began.
        reloaded_s: time of loads so far; those during the pairs are not theirs.
        answers_s: what an answer of each contender took in the warm-up, in seconds; empty where none was measured.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        plan: BenchmarkPlan,
        *,
        elapsed_s: float = 0.0,
        reloaded_s: float = 0.0,
        answers_s: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._plan, self._clock, self._loads = plan, clock, reloaded_s
        self._begun = clock()
        self._budget = plan.budget_s
        if plan.verdict_s is not None:
            self._budget = max(min(plan.budget_s, plan.verdict_s - elapsed_s), _LEAST * plan.budget_s)
        self._limit = time_for_pairs(plan, elapsed_s)
        self._expected = 2 * sum((answers_s or {}).values())
        self._prompts = list(plan.prompts)
        self._taken: dict[str, list[float]] = {}
        self._spent = 0.0
        self._done = self._usable = 0
        self._hopeless = self._short = ""
        if MIN_BLOCKS * self._expected / _COLD > self._limit:
            self._hopeless = lack(self._expected)
        self.notes: list[str] = []
        self.sequential = self._planned(plan.max_blocks)

    @property
    def short(self) -> str:
        """What a verdict would have needed, in words; empty where it was not time that was lacking."""
        return self._short

    @property
    def hopeless(self) -> str:
        """Why there will be no verdict, as far as is known by now; empty while there may be one."""
        return self._hopeless

    def prompt(self, block: int) -> str:
        """The prompt of a block."""
        return self._prompts[block % len(self._prompts)]

    def block_done(self, prompt: str, reloaded_s: float, usable: int | None = None) -> None:
        """A block of this prompt was measured; so many of all blocks gave pairs that a verdict can be made of (None: each)."""
        spent = self._passed(reloaded_s)
        self._usable = self._done + 1 if usable is None else usable
        self._taken.setdefault(prompt, []).append(spent - self._spent)
        self._spent, self._done = spent, self._done + 1
        without_hope = self._done == 1 and self._needed(spent) > self._limit
        if without_hope or self._done == len(self._plan.prompts):
            self._look()

    def answer_s(self, reloaded_s: float) -> float:
        """Seconds that the next answer may take: no pair goes on when the time is up. Zero or less: there is none left."""
        return self._latest() - self._passed(reloaded_s)

    def cut_off(self, reloaded_s: float) -> str:
        """Why a pair was given up in its middle."""
        if self._done >= MIN_BLOCKS:
            return "the time is up"
        passed = self._passed(reloaded_s)
        each = max(passed - self._spent, self._each(), passed / (self._done + 1))
        self._short = lack(each, more=self._done == 0)
        return self._short

    def is_up(self) -> str:
        """Why this block was the last, in words; empty while there is time."""
        if self._made_up() and self._done >= MIN_BLOCKS:
            return ""
        if self._done >= self._most():
            return "the planned number of pairs is done"
        whole = self._clock() - self._begun
        out_of_time = self._spent + self._each() > self._budget or whole > _MOST_WITH_LOADS * self._budget
        if not out_of_time and not (self._hopeless and self._done >= _FOR_FIGURES):
            return ""
        if not self._hopeless and self._done >= MIN_BLOCKS:
            return "the time is up"
        self._short = self._hopeless or lack(self._each())
        return self._short

    @property
    def planned(self) -> int:
        """How many pairs there are at most."""
        return max(self._most(), self._done + self._made_up())

    def _most(self) -> int:
        return min(self.sequential.looks[-1].blocks, self._plan.max_blocks)

    def _made_up(self) -> int:
        """Blocks that make up for those that cannot be used, where there is time for a verdict with them and none without; else 0. A plan of fewer pairs than that asks for figures alone."""
        lacking = MIN_BLOCKS - self._usable
        asked_for_one = self._plan.verdict_s is not None and self._plan.max_blocks >= MIN_BLOCKS
        if not asked_for_one or self._hopeless or lacking <= 0 or 2 * self._usable < self._done:
            return 0
        more = math.ceil(lacking * self._done / self._usable) if self._usable else lacking
        loads = self._clock() - self._begun > _MOST_WITH_LOADS * self._budget
        return more if self._spent + more * self._each() <= self._limit and not loads else 0

    def left_s(self) -> float | None:
        """Seconds until the last pair at the latest, loads in turn included; None while nothing is known."""
        if not self._done:
            return min(self._to_do() * self._expected, self._latest()) if self._expected else None
        whole = self._clock() - self._begun
        return min(self._to_do() * self._each(), max(self._time() - self._spent, 0.0)) * whole / self._spent

    def _time(self) -> float:
        return self._limit if self._done >= MIN_BLOCKS and self._made_up() else self._budget

    def _latest(self) -> float:
        """Seconds after which no pair goes on: further figures alone are not worth overtime."""
        return self._budget if self._hopeless and self._done else self._limit

    def _to_do(self) -> int:
        planned = _FOR_FIGURES if self._hopeless else self.planned
        return max(planned - self._done, 0)

    def _passed(self, reloaded_s: float) -> float:
        return max(self._clock() - self._begun - (reloaded_s - self._loads), 1e-6)

    def _each(self) -> float:
        """A block, by the mean of each prompt that is still asked."""
        means = [sum(self._taken[p]) / len(self._taken[p]) for p in self._prompts if p in self._taken]
        return sum(means) / len(means) if means else self._expected

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
            if needed <= self._limit:
                self._budget = min(1.1 * needed, self._limit)
            else:
                self._hopeless = lack(needed / MIN_BLOCKS)
        room = self._done + int((self._budget - self._spent) / max(self._each(), 1e-6))
        self.sequential = self._planned(max(MIN_BLOCKS, min(self._plan.max_blocks, room)))

    def _needed(self, each: float) -> float:
        """Seconds of the pairs that a verdict needs at least."""
        return self._spent + max(MIN_BLOCKS - self._done, 0) * each

    def _planned(self, blocks: int) -> SequentialPlan:
        plan = self._plan
        return SequentialPlan(blocks, plan.alpha, plan.margin, plan.settle)


def time_for_pairs(plan: BenchmarkPlan, elapsed_s: float) -> float:
    """Seconds from now in which the pairs are over at the latest, loads in turn not counted: a part of the time is theirs whatever went before."""
    if plan.verdict_s is None:
        return _OVERTIME * plan.budget_s
    return max(_OVERTIME * plan.verdict_s - elapsed_s, _OVERTIME * _LEAST * plan.budget_s)


def too_slow(plan: BenchmarkPlan, elapsed_s: float, answers_s: Mapping[str, float]) -> dict[str, str]:
    """The slowest engines, without which the others can be compared in the time there is: name → why. At least two stay, or none goes.

    Args:
        plan: how to measure.
        elapsed_s: what passed since the benchmark began.
        answers_s: what an answer of each took in the warm-up, in seconds.
    """
    by_speed = sorted(answers_s, key=lambda name: answers_s[name])
    most = time_for_pairs(plan, elapsed_s) / MIN_BLOCKS * _COLD

    def fit(stay: list[str]) -> bool:
        return 2 * sum(answers_s[name] for name in stay) <= most

    kept = next((by_speed[:n] for n in range(len(by_speed), 1, -1) if fit(by_speed[:n])), by_speed)
    return {
        name: f"One answer took {answers_s[name]:.0f} s, and the others would have had no verdict beside it: {lack(2 * sum(answers_s.values()))}."
        for name in by_speed[len(kept) :]
    }


def lack(each_s: float, *, more: bool = False) -> str:
    """What a verdict would need, in words: a pair takes so many seconds, or `more`."""
    minutes = max(math.ceil(MIN_BLOCKS * each_s / 60), 1)
    about, seconds = ("more than", 120 * minutes) if more else ("about", 60 * minutes)
    return f"{MIN_BLOCKS} pairs would take {about} {minutes} min here: give them the time (ai.benchmark_s in the settings, or --seconds {seconds})"
