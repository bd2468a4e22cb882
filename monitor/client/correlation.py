"""How two series go together: the correlation of their ranks, and how often chance alone would do as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_LEAST: Final = 24
"""Fewer buckets with a reading say nothing."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A metric beside the number of records in `buckets` of time.

    `strength`: Spearman's rank correlation, from -1 to 1. `with_records` and `without`: the mean reading of buckets that have records, and of those that have none.
    All are None where there is too little to say.
    """

    metric: str
    buckets: int
    strength: float | None
    p_value: float | None
    with_records: float | None
    without: float | None


def correlate(metric: str, readings: Sequence[float | None], counts: Sequence[int]) -> Correlation:
    """Compare readings with counts of the same buckets; buckets without a reading are left out."""
    both = [(reading, count) for reading, count in zip(readings, counts, strict=True) if reading is not None]
    values = np.array([reading for reading, _ in both], np.float64)
    numbers = np.array([count for _, count in both], np.float64)
    busy = numbers > 0
    return Correlation(
        metric,
        len(both),
        *_strength(values, numbers),
        float(values[busy].mean()) if busy.any() else None,
        float(values[~busy].mean()) if both and not busy.all() else None,
    )


def _strength(values: npt.NDArray[np.float64], numbers: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    if len(values) < _LEAST or np.ptp(values) == 0 or np.ptp(numbers) == 0:
        return None, None
    ours, theirs = _ranks(values), _ranks(numbers)
    found = float(np.corrcoef(ours, theirs)[0, 1])
    shifted = [abs(float(np.corrcoef(ours, np.roll(theirs, by))[0, 1])) for by in range(1, len(theirs))]
    as_strong = sum(one >= abs(found) - 1e-12 for one in shifted)
    return found, (as_strong + 1) / (len(shifted) + 1)


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: npt.NDArray[np.float64] = (ends - (counts - 1) / 2)[places]
    return means
