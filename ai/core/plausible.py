"""What a server says of its answer, held against what arrived of it; every back end asks here.

The pieces that came have times and a length of their own: no vocabulary has tokens as long as some counts would need, and a rate that is far from the one
at which text arrived was measured of something else, or made up.
"""

from dataclasses import replace
from typing import Final

from ai.core.types import Final as FinalEvent

LONGEST_TOKEN: Final = 16.0
"""Characters a token, on average over a text, that no vocabulary reaches."""
_FAR_BEYOND: Final = 4000
"""Characters beyond the longest answer that a limit allows: the counts stand at the end, so an answer that ends soon is read to it."""
_APART: Final = 1.5
_ENOUGH_BUNCHES: Final = 8
"""Arrivals from which on the measured rate can tell that the reported one is wrong."""
_TIMES: Final = 3.0
_LEAST_S: Final = 30.0
"""From where on times are in another unit, or made up: so many times all that passed here, and seconds. What is less the rates show."""
_LONGER: Final = "The server says it computed for {:.1f} s of an answer that took {:.1f} s in all."
_NOT_BELIEVED: Final = "The server says it generated {:.1f} tokens/s, but they arrived at {:.1f}."


def overran(characters: int, most_tokens: int) -> bool:
    """Whether an answer goes on far beyond the tokens that it may have, perhaps for ever."""
    return characters > _FAR_BEYOND + LONGEST_TOKEN * most_tokens


def believed(final: FinalEvent) -> FinalEvent:
    """The end of an answer without the times that its server reported, where what arrived contradicts them."""
    spent = [figure.value for figure in (final.timings.prompt, final.timings.generation) if figure is not None]
    total = final.timings.total
    if spent and total is not None and total.origin == "measured" and sum(spent) > total.value * _TIMES + _LEAST_S:
        return _without_times(final, _LONGER.format(sum(spent), total.value))
    said, seen, arrival = final.generation_rate(), final.measured_rate(), final.timings.arrival
    if (
        said is None
        or seen is None
        or said.origin != "reported"
        or arrival is None
        or arrival.bunches < _ENOUGH_BUNCHES
    ):
        return final
    if 1 / _APART <= said.value / seen.value <= _APART:
        return final
    return _without_times(final, _NOT_BELIEVED.format(said.value, seen.value))


def _without_times(final: FinalEvent, why: str) -> FinalEvent:
    timings = replace(final.timings, prompt=None, generation=None, distrust=why)
    return replace(final, timings=timings, notes=(*final.notes, f"The reported timings are not used: {why}"))
