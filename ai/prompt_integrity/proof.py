"""Makes sure that a server read all of a prompt, where its count alone leaves that open: the server counts the text once more.

One that can count is asked to. Any other is given the text in parts that fit for sure, with one token to answer: their counts add up to that of
the whole. That costs about as much as reading the prompt did, and is needed only when a prompt is longer than
all that were proven before it, or has far fewer tokens than its like.

A short prompt of a server that names no context is asked once more with its text twice: then it has to count twice as much, but for the template, whose
tokens a short question tells. Some words more would not do: a server that drops blocks or shares of a prompt, and not just what is too much, counts more words
of a longer one, too. Where the counts are not those of a whole prompt, the parts decide.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from ai.core.errors import BackendError, Cancelled, ContextOverflow
from ai.core.types import Final as FinalEvent
from ai.core.types import GenRequest, Message
from ai.prompt_integrity.check import DROPPED, FITS_ANYWHERE, SHORT, Doubt, PromptCheck, least_tokens

Count = Callable[[tuple[Message, ...]], Awaitable[float | None]]
"""Tokens of a conversation by the server's own count, the template's included; None when it does not say."""
UNSURE: Final = "Whether the server read all of the prompt is not sure"
_A_PART: Final = 0.4
"""Of what fits for sure: even where a text is denser than expected, its parts are not too long."""
_LEAST_PART: Final = 40
"""Characters: shorter ones would be no more than a mark and a word."""
_MOST_PARTS: Final = 256
_TEMPLATE: Final = 4.0
"""Tokens by which a server's own count of a conversation may differ from that of what it reads: the beginning of the answer."""
_A_WORD: Final = 8.0
"""Tokens; a server keeps the beginning of the word in which two prompts begin to differ."""
_TWICE: Final = (
    "Here are some words: north, south, east, west, spring, summer, autumn, winter, red, green, blue, black, white."
)
_SEAM: Final = 2.0
"""Tokens by which two texts behind each other may differ from the sum of both, at each place where one begins."""
_MARKS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Parts begin with different letters, so that nothing of one is kept for the next."""


@dataclass(frozen=True, slots=True)
class Counter:
    """How a server counts.

    Attributes:
        read: what it says after it has read a prompt, which it may cut.
        exact: its own route for counting, whatever the length; None where it has none.
    """

    read: Count
    exact: Count | None = None


async def proved(
    check: PromptCheck, request: GenRequest, final: FinalEvent, counted: float | None, counter: Counter
) -> FinalEvent:
    """The end of an answer, marked as truncated where the prompt was not read whole, or nobody can tell.

    Raises:
        Cancelled: by the caller, while the server was counting.
    """
    found = check.read(counted, [message.content for message in request.messages])
    if found == "whole":
        return final
    if found == "cut":
        return _marked(final, DROPPED)
    try:
        whole = await _is_whole(check, request.messages, found, counter)
    except Cancelled:
        raise
    except BackendError as error:
        return _marked(final, f"{UNSURE}: {error.message}")
    if whole is None:
        return _marked(final, f"{UNSURE}: it does not say how many tokens the parts of it have.")
    return final if whole else _marked(final, DROPPED)


def bounded(request: GenRequest, final: FinalEvent) -> FinalEvent:
    """The end of an answer of our own worker, which refuses what it cannot read whole: marked if it counted too few tokens after all."""
    tokens = final.usage.prompt_tokens
    cut = tokens is not None and tokens.value < least_tokens(message.content for message in request.messages)
    return _marked(final, DROPPED) if cut else final


def _marked(final: FinalEvent, note: str) -> FinalEvent:
    return replace(final, truncated=True, notes=(*final.notes, note))


async def _is_whole(check: PromptCheck, messages: tuple[Message, ...], doubt: Doubt, counter: Counter) -> bool | None:
    tokens = await _counted_exactly(messages, counter.exact) if counter.exact else None
    if tokens:
        check.counts_kept = True  # as those servers do
        whole = None if tokens - _TEMPLATE <= doubt.counted < tokens else doubt.counted >= tokens
    else:
        whole = None
    short = check.context is None and doubt.counted <= FITS_ANYWHERE
    if whole is None and short and (not doubt.kept or check.counts_kept):
        twice, expected = await _twice(messages, doubt, counter.read)
        if twice is None or abs(twice - expected) <= _SEAM * (len(messages) + 1):
            check.counts_kept = True  # it had the first half
            check.proved(doubt, twice or 0.0)
            return True
    if whole is None:
        whole = await _adds_up(check, messages, doubt, counter.read)
    if whole:
        check.proved(doubt)
    else:
        check.refuted()
    return whole


async def _twice(messages: tuple[Message, ...], doubt: Doubt, count: Count) -> tuple[float | None, float]:
    """The count of a prompt with its text twice, None where the server refuses that as too long, and so cuts nothing; and what it should be of a whole one."""
    shape = await count(_shape(messages)) or 0.0
    again = (*messages[:-1], replace(messages[-1], content=f"{messages[-1].content}\n{doubt.text}"))
    try:
        counted = await count(again) or 0.0
    except ContextOverflow:
        return None, 0.0
    return counted, 2 * doubt.counted - (shape - len(messages))


def _shape(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A conversation of the same form that says next to nothing."""
    return tuple(replace(message, content=".") for message in messages)


