"""The plan's claim, ExLlamaV2 2 to 3 times as fast as Ollama with 30 to 50 % less memory: a hypothesis, answered by what was measured."""

from typing import Final, Literal

from ai.benchmark.reporting.figures import log_ratios
from ai.shapes.report import BenchmarkReport, ContenderReport, Hypothesis
from ai.statistics.intervals import Interval, hodges_lehmann

CLAIM: Final = "ExLlamaV2 is 2 to 3 times as fast as Ollama, with 30 to 50 % less memory"
_FASTER: Final = (2.0, 3.0)
_LESS: Final = (0.30, 0.50)
_LEAST_PAIRS: Final = 6
Answer = Literal["not tested", "reached", "exceeded", "not reached", "open"]


def answer_hypothesis(report: BenchmarkReport) -> Hypothesis:
    """Answer the claim with the report's interval; nothing is said of it where the two were not both measured."""
    exl, ollama = _usable(report, "exllamav2"), _usable(report, "ollama")
    if exl is None or ollama is None:
        return Hypothesis(answer="not tested", sentence="")
    ratios = log_ratios(report.samples, exl.name, ollama.name, "generation")
    if len(ratios) < _LEAST_PAIRS:
        return Hypothesis(
            answer="open", sentence=f"Not answered: {CLAIM}. Only {len(ratios)} clean pairs were measured."
        )
    pair = {exl.name, ollama.name}
    alike = next((c for c in report.comparisons if {c.candidate, c.reference} == pair), None)
    if alike is not None and alike.contradiction:
        return Hypothesis(answer="open", sentence=f"Not answered: {CLAIM}. {alike.contradiction}")
    interval = hodges_lehmann(ratios).exp()
    answer, speed = _speed(interval)
    caveat = (
        "" if alike is None or alike.comparable else " The set-ups differ, so this tells about set-ups, not engines."
    )
    sentence = f"{speed} {_memory(exl, ollama)}{caveat}"
    return Hypothesis(
        answer=answer, sentence=sentence, estimate=interval.estimate, low=interval.low, high=interval.high
    )


def _usable(report: BenchmarkReport, engine: str) -> ContenderReport | None:
    return next((c for c in report.contenders if c.engine == engine and not c.unusable), None)


def _speed(interval: Interval) -> tuple[Answer, str]:
    low, high = _FASTER
    bounds = f"{interval.estimate:.2f} times Ollama's speed, 95 % between {interval.low:.2f} and {interval.high:.2f}"
    if interval.high < low:
        return "not reached", f"The claimed 2 to 3 times is not reached here: ExLlamaV2 has {bounds}."
    if interval.low > high:
        return "exceeded", f"More than the claimed 2 to 3 times here: ExLlamaV2 has {bounds}."
    if interval.low >= low and interval.high <= high:
        return "reached", f"The claimed 2 to 3 times holds here: ExLlamaV2 has {bounds}."
    return "open", f"It remains open whether the claimed 2 to 3 times holds here: ExLlamaV2 has {bounds}."


def _memory(exl: ContenderReport, ollama: ContenderReport) -> str:
    for key in ("vram", "memory_peak"):
        mine, theirs = exl.metrics.get(key), ollama.metrics.get(key)
        if mine and theirs and mine.value and theirs.value:
            less = 1 - mine.value / theirs.value
            within = (
                "as claimed"
                if _LESS[0] <= less <= _LESS[1]
                else "more than claimed"
                if less > _LESS[1]
                else "not the claimed 30 to 50 %"
            )
            guess = "" if mine.origin == theirs.origin == "measured" else ", partly as the engines report it"
            word = "less" if less >= 0 else "more"
            return f"It takes {100 * abs(less):.0f} % {word} memory ({within}{guess})."
    return "Their memory could not be compared."
