"""Which patterns that were never seen before are told one by one, and which together.

A pattern is news once in the life of a store. What comes in floods, such as the records of a file that is imported or of a program that writes other words each time,
is told in one sentence a source and minute. What stands for several is the gravest of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from logs.core.timestamps import SECOND
from logs.patterns.book import Template

_AT_ONCE: Final = 3
"""More patterns of a source that come at once are told together."""
_CREDIT: Final = 30.0
"""Patterns that may be told one by one in a row; one more each `_EARNS_US`."""
_EARNS_US: Final = 4 * SECOND
_OF_SOURCE: Final = 5.0
"""Those of one source, as a source that is new has many; one more each `_EVERY_US`."""
_EVERY_US: Final = 60 * SECOND
"""A source is told of together at most so often."""


@dataclass(frozen=True, slots=True)
class PatternNews:
    """Patterns of a source that were never seen before, `count` of them; `template` is the one, or the gravest. `at`: when it was noticed, µs; no two have the
    same.
    """

    source: str
    at: int
    count: int
    template: Template


@dataclass(slots=True)
class _State:
    """What was told so far: the credit for telling one by one, since when it grows (µs), what was told so of each source, what waits to be told together, and when
    that was done last, by source.
    """

    credit: float = _CREDIT
    since: int = 0
    spent: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, tuple[int, Template]] = field(default_factory=dict)
    told_at: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "_State":
        """Another one, which may go on by itself."""
        return _State(self.credit, self.since, dict(self.spent), dict(self.waiting), dict(self.told_at))


class PatternHerald:
    """Decides how new patterns are told. Tell the `news`, and say so (`told`); news that were not told are given again. One thread uses it."""

    def __init__(self) -> None:
        self._state = _State()
        self._after = self._state

    def news(self, patterns: Sequence[Template], now: int, *, bulk: bool) -> list[PatternNews]:
        """What is to be told now (µs) of `patterns` that are new, and of those that waited. `bulk`: they come from the past of files."""
        state = self._after = self._state.copy()
        passed, state.since = max(0, now - state.since), now
        state.credit = min(_CREDIT, state.credit + passed / _EARNS_US)
        state.spent = {name: left for name, old in state.spent.items() if (left := old - passed / _EVERY_US) > 0}
        by_source: dict[str, list[Template]] = {}
        for template in patterns:
            by_source.setdefault(template.source, []).append(template)
        news: list[PatternNews] = []
        for source, found in by_source.items():
            spent = state.spent.get(source, 0.0) + len(found)
            if not bulk and len(found) <= min(_AT_ONCE, state.credit) and spent <= _OF_SOURCE:
                state.credit -= len(found)
                state.spent[source] = spent
                news += [PatternNews(source, now + len(news) + at, 1, template) for at, template in enumerate(found)]
            else:
                count, first = state.waiting.get(source, (0, found[0]))
                state.waiting[source] = count + len(found), max(first, *found, key=lambda one: one.level)
        for source in list(state.waiting):
            if now - state.told_at.get(source, now - _EVERY_US) >= _EVERY_US:
                state.told_at[source] = now
                news.append(PatternNews(source, now + len(news), *state.waiting.pop(source)))
        return news

    def told(self) -> None:
        """What `news` gave last is told."""
        self._state = self._after