async def _adds_up(check: PromptCheck, messages: tuple[Message, ...], doubt: Doubt, count: Count) -> bool | None:
    """Whether the counts of the parts add up to no more than that of the whole."""
    if check.counts_kept is None:
        check.counts_kept = await _counts_kept(count)
    shape = await count(_shape(messages))
    parts = _Parts(check, doubt, count)
    rest = await parts.tokens(doubt.text[doubt.kept :])
    if not shape or rest is None:
        return None
    if check.counts_kept is False and doubt.counted <= rest + shape + parts.slack():
        return doubt.counted >= rest - parts.slack() - _A_WORD  # it kept what it could, and counted the rest
    kept = await parts.tokens(doubt.text[: doubt.kept])
    if kept is None:
        return None
    if len(doubt.text) >= SHORT:
        check.learn(kept + rest, len(doubt.text))
    frame = 0.0 if check.counts_kept is False else shape - len(messages)  # that may be kept, too
    return doubt.counted >= kept + rest + frame - parts.slack()


async def _counts_kept(count: Count) -> bool | None:
    """Whether a server counts what it still has of the prompt before: it is given the same one twice."""
    first, again = [await count((Message("user", _TWICE),)) for _ in range(2)]
    return (again or 0) > first / 2 if first else None


async def _counted_exactly(messages: tuple[Message, ...], count: Count) -> float | None:
    """None also where the route fails: what imitates a server may lack it, and there is another way."""
    try:
        return await count(messages)
    except Cancelled:
        raise
    except BackendError:
        return None


class _Parts:
    """Counts a text in parts."""

    def __init__(self, check: PromptCheck, doubt: Doubt, count: Count) -> None:
        self._count = count
        fits = max(check.proven, min(check.likely, int(doubt.counted)))  # what it counted, it has read
        self._most = max(fits // 2, _LEAST_PART)
        dense = max(check.density, doubt.counted / len(doubt.text))
        self._size = max(int(_A_PART * fits / dense), _LEAST_PART)
        self._frame = 0.0
        self._within_words = 0
        self.asked = 0

    async def tokens(self, text: str) -> float | None:
        """Tokens of a text without any template; None when the server does not say, or has to be asked too often."""
        if not text:
            return 0.0
        for _ in range(2):  # the second time nothing differs but the mark, as it will be for the parts
            alone = await self._ask(" a")
            if alone is None:
                return None
            self._frame = alone - 1
        return await self._sum(_split(text, self._size))

    def slack(self) -> float:
        """Tokens by which the sum may exceed the count of the whole: one for each seam within a word.

        A seam at a blank adds none: of 165 postings in nine languages, cut into 2 to 90 parts each, the sum by a real vocabulary never was the larger one.
        """
        return float(self._within_words)

    async def _part(self, part: str) -> float | None:
        found = await self._ask(part)
        if found is None:
            return None
        if found - self._frame > self._most and len(part) > _LEAST_PART:  # denser than expected: perhaps cut itself
            return await self._sum(_split(part, -(-len(part) // 2)))
        return max(found - self._frame, 0.0)

    async def _sum(self, parts: list[str]) -> float | None:
        self._within_words += sum(not part[:1].isspace() for part in parts[1:])
        counts = [await self._part(part) for part in parts]
        return None if None in counts else sum(count for count in counts if count is not None)

    async def _ask(self, text: str) -> float | None:
        mark = _MARKS[self.asked % len(_MARKS)]
        self.asked += 1
        return await self._count((Message("user", f"{mark}\n{text}"),)) if self.asked <= _MOST_PARTS else None


def _split(text: str, size: int) -> list[str]:
    """Parts of at most `size` characters; each begins with the blank before a word where there is one, as tokens do."""
    parts, start = [], 0
    while len(text) - start > size:
        cut = max(text.rfind(" ", start + size // 2, start + size), text.rfind("\n", start + size // 2, start + size))
        end = cut if cut > start else start + size
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]
