"""Live figures of one backend: its last calls, and whether it drifts."""

import statistics
from collections import deque

from ai.router.drift import DriftAlarm, DriftDetector
from ai.shapes.engines import CallRecord, LiveFigures
from ai.statistics.intervals import percentile


class LiveWindow:
    """The last calls of one backend."""

    def __init__(self, backend: str) -> None:
        self._calls: deque[CallRecord] = deque(maxlen=200)
        self._first = DriftDetector(backend, "time to the first token")
        self._each = DriftDetector(backend, "time a token")

    def add(self, call: CallRecord) -> list[DriftAlarm]:
        """Add a call; alarms it raised."""
        self._calls.append(call)
        if call.outcome != "answered":
            return []
        alarms = [self._first.add(call.ttft_s)] if call.ttft_s else []
        alarms += [self._each.add(1 / call.tokens_per_s)] if call.tokens_per_s else []
        return [alarm for alarm in alarms if alarm is not None]

    def reading_s(self, tokens: float) -> float | None:
        """How long the engine took to begin an answer to a prompt of so many tokens, by its slower calls; None without any."""
        known = [c.ttft_s / c.prompt_tokens for c in self._calls if c.ttft_s and c.prompt_tokens]
        return percentile(known, 90) * tokens if known else None

    def figures(self) -> LiveFigures:
        """Now."""
        first = [c.ttft_s for c in self._calls if c.ttft_s is not None]
        rates = [c.tokens_per_s for c in self._calls if c.tokens_per_s is not None]
        failed = [c for c in self._calls if c.outcome != "answered"]
        return LiveFigures(
            len(self._calls),
            len(failed),
            percentile(first, 50) if first else None,
            percentile(first, 95) if first else None,
            statistics.median(rates) if rates else None,
            failed[-1].message if failed else "",
        )
