"""What each key may use a day and a month, what it has used, and when it may go on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

Span = Literal["day", "month"]
What = Literal["calls", "tokens"]
_SPANS: Final[tuple[Span, ...]] = ("day", "month")
WHAT: Final[tuple[What, ...]] = ("calls", "tokens")


@dataclass(frozen=True, slots=True)
class Budget:
    """What a key may use in a day and in a month of this machine's clock; tokens are those of prompts and answers. None sets no limit."""

    calls_day: int | None = None
    tokens_day: int | None = None
    calls_month: int | None = None
    tokens_month: int | None = None

    def of(self, what: What, span: Span) -> int | None:
        """One of them."""
        limit: int | None = getattr(self, f"{what}_{span}")
        return limit


@dataclass(slots=True)
class Used:
    """What a key has used on `day` (`2026-11-30`) and in its month."""

    day: str
    calls_day: int = 0
    tokens_day: int = 0
    calls_month: int = 0
    tokens_month: int = 0

    def of(self, what: What, span: Span) -> int:
        """One of them."""
        count: int = getattr(self, f"{what}_{span}")
        return count


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget that is used up: in words, and after how many seconds it begins anew."""

    message: str
    retry_s: int


class Ledger:
    """Counts what keys use. Tokens are known when a call ends: calls that are under way then are not cut.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.budgets: Mapping[str, Budget] = {}
        self._used: dict[str, Used] = {}
        self._second, self._day = -1, ""

    def restore(self, used: Mapping[str, Used]) -> None:
        """What an earlier process had counted."""
        self._used = {key: replace(counts) for key, counts in used.items()}

    def spent(self, key: str) -> Spent | None:
        """Which of its budgets a key has used up; None while it may ask."""
        budget = self.budgets.get(key)
        if budget is None:
            return None
        used = self._now(key)
        for span in reversed(_SPANS):
            for what in WHAT:
                limit = budget.of(what, span)
                if limit is not None and used.of(what, span) >= limit:
                    begins = self._next(span)
                    said = f"The key {key} has used its {limit:,} {what} of this {span}; it may go on {begins:%Y-%m-%d at %H:%M}."
                    return Spent(said, max(round(begins.timestamp() - self._clock()), 1))
        return None

    def began(self, key: str) -> None:
        """A call of this key goes ahead. Calls without a key are not counted."""
        if key:
            used = self._now(key)
            used.calls_day += 1
            used.calls_month += 1

    def ended(self, key: str, tokens: int) -> None:
        """A call of this key has ended, which took so many tokens."""
        if key:
            used = self._now(key)
            used.tokens_day += tokens
            used.tokens_month += tokens

    def used(self) -> dict[str, Used]:
        """What each key has used, as of today."""
        return {key: replace(self._now(key)) for key in self._used}

    def _now(self, key: str) -> Used:
        """The counts of a key; those of an earlier day or month begin anew."""
        today = self._today()
        used = self._used.setdefault(key, Used(today))
        if used.day != today:
            if used.day[:7] != today[:7]:
                used.calls_month = used.tokens_month = 0
            used.day, used.calls_day, used.tokens_day = today, 0, 0
        return used

    def _today(self) -> str:
        """By this machine's clock; looked up once a second, since every call asks twice."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._day = second, f"{datetime.fromtimestamp(second).astimezone():%Y-%m-%d}"
        return self._day

    def _next(self, span: Span) -> datetime:
        """When a span begins anew, by this machine's clock."""
        now = datetime.fromtimestamp(self._clock())  # noqa: DTZ006 - a wall clock's midnight; the zone is added below
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        begins = (
            today + timedelta(days=1) if span == "day" else (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        )
        return begins.astimezone()
