"""Prompts and answers of given lengths: how fast an engine reads and generates, as llama-bench's table says it, and what a warm prompt saves."""

import random
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ai.benchmark.samples.guards import ENVIRONMENT
from ai.benchmark.schedule import HEAD_WORDS
from ai.core.types import GenRequest, Message
from ai.shapes.report import SampleRow
from ai.shapes.workload import Length, LengthRow

Ask = Callable[[GenRequest, str], Awaitable[SampleRow]]
"""Takes a measurement of this request; the second argument names it."""
_FEW: Final = 16
_MANY: Final = 144
"""Words of the two prompts that calibrate."""
_UNTRUE: Final = frozenset({"stalled", "clock jump", "suspended", "failed", "engine restarted", "prompt truncated"})
"""Flags of a measurement that says nothing of any length; the others compare pairs, or are meant here (a warm prompt)."""
_AWAY: Final = 0.1
"""A prompt whose length is further than this part from the one that was asked for is told."""


@dataclass(slots=True)
class Ruler:
    """How long a text an engine takes for so many tokens: each takes its own template and its own vocabulary."""

    overhead: float = 0.0
    per_word: float = 1.0

    @classmethod
    def of(cls, few: SampleRow, many: SampleRow) -> "Ruler":
        """From two prompts of `few` and `many` words; a token a word where the engine does not count."""
        if few.prompt_tokens is None or many.prompt_tokens is None or many.prompt_tokens <= few.prompt_tokens:
            return cls()
        per_word = (many.prompt_tokens - few.prompt_tokens) / (_MANY - _FEW)
        return cls(max(few.prompt_tokens - per_word * _FEW, 0.0), per_word)

    def words(self, tokens: int) -> int:
        """Words of a prompt of so many tokens, its template included."""
        return max(round((tokens - self.overhead) / self.per_word), 1)


@dataclass(slots=True)
class LengthTest:
    """The measurements of one length on one engine."""

    length: Length
    cold: list[SampleRow] = field(default_factory=list)
    warm: list[SampleRow] = field(default_factory=list)

    async def once(self, ask: Ask, ruler: Ruler, seed: str) -> None:
        """Measure it once: the prompt that was never sent before, then, where only reading is measured, the same once more."""
        length, name = self.length, self.length.name
        head = _text(ruler.words(length.depth), f"{seed}:depth") if length.depth else ""
        if length.prompt and length.depth:  # have the engine read what comes before, so that only the rest is timed
            await ask(_request(head, 1, keep=True), f"{name}, before")
            more = _text(max(round(length.prompt / ruler.per_word), 1), seed)
            self.cold.append(await ask(_request(f"{head} {more}", max(length.answer, 1), keep=True), name))
            return
        text = head or _text(ruler.words(length.prompt) if length.prompt else 1, seed)
        request = _request(text, max(length.answer, 1), keep=bool(length.prompt and not length.answer))
        self.cold.append(await ask(request, name))
        if length.prompt and not length.answer:
            self.warm.append(await ask(request, f"{name}, warm"))

    def row(self) -> LengthRow:
        """Its figures."""
        length = self.length
        fit = [s for s in self.cold if not _UNTRUE & set(s.flags)]
        disturbed = sum(bool(set(s.flags) & ENVIRONMENT) for s in fit)
        reads = [r for s in fit if (r := _prompt_rate(s, length)) is not None] if length.prompt else []
        makes = [s.reported_rate or s.rate for s in fit if length.answer > 1]
        known = [rate for rate in makes if rate is not None]
        counted = [s.prompt_tokens for s in fit if s.prompt_tokens is not None]
        tokens = round(statistics.median(counted)) if counted else None
        return LengthRow(
            test=length.name, length=length, n=len(fit), prompt_tokens=tokens,
            prompt_rate=statistics.fmean(r for r, _ in reads) if reads else None,
            prompt_deviation=statistics.stdev(r for r, _ in reads) if len(reads) > 1 else None,
            prompt_origin="reported" if reads and all(told for _, told in reads) else "measured",
            rate=statistics.fmean(known) if known else None, deviation=statistics.stdev(known) if len(known) > 1 else None,
            first_token_s=_median([s.ttft_s for s in fit]), warm_first_token_s=_median([s.ttft_s for s in self.warm]),
            total_s=_median([s.total_s for s in fit]), note=self._note(fit, tokens, disturbed),
        )  # fmt: skip

    def _note(self, fit: Sequence[SampleRow], tokens: int | None, disturbed: int) -> str:
        said = []
        if (lost := len(self.cold) - len(fit)) > 0:
            errors = [s.error for s in self.cold if s.error]
            said.append(f"{lost} of {len(self.cold)} measurements failed{f': {errors[0]}' if errors else '.'}")
        if disturbed:
            said.append(f"{disturbed} of {len(fit)} disturbed.")
        wanted = self.length.prompt + self.length.depth
        if tokens is not None and self.length.prompt and abs(tokens - wanted) > max(_AWAY * wanted, 8):
            said.append(f"The prompt had {tokens} tokens.")
        short = [s for s in fit if self.length.answer > 1 and (s.completion_tokens or 0) < self.length.answer]
        if short:
            said.append(f"{len(short)} of {len(fit)} answers ended before {self.length.answer} tokens.")
        return " ".join(said)


async def calibrated(ask: Ask, seed: str) -> Ruler:
    """The ruler of an engine, by two short prompts."""
    few, many = [
        await ask(_request(_text(words, f"{seed}:{words}"), 1, keep=False), "calibration") for words in (_FEW, _MANY)
    ]
    return Ruler.of(few, many)


def _request(text: str, answer: int, *, keep: bool) -> GenRequest:
    return GenRequest((Message("user", text),), answer, reuse_prompt=keep, ignore_eos=True)


def _text(words: int, seed: str) -> str:
    draw = random.Random(seed)  # noqa: S311 - a text, not a secret
    return " ".join(draw.choice(HEAD_WORDS) for _ in range(words))


def _prompt_rate(sample: SampleRow, length: Length) -> tuple[float, bool] | None:
    """Tokens a second that it read, and whether the engine says so; else by the time to the first token, which has one token's generation in it.

    With a depth only the engine's own word counts: how much of it was kept cannot be seen from here.
    """
    if sample.prompt_rate is not None:
        return sample.prompt_rate, True
    if length.depth or not sample.ttft_s or not sample.prompt_tokens:
        return None
    return sample.prompt_tokens / sample.ttft_s, False


def _median(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None
