"""What Ollama's last message says of a call, and whether it can be believed.

Durations are nanoseconds and a field of value 0 is left out (Go's `omitempty`). Programs that imitate Ollama fill
the fields with made-up values: word counts for tokens, 0 for the prompt's time, the total for the generation's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ai.core.types import Figure, Origin, Timings, Usage

_LEAST_NS: Final = 10_000
"""Nanoseconds of a token: what takes less is written in another unit, or made up."""
_CLOSE: Final = 0.98


def distrust(said: Mapping[str, Any], pieces: int = 0) -> str:
    """Why the reported timings cannot be believed; empty when they can. `pieces`: how many came, each of a token at least."""
    counted = whole(said, "eval_count")
    if counted and counted < pieces - 1:
        return "The server counts fewer tokens than it sent."
    if counted and (spent := whole(said, "eval_duration")) and spent / counted < _LEAST_NS:
        return "The server says that it generated in no time."
    prompt_count, prompt_ns = whole(said, "prompt_eval_count"), whole(said, "prompt_eval_duration")
    eval_ns, total_ns = whole(said, "eval_duration"), whole(said, "total_duration")
    if prompt_count and not prompt_ns:
        return "The server says that it read the prompt in no time."
    if eval_ns and total_ns and eval_ns > total_ns:
        return "The server says that generating took longer than everything together."
    if eval_ns and total_ns and prompt_count and prompt_count > 8 and eval_ns >= total_ns * _CLOSE:
        return "The server gives the total as the time of generating."
    return ""


def usage_of(said: Mapping[str, Any], characters: int, density: float, *, trusted: bool) -> Usage:
    """Token counts; estimated from `characters` of answer at `density` tokens a character when they are missing or made up."""
    prompt, answer = whole(said, "prompt_eval_count"), whole(said, "eval_count")
    cached = whole(said, "prompt_eval_cached_count")
    origin: Origin = "reported" if trusted else "estimated"
    return Usage(
        prompt_tokens=Figure(prompt, origin) if prompt else None,
        completion_tokens=Figure(answer, origin)
        if answer
        else Figure(max(round(characters * density), 1 if characters else 0), "estimated"),
        cached_tokens=Figure(cached, "reported") if cached is not None else None,
    )


def timings_of(said: Mapping[str, Any], measured: Timings, *, new_prompt: bool = True) -> Timings:
    """The measured times with the reported ones beside them, as far as they can be believed.

    The count of a prompt is of all of it, its time of what was not in memory yet: of a prompt whose beginning was sent before
    (`new_prompt` false) the time is left out, unless the server tells how much it still had.
    """
    load = whole(said, "load_duration")
    why = distrust(said, measured.arrival.pieces if measured.arrival else 0)
    measured = replace(measured, load=Figure(load / 1e9, "reported") if load else None, distrust=why)
    if why:
        return measured
    prompt, generation = whole(said, "prompt_eval_duration"), whole(said, "eval_duration")
    told_cached = whole(said, "prompt_eval_cached_count") is not None
    return replace(
        measured,
        prompt=Figure(prompt / 1e9, "reported") if prompt and (new_prompt or told_cached) else None,
        generation=Figure(generation / 1e9, "reported") if generation else None,
    )


def whole(said: Mapping[str, Any], key: str) -> int | None:
    """A non-negative integer field, or None."""
    value = said.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None
